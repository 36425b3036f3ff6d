//! Which combinations of ipamd's settings start at all.
//!
//! Followed: aws/amazon-vpc-cni-k8s v1.23.1 `pkg/ipamd/ipamd.go` `isConfigValid` and `cmd/aws-vpc-cni/main.go`
//! (validation before ipamd starts).

use cluster::network::VpcCniSettings;

/// What ipamd does with its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Config {
    /// It starts as set.
    Runs,
    /// It starts, warns, and hands out single addresses: the instance cannot hold prefixes.
    RunsWithoutPrefixes,
    /// It exits.
    Refuses(Refusal),
}

/// Why ipamd exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Both or none of `ENABLE_IPv4` and `ENABLE_IPv6`.
    AddressFamilies,
    /// IPv6 needs prefix delegation, on an instance that can do it.
    Ipv6WithoutPrefixes,
    /// IPv6 and custom networking.
    Ipv6WithCustomNetworking,
    /// Prefix delegation with `WARM_IP_TARGET`, `MINIMUM_IP_TARGET` and `WARM_PREFIX_TARGET` all unset or zero.
    NoWarmTarget,
}

/// Judges the settings on an instance that can hold prefixes or not.
pub fn examine(settings: &VpcCniSettings, ipv4: bool, ipv6: bool, instance_prefixes: bool) -> Config {
    let delegated = settings.prefix_delegation;
    let targets = settings.warm_ip_target.unwrap_or(0)
        + settings.minimum_ip_target.unwrap_or(0)
        + settings.warm_prefix_target;
    if ipv4 == ipv6 {
        Config::Refuses(Refusal::AddressFamilies)
    } else if ipv6 && settings.custom_networking {
        Config::Refuses(Refusal::Ipv6WithCustomNetworking)
    } else if ipv6 && !(delegated && instance_prefixes) {
        Config::Refuses(Refusal::Ipv6WithoutPrefixes)
    } else if ipv4 && delegated && targets == 0 {
        Config::Refuses(Refusal::NoWarmTarget)
    } else if ipv4 && delegated && !instance_prefixes {
        Config::RunsWithoutPrefixes
    } else {
        Config::Runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{delegated, vpc_cni, warm_addresses};

    #[test]
    fn combinations() {
        let (plain, prefixes) = (vpc_cni(), delegated(vpc_cni()));
        let refuses = Config::Refuses;
        assert_eq!(examine(&plain, true, false, true), Config::Runs);
        assert_eq!(examine(&prefixes, true, false, true), Config::Runs);
        assert_eq!(examine(&prefixes, false, true, true), Config::Runs);
        assert_eq!(examine(&plain, false, true, true), refuses(Refusal::Ipv6WithoutPrefixes));
        assert_eq!(examine(&plain, true, true, true), refuses(Refusal::AddressFamilies));
        assert_eq!(examine(&plain, false, false, true), refuses(Refusal::AddressFamilies));
        assert_eq!(examine(&prefixes, false, true, false), refuses(Refusal::Ipv6WithoutPrefixes));
        let with_pod_eni = VpcCniSettings { pod_eni: true, ..prefixes.clone() };
        assert_eq!(examine(&with_pod_eni, false, true, true), Config::Runs);
        assert_eq!(examine(&prefixes, true, false, false), Config::RunsWithoutPrefixes);
        let custom = VpcCniSettings { custom_networking: true, ..prefixes };
        assert_eq!(examine(&custom, false, true, true), refuses(Refusal::Ipv6WithCustomNetworking));
    }

    #[test]
    fn prefixes_need_a_warm_target() {
        let none = VpcCniSettings { warm_prefix_target: 0, ..delegated(vpc_cni()) };
        assert_eq!(examine(&none, true, false, true), Config::Refuses(Refusal::NoWarmTarget));
        let one = VpcCniSettings { warm_prefix_target: 0, ..delegated(warm_addresses(1, 0)) };
        assert_eq!(examine(&one, true, false, true), Config::Runs);
    }
}
