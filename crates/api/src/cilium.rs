//! Cilium's address settings, read from `cilium-config` and, where it is used, from a custom CNI configuration.
//!
//! Follows `cilium/cilium` v1.20 `pkg/nodediscovery/cell.go` (`ipam-*`, `eni-*` flags), `operator/option`
//! (`aws-*`), `Documentation/network/concepts/ipam`. Older charts put the same settings into a CNI configuration
//! (`cni.customConf`), which wins over the flags.

use std::collections::BTreeMap;

use cluster::network::{CiliumEniSettings, Cni};
use cluster::{FieldPath, Labels, Location, Name};
use serde_json::Value;

use crate::code;
use crate::environment::parse_bool;
use crate::problem::Reporter;

/// Settings by key: `cilium-config`'s data.
pub(crate) type Settings = BTreeMap<Name, Name>;

/// What `cilium-config` says about addresses.
pub(crate) enum Allocation {
    /// Cilium hands out addresses.
    Own(Cni),
    /// Another CNI does (chaining, delegated plug-in).
    Other,
}

/// Pod addresses that a node of the `kubernetes` and `cluster-pool` modes has with a mask of these bits: network,
/// broadcast, router and health endpoint are not for pods.
fn addresses_of_mask(bits: u32) -> u32 {
    1u32.checked_shl(32u32.saturating_sub(bits)).unwrap_or(u32::MAX).saturating_sub(4)
}

/// Reads the settings. `custom` is the CNI configuration that `read-cni-conf` refers to.
pub(crate) fn allocation(
    config: &Settings,
    custom: Option<&Value>,
    location: Location,
    reporter: &mut Reporter<'_>,
) -> Allocation {
    let text = |key: &str| config.get(key).map(Name::as_str).unwrap_or_default();
    let chaining = text("cni-chaining-mode");
    if !matches!(chaining, "" | "none" | "portmap" | "generic-veth") || text("ipam") == "delegated-plugin" {
        return Allocation::Other;
    }
    match text("ipam") {
        "eni" => Allocation::Own(Cni::CiliumEni(eni(config, custom, location, reporter))),
        "" | "cluster-pool" | "cluster-pool-v2beta" => Allocation::Own(cluster_pool(config, reporter)),
        "kubernetes" => {
            Allocation::Own(Cni::PerNodeRange { addresses_per_node: addresses_of_mask(24), max_nodes: None })
        }
        other => {
            let path = FieldPath::of("/data/ipam");
            let message =
                format!("{path}: addresses of the mode {other:?} are not modelled: every pod gets one");
            reporter.warning(&path, code::NOT_MODELLED, message, "");
            Allocation::Own(Cni::Unlimited)
        }
    }
}

fn cluster_pool(config: &Settings, reporter: &mut Reporter<'_>) -> Cni {
    let bits = config
        .get("cluster-pool-ipv4-mask-size")
        .and_then(|text| text.parse::<u32>().ok())
        .filter(|bits| *bits <= 32);
    let bits = bits.unwrap_or(24);
    let ranges = config.get("cluster-pool-ipv4-cidr").map(Name::as_str).unwrap_or_default();
    let mut nodes: Option<u32> = None;
    for range in ranges.split([' ', ',']).filter(|range| !range.is_empty()) {
        match range.parse::<ipnet::Ipv4Net>() {
            Ok(net) => {
                let more = 1u32.checked_shl(bits.saturating_sub(net.prefix_len().into())).unwrap_or(u32::MAX);
                nodes = Some(nodes.unwrap_or(0).saturating_add(more));
            }
            Err(_) => {
                let path = FieldPath::of("/data/cluster-pool-ipv4-cidr");
                reporter.warning(
                    &path,
                    code::BAD_VALUE,
                    format!("{path}: {range:?} is not an IPv4 range"),
                    "such as 10.0.0.0/8",
                );
            }
        }
    }
    Cni::PerNodeRange { addresses_per_node: addresses_of_mask(bits), max_nodes: nodes }
}

/// ENI mode. A setting of the custom CNI configuration wins.
fn eni(
    config: &Settings,
    custom: Option<&Value>,
    location: Location,
    reporter: &mut Reporter<'_>,
) -> CiliumEniSettings {
    let flag =
        |key: &str, default: bool| config.get(key).and_then(|text| parse_bool(text)).unwrap_or(default);
    let mut number = |key: &str, pointer: &str| {
        if let Some(number) = custom.and_then(|custom| custom.pointer(pointer)).and_then(Value::as_u64) {
            return u32::try_from(number).ok();
        }
        let text = config.get(key)?;
        let parsed = text.parse::<u32>().ok();
        if parsed.is_none() {
            let path = FieldPath::of("/data").child(key);
            reporter.warning(&path, code::BAD_VALUE, format!("{path}: {text:?} is not a number"), "");
        }
        parsed
    };
    let disabled =
        custom.and_then(|custom| custom.pointer("/eni/disable-prefix-delegation")).and_then(Value::as_bool);
    let prefix_delegation = flag("aws-enable-prefix-delegation", false)
        && !disabled.unwrap_or_else(|| flag("eni-disable-prefix-delegation", false));
    CiliumEniSettings {
        location,
        prefix_delegation,
        pre_allocate: number("ipam-pre-allocate", "/ipam/pre-allocate").filter(|count| *count > 0),
        min_allocate: number("ipam-min-allocate", "/ipam/min-allocate").unwrap_or(0),
        max_allocate: number("ipam-max-allocate", "/ipam/max-allocate").unwrap_or(0),
        max_above_watermark: number("ipam-max-above-watermark", "/ipam/max-above-watermark").unwrap_or(0),
        first_interface_index: number("eni-first-interface-index", "/eni/first-interface-index").unwrap_or(0),
        use_primary_address: custom
            .and_then(|custom| custom.pointer("/eni/use-primary-address"))
            .and_then(Value::as_bool)
            .unwrap_or_else(|| {
                flag("eni-use-primary-address", false) || flag("aws-use-primary-address", false)
            }),
        release_excess: flag("aws-release-excess-ips", false),
        subnet_tags: subnet_tags(config, custom),
        subnet_ids: subnet_ids(config, custom),
        own_endpoints: own_endpoints(config),
        replaces_kube_proxy: replaces_kube_proxy(config),
    }
}

fn subnet_tags(config: &Settings, custom: Option<&Value>) -> Labels {
    let own = custom.and_then(|custom| custom.pointer("/eni/subnet-tags")).and_then(Value::as_object);
    if let Some(tags) = own {
        return tags
            .iter()
            .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())))
            .collect();
    }
    let text = config.get("eni-subnet-tags").or_else(|| config.get("subnet-tags-filter"));
    let pairs = text.map(Name::as_str).unwrap_or_default();
    // Written as `k=v,k=v` or as a JSON map.
    if let Ok(Value::Object(map)) = serde_json::from_str(pairs) {
        return map
            .iter()
            .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())))
            .collect();
    }
    pairs
        .split([',', ' '])
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

fn subnet_ids(config: &Settings, custom: Option<&Value>) -> Vec<Name> {
    let own = custom.and_then(|custom| custom.pointer("/eni/subnet-ids")).and_then(Value::as_array);
    if let Some(ids) = own {
        return ids.iter().filter_map(Value::as_str).map(Name::from).collect();
    }
    let text = config.get("eni-subnet-ids").or_else(|| config.get("subnet-ids-filter"));
    let ids = text.map(Name::as_str).unwrap_or_default();
    ids.split([',', ' ']).filter(|id| !id.is_empty()).map(Name::from).collect()
}

/// Router, health endpoint, ingress listener.
fn own_endpoints(config: &Settings) -> u32 {
    let on = |key: &str, default: bool| config.get(key).and_then(|text| parse_bool(text)).unwrap_or(default);
    let health = on("enable-health-checking", true) && on("enable-endpoint-health-checking", true);
    let ingress = on("enable-ingress-controller", false) || on("enable-gateway-api", false);
    1 + u32::from(health) + u32::from(ingress)
}

/// `kube-proxy-replacement`: `true`, or `strict` as older versions say it.
pub(crate) fn replaces_kube_proxy(config: &Settings) -> bool {
    config.get("kube-proxy-replacement").is_some_and(|text| matches!(text.as_str(), "true" | "strict"))
}

#[cfg(test)]
mod tests {
    use cluster::{Kind, ObjectKey};

    use super::*;
    use crate::problem::Problems;

    fn read(pairs: &[(&str, &str)], custom: Option<Value>) -> Allocation {
        let config = pairs.iter().map(|(key, value)| (Name::from(*key), Name::from(*value))).collect();
        let location = Location::object(ObjectKey::new(Kind::ConfigMap, "kube-system", "cilium-config"));
        let mut problems = Problems::default();
        let object = crate::testing::object(
            &serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cilium-config"}}),
        );
        allocation(&config, custom.as_ref(), location, &mut Reporter::new(&mut problems, &object))
    }

    #[test]
    fn eni_mode_reads_flags_and_the_custom_configuration_wins() {
        let pairs = [
            ("ipam", "eni"),
            ("aws-enable-prefix-delegation", "true"),
            ("eni-first-interface-index", "1"),
            ("eni-subnet-tags", "a=b"),
        ];
        let Allocation::Own(Cni::CiliumEni(settings)) = read(&pairs, None) else { panic!("not in ENI mode") };
        assert!(settings.prefix_delegation);
        assert_eq!(
            (settings.first_interface_index, settings.own_endpoints, settings.pre_allocate),
            (1, 2, None)
        );
        assert_eq!(settings.subnet_tags.get("a").map(Name::as_str), Some("b"));
        let custom = serde_json::json!({"eni": {"first-interface-index": 0}, "ipam": {"pre-allocate": 4}});
        let Allocation::Own(Cni::CiliumEni(settings)) = read(&pairs, Some(custom)) else {
            panic!("not in ENI mode")
        };
        assert_eq!((settings.first_interface_index, settings.pre_allocate), (0, Some(4)));
    }

    #[test]
    fn cluster_pool_divides_its_range_among_nodes() {
        let pairs = [
            ("ipam", "cluster-pool"),
            ("cluster-pool-ipv4-cidr", "10.0.0.0/16"),
            ("cluster-pool-ipv4-mask-size", "25"),
        ];
        let Allocation::Own(Cni::PerNodeRange { addresses_per_node, max_nodes }) = read(&pairs, None) else {
            panic!("no range")
        };
        assert_eq!((addresses_per_node, max_nodes), (124, Some(512)));
    }

    #[test]
    fn chained_to_the_vpc_cni_it_hands_out_nothing() {
        assert!(matches!(
            read(&[("ipam", "cluster-pool"), ("cni-chaining-mode", "aws-cni")], None),
            Allocation::Other
        ));
    }
}
