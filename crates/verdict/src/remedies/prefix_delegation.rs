//! Prefix delegation: sixteen addresses for each slot of an interface.

use cluster::network::Cni;
use sources::Edit;

use super::Case;
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    if !case.lacks_addresses() {
        return Vec::new();
    }
    let Some((edits, setting)) = switch(case) else { return Vec::new() };
    let title = format!("turn on prefix delegation: {setting}");
    vec![Remedy { id: "prefix-delegation", title, edits, operation: None, cost: 0 }]
}

fn switch(case: &Case<'_>) -> Option<(Vec<Edit>, &'static str)> {
    match &case.declared.cni {
        Cni::CiliumEni(settings) if !settings.prefix_delegation => {
            let edit = case.cilium(
                &settings.location,
                "aws-enable-prefix-delegation",
                "/eni/awsEnablePrefixDelegation",
            );
            Some((vec![edit], "aws-enable-prefix-delegation of Cilium"))
        }
        Cni::VpcCni(settings) if !settings.prefix_delegation => {
            let mut variables = vec![("ENABLE_PREFIX_DELEGATION", "true".to_owned())];
            // `aws-node` does not start with prefixes and without any target.
            let targets = [settings.warm_ip_target, settings.minimum_ip_target];
            if settings.warm_prefix_target == 0 && targets == [None, None] {
                variables.push(("WARM_PREFIX_TARGET", "1".to_owned()));
            }
            Some((case.vpc_cni_env(&variables)?, "ENABLE_PREFIX_DELEGATION of the VPC CNI"))
        }
        _ => None,
    }
}
