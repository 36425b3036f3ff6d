//! What each pool can buy: instance types with Karpenter's own estimate of their room, and where they are offered.
//!
//! Plain values; [`crate::market::Market::pools`] has one entry a declared pool. Filling them from the catalog is
//! the only thing that knows the catalog (`from_catalog`).

mod from_catalog;
mod offers;
mod overlays;
mod shelf;

pub use from_catalog::{OutOfCapacity, is_allowed, why_not_ready, zones_of};
pub use offers::{Agreement, Offers};
pub use shelf::Shelf;

use std::sync::Arc;

use cluster::requirements::{Requirement, Requirements};
use cluster::{Name, Resources};

/// What can be bought.
#[derive(Clone, Debug, Default)]
pub struct Market {
    /// By index into `declared.node_pools`.
    pub pools: Vec<PoolMarket>,
}

/// What one pool can buy.
#[derive(Clone, Debug, Default)]
pub struct PoolMarket {
    /// Why the pool cannot be used at all; `None` when it is ready.
    pub not_ready: Option<Name>,
    /// Instance types, in name order. Pools with the same node class share them.
    pub types: Arc<Offers>,
}

/// An instance type as Karpenter sees it for a node class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeOnOffer {
    /// `m7g.large`.
    pub name: Name,
    /// Every label that its nodes will have, as requirements: attributes that it lacks are `DoesNotExist`.
    pub requirements: Arc<Requirements>,
    /// `status.capacity` as estimated.
    pub capacity: Resources,
    /// `status.allocatable` as estimated.
    pub allocatable: Resources,
    /// Zone and capacity type pairs.
    pub offerings: Vec<Offering>,
}

/// One way to buy an instance type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offering {
    /// The availability zone.
    pub zone: Name,
    /// `on-demand`, `spot` or `reserved`.
    pub capacity_type: Name,
    /// In millionths of a US dollar an hour.
    pub price_micro_usd: i64,
    /// Priced, with a subnet, and not known to be out of capacity.
    pub available: bool,
    /// The capacity reservation that it is bought from; always there when the capacity type is `reserved`.
    pub reservation: Option<Reservation>,
}

/// A capacity reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// `cr-0123456789abcdef0`.
    pub id: Name,
    /// How many more instances it holds.
    pub count: u32,
}

/// The zone label.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// The capacity type label.
pub const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";
/// The label of capacity reservations.
pub const RESERVATION: &str = "karpenter.k8s.aws/capacity-reservation-id";
/// The instance type label.
pub const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";

impl Offering {
    /// Whether `requirements` leave this offering possible.
    pub fn satisfies(&self, requirements: &Requirements) -> bool {
        Wanted::of(requirements).allows(self)
    }
}

/// What requirements say about offerings, looked up once for many of them.
#[derive(Clone, Copy)]
struct Wanted<'r> {
    zone: Option<&'r Requirement>,
    capacity_type: Option<&'r Requirement>,
    reservation: Option<&'r Requirement>,
}

impl<'r> Wanted<'r> {
    fn of(requirements: &'r Requirements) -> Wanted<'r> {
        Wanted {
            zone: requirements.get(ZONE),
            capacity_type: requirements.get(CAPACITY_TYPE),
            reservation: requirements.get(RESERVATION),
        }
    }

    fn allows(&self, offering: &Offering) -> bool {
        self.zone.is_none_or(|wanted| wanted.has(&offering.zone))
            && self.capacity_type.is_none_or(|wanted| wanted.has(&offering.capacity_type))
            && self.reservation.is_none_or(|wanted| match &offering.reservation {
                Some(reservation) => wanted.has(&reservation.id),
                None => wanted.allows_absence(),
            })
    }
}

impl Offering {
    /// Whether a node with these labels was bought so: unlike nodes to come, it has all its labels.
    pub fn is_what_a_node_is(&self, labels: &Requirements) -> bool {
        let known = |key: &str| labels.get(key).is_some();
        known(ZONE)
            && known(CAPACITY_TYPE)
            && (self.reservation.is_none() || known(RESERVATION))
            && self.satisfies(labels)
    }
}

impl TypeOnOffer {
    /// Offerings that are available and that `requirements` leave possible.
    pub fn possible<'t>(&'t self, requirements: &'t Requirements) -> impl Iterator<Item = &'t Offering> {
        let wanted = Wanted::of(requirements);
        self.offerings.iter().filter(move |offering| offering.available && wanted.allows(offering))
    }

    /// The lowest price among them.
    pub fn cheapest_micro_usd(&self, requirements: &Requirements) -> Option<i64> {
        self.possible(requirements).map(|offering| offering.price_micro_usd).min()
    }

    /// The price in the worst case: the dearest offering of the capacity type that would be launched (reserved
    /// before spot before on-demand).
    pub fn worst_launch_micro_usd(&self, requirements: &Requirements) -> Option<i64> {
        ["reserved", "spot", "on-demand"].into_iter().find_map(|capacity_type| {
            self.possible(requirements)
                .filter(|offering| offering.capacity_type == capacity_type)
                .map(|offering| offering.price_micro_usd)
                .max()
        })
    }
}
