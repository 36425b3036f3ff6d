//! What EC2 had no capacity for lately: such offerings are not asked for again for three minutes.
//!
//! Follows aws/karpenter-provider-aws v1.14.1 `pkg/cache/{cache,unavailableofferings}.go` and
//! `pkg/providers/instance/instance.go` (`updateUnavailableOfferingsCache`).

use std::collections::{BTreeMap, BTreeSet};

use cluster::network::SubnetId;
use cluster::node_claim::{LaunchFailure, LaunchOption, RefusedOffering};
use cluster::{Cluster, Name, Timestamp};
use provisioning::market::OutOfCapacity;

/// EC2's error for spot requests without the service-linked role, which the caller may not create.
pub const NO_SPOT_ROLE: &str = "AuthFailure.ServiceLinkedRoleCreationNotPermitted";

/// How long an error is remembered.
pub const TTL_MS: i64 = 180_000;

/// What is remembered.
#[derive(Clone, Debug, Default)]
pub struct CapacityErrors {
    offerings: BTreeMap<OutOfCapacity, Timestamp>,
    subnets: BTreeMap<SubnetId, Timestamp>,
    changed: bool,
}

impl CapacityErrors {
    /// Remembers that an offering was refused.
    pub fn note(&mut self, refused: &RefusedOffering, now: Timestamp) {
        let RefusedOffering { option, why, .. } = refused;
        let until = now.after_ms(TTL_MS);
        let offering = |instance_type: Option<&Name>, zone: Option<&Name>| OutOfCapacity {
            node_class: None,
            instance_type: instance_type.cloned(),
            zone: zone.cloned(),
            capacity_type: Some(option.capacity_type.clone()),
        };
        match why {
            LaunchFailure::SubnetFull(subnet) => {
                self.subnets.insert(*subnet, until);
                // The error is a capacity error of the offering as well.
                self.offerings.insert(offering(Some(&option.instance_type), Some(&option.zone)), until);
            }
            LaunchFailure::InsufficientCapacity | LaunchFailure::QuotaExceeded { .. } => {
                self.offerings.insert(offering(Some(&option.instance_type), Some(&option.zone)), until);
            }
            LaunchFailure::Unauthorized(code) if code == NO_SPOT_ROLE => {
                self.offerings.insert(offering(None, None), until);
            }
            LaunchFailure::Unauthorized(_)
            | LaunchFailure::NodeClassNotReady(_)
            | LaunchFailure::ServiceError(_) => return,
        }
        self.changed = true;
    }

    /// A subnet had not even one address left.
    pub fn note_subnet(&mut self, subnet: SubnetId, now: Timestamp) {
        self.subnets.insert(subnet, now.after_ms(TTL_MS));
        self.changed = true;
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.offerings.is_empty() && self.subnets.is_empty()
    }

    /// Whether an offering is remembered.
    pub fn covers(&self, option: &LaunchOption) -> bool {
        self.offerings
            .keys()
            .any(|known| known.covers("", &option.instance_type, &option.zone, &option.capacity_type))
    }

    /// Forgets what is too old; true when something was.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let before = self.offerings.len() + self.subnets.len();
        self.offerings.retain(|_, until| *until > now);
        self.subnets.retain(|_, until| *until > now);
        before != self.offerings.len() + self.subnets.len()
    }

    /// When the next error is forgotten.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.offerings.values().chain(self.subnets.values()).min().copied()
    }

    /// Whether something new is remembered since the last time this was asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Everything remembered; a zone is out for a node class when all of its subnets there are.
    pub fn known(&self, cluster: &Cluster) -> Vec<OutOfCapacity> {
        let mut known: Vec<OutOfCapacity> = self.offerings.keys().cloned().collect();
        if self.subnets.is_empty() {
            return known;
        }
        for class in &cluster.declared.node_classes {
            let own = cluster.subnets.iter().filter(|subnet| {
                class.subnets.iter().any(|term| term.matches(&subnet.name, "", &subnet.tags))
            });
            let (mut zones, mut usable) = (BTreeSet::new(), BTreeSet::new());
            for subnet in own {
                zones.insert(&subnet.zone);
                if !self.subnets.contains_key(&subnet.id) {
                    usable.insert(&subnet.zone);
                }
            }
            known.extend(zones.difference(&usable).map(|zone| OutOfCapacity {
                node_class: Some(class.name.clone()),
                instance_type: None,
                zone: Some((*zone).clone()),
                capacity_type: None,
            }));
        }
        known
    }
}
