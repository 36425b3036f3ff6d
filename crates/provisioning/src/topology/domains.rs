//! Counts by domain. Host names have indexes: there are as many as nodes, and each is looked at alone.

use std::collections::BTreeMap;

use cluster::Name;
use cluster::requirements::Requirement;

/// How many pods each domain has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domains {
    /// Of the host name.
    Hosts {
        /// By host index.
        counts: Vec<u32>,
        /// Hosts with pods, those elsewhere included.
        occupied: usize,
        /// Nodes that are not part of the plan (they are going), by host name.
        elsewhere: BTreeMap<Name, u32>,
    },
    /// Of any other key.
    Named(BTreeMap<Name, u32>),
}

impl Domains {
    /// Of the host name.
    pub fn hosts() -> Domains {
        Domains::Hosts { counts: Vec::new(), occupied: 0, elsewhere: BTreeMap::new() }
    }

    /// The count of a host.
    pub fn of_host(&self, host: usize) -> u32 {
        match self {
            Domains::Hosts { counts, .. } => counts.get(host).copied().unwrap_or(0),
            Domains::Named(_) => 0,
        }
    }

    /// Counts `pods` more on a host.
    pub fn record_host(&mut self, host: usize, pods: u32) {
        if let Domains::Hosts { counts, occupied, .. } = self {
            if host >= counts.len() {
                counts.resize(host + 1, 0);
            }
            *occupied += usize::from(counts[host] == 0 && pods > 0);
            counts[host] = counts[host].saturating_add(pods);
        }
    }

    /// Counts `pods` more in a domain by name.
    pub fn record(&mut self, domain: &Name, pods: u32) {
        match self {
            Domains::Named(counts) => {
                let count = counts.entry(domain.clone()).or_insert(0);
                *count = count.saturating_add(pods);
            }
            Domains::Hosts { occupied, elsewhere, .. } => {
                let count = elsewhere.entry(domain.clone()).or_insert(0);
                *occupied += usize::from(*count == 0 && pods > 0);
                *count = count.saturating_add(pods);
            }
        }
    }

    /// Makes a name a domain.
    pub fn register(&mut self, domain: &Name) {
        if let Domains::Named(counts) = self {
            counts.entry(domain.clone()).or_insert(0);
        }
    }

    /// Whether a domain that `allowed` lets through has a pod; `hostnames` names the hosts by index.
    pub fn any_occupied(&self, allowed: Option<&Requirement>, hostnames: &[Name]) -> bool {
        let passes = |name: &Name| allowed.is_none_or(|allowed| allowed.has(name));
        match self {
            Domains::Named(counts) => counts.iter().any(|(name, &count)| count > 0 && passes(name)),
            Domains::Hosts { occupied: 0, .. } => false,
            Domains::Hosts { .. } if allowed.is_none() => true,
            Domains::Hosts { counts, elsewhere, .. } => {
                let here = counts.iter().zip(hostnames).any(|(&count, name)| count > 0 && passes(name));
                here || elsewhere.iter().any(|(name, &count)| count > 0 && passes(name))
            }
        }
    }
}
