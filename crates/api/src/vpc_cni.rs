//! Settings of amazon-vpc-cni-k8s, read from the environment of `aws-node`.
//!
//! Follows `aws/amazon-vpc-cni-k8s` v1.23.1 `pkg/ipamd/ipamd.go` (code defaults) and `cmd/aws-vpc-cni/main.go`.

use std::collections::BTreeMap;

use cluster::network::VpcCniSettings;
use cluster::{Location, Name};

use crate::code;
use crate::environment::Environment;
use crate::problem::Reporter;

/// Settings out of the agent's environment. What does not parse falls back as ipamd does.
pub(crate) fn settings(
    environment: &Environment,
    location: Location,
    eni_configs: &BTreeMap<Name, Name>,
    reporter: &mut Reporter<'_>,
) -> VpcCniSettings {
    let unset_if_negative =
        |name: &str| environment.integer(name).and_then(|value| u32::try_from(value).ok());
    let cooldown = environment.integer("IP_COOLDOWN_PERIOD").filter(|seconds| *seconds >= 0).unwrap_or(30);
    let settings = VpcCniSettings {
        location,
        warm_eni_target: unset_if_negative("WARM_ENI_TARGET").unwrap_or(1),
        warm_ip_target: unset_if_negative("WARM_IP_TARGET").filter(|target| *target > 0),
        minimum_ip_target: unset_if_negative("MINIMUM_IP_TARGET").filter(|target| *target > 0),
        warm_prefix_target: unset_if_negative("WARM_PREFIX_TARGET").unwrap_or(0),
        max_eni: unset_if_negative("MAX_ENI").filter(|max| *max > 0),
        prefix_delegation: environment.boolean("ENABLE_PREFIX_DELEGATION", false),
        custom_networking: environment.boolean("AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", false),
        eni_configs: eni_configs.iter().map(|(name, subnet)| (name.clone(), subnet.clone())).collect(),
        eni_config_label: environment
            .text("ENI_CONFIG_LABEL_DEF")
            .unwrap_or("k8s.amazonaws.com/eniConfig")
            .into(),
        pod_eni: environment.boolean("ENABLE_POD_ENI", false),
        subnet_discovery: environment.boolean("ENABLE_SUBNET_DISCOVERY", true),
        cooldown_ms: cooldown.saturating_mul(1000),
    };
    check(&settings, environment, reporter);
    settings
}

/// What the entrypoint refuses to start with, and what is not modelled.
fn check(settings: &VpcCniSettings, environment: &Environment, reporter: &mut Reporter<'_>) {
    let path = &environment.path;
    let ipv6 = environment.boolean("ENABLE_IPv6", false);
    if ipv6 == environment.boolean("ENABLE_IPv4", !ipv6)
        && (ipv6 || environment.text("ENABLE_IPv4").is_some())
    {
        let message =
            "ENABLE_IPv4 and ENABLE_IPv6: exactly one of the two must be true, or aws-node does not start";
        reporter.warning(path, code::BAD_VALUE, message, "");
    }
    if ipv6 {
        reporter.warning(path, code::NOT_MODELLED, "ENABLE_IPv6: addresses are counted as in IPv4 mode", "");
    }
    let no_target = settings.warm_ip_target.is_none()
        && settings.minimum_ip_target.is_none()
        && settings.warm_prefix_target == 0;
    if settings.prefix_delegation && no_target {
        let message = "with ENABLE_PREFIX_DELEGATION one of WARM_PREFIX_TARGET, WARM_IP_TARGET and MINIMUM_IP_TARGET must be above 0, or aws-node does not start";
        reporter.warning(path, code::BAD_VALUE, message, "add WARM_PREFIX_TARGET=1");
    }
    for name in [
        "WARM_ENI_TARGET",
        "WARM_IP_TARGET",
        "MINIMUM_IP_TARGET",
        "WARM_PREFIX_TARGET",
        "MAX_ENI",
        "IP_COOLDOWN_PERIOD",
    ] {
        if environment.text(name).is_some_and(|text| !text.is_empty()) && environment.integer(name).is_none()
        {
            let message = format!(
                "{name}: {:?} is not a number; ipamd takes its default",
                environment.text(name).unwrap_or_default()
            );
            reporter.warning(path, code::BAD_VALUE, message, "write a whole number in quotes");
        }
    }
    if environment.boolean("ENABLE_MULTI_NIC", false) {
        reporter.warning(
            path,
            code::NOT_MODELLED,
            "ENABLE_MULTI_NIC: only the first network card is looked at",
            "",
        );
    }
}
