//! Whose decisions the provisioner of a run makes.
//!
//! The controller is Karpenter's in either case: when it looks, in which order it acts and what it calls. What it
//! decides differs: see [`provisioning::Policy`].

use std::fmt;

use catalog::Catalog;
use cluster::Cluster;
use provisioning::Policy;
use provisioning::plimsoll::addresses::Addresses;

/// Which policy decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provisioner {
    /// Stock Karpenter's: what a cluster that runs it does.
    #[default]
    Karpenter,
    /// plimsoll's own: addresses are a resource, and the cheapest of several plans is taken.
    Plimsoll,
}

impl Provisioner {
    /// The facts that the policy needs about a cluster as it is now; `None` where it needs none.
    pub fn facts(self, cluster: &Cluster, catalog: &Catalog) -> Option<Addresses> {
        match self {
            Provisioner::Karpenter => None,
            Provisioner::Plimsoll => Some(Addresses::of(cluster, catalog)),
        }
    }
}

/// The policy by its facts.
pub fn policy(facts: Option<&Addresses>) -> Policy<'_> {
    facts.map_or(Policy::Karpenter, Policy::Plimsoll)
}

/// The name of the policy.
impl fmt::Display for Provisioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Provisioner::Karpenter => "Karpenter",
            Provisioner::Plimsoll => "plimsoll",
        })
    }
}
