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
