//! What can be bought?
//!
//! Instance types with their interface, address and volume limits, where they are offered, what they cost, and
//! what a node of a type has left for pods. Embedded tables; no network.

pub mod branch_interfaces;
mod gzip;
pub mod instance_name;
mod instance_table;
pub mod instance_type;
pub mod karpenter_node;
pub mod kubelet_node;
pub mod labels;
pub mod max_pods;
pub mod max_pods_expression;
pub mod price;
pub mod region;
mod region_table;
pub mod reserved;
pub mod volumes;

use std::sync::OnceLock;

use cluster::Name;

pub use instance_type::InstanceType;
pub use karpenter_node::KarpenterNode;
pub use kubelet_node::KubeletNode;
pub use max_pods::MaxPodsSettings;
pub use price::{Price, PriceSource, Prices};
pub use region::{Offering, Region};
use region_table::LazyRegion;

/// What can be bought, and where. [`Catalog::embedded`] has the tables that come with plimsoll.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    types: Vec<InstanceType>,
    /// In name order; the embedded ones are unpacked when a region is first asked for.
    regions: OnceLock<Vec<LazyRegion>>,
}

/// What a node has, and what of it pods can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeResources {
    /// `status.capacity`.
    pub capacity: cluster::Resources,
    /// `status.allocatable`.
    pub allocatable: cluster::Resources,
}

impl Catalog {
    /// When the embedded types and offerings were captured; reports print it.
    pub const EMBEDDED_DATE: &'static str = "2026-10-27";

    /// When the embedded prices were captured (those of other regions than us-east-1 and the US government's are of
    /// 2025-03 or follow its ratios); reports print it.
    pub const EMBEDDED_PRICES_DATE: &'static str = "2026-07-06";

    /// The embedded tables, decoded once.
    pub fn embedded() -> &'static Catalog {
        static EMBEDDED: OnceLock<Catalog> = OnceLock::new();
        EMBEDDED.get_or_init(Catalog::decode)
    }

    /// The embedded tables, decoded again; regions are decoded when they are asked for.
    pub fn decode() -> Catalog {
        Catalog { types: instance_table::embedded(), regions: OnceLock::new() }
    }

    /// A catalog of the given types and regions only. Offerings refer to the types in name order.
    pub fn of(mut types: Vec<InstanceType>, mut regions: Vec<Region>) -> Catalog {
        types.sort_by(|a, b| a.name.cmp(&b.name));
        types.dedup_by(|a, b| a.name == b.name);
        regions.sort_by(|a, b| a.name.cmp(&b.name));
        Catalog {
            types,
            regions: OnceLock::from(regions.into_iter().map(LazyRegion::of).collect::<Vec<_>>()),
        }
    }

    /// Every type, in name order.
    pub fn instance_types(&self) -> &[InstanceType] {
        &self.types
    }

    /// The type with this name; `None` when the tables do not know it.
    pub fn instance_type(&self, name: &str) -> Option<&InstanceType> {
        self.index_of(name).map(|index| &self.types[index])
    }

    /// The position of the type with this name in [`Catalog::instance_types`].
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.types.binary_search_by(|it| it.name.as_str().cmp(name)).ok()
    }

    /// The names of all regions, in order.
    pub fn region_names(&self) -> impl Iterator<Item = &Name> {
        self.lazy_regions().iter().map(LazyRegion::name)
    }

    /// A region with its zones and offerings; `None` when the tables do not know it.
    pub fn region(&self, name: &str) -> Option<&Region> {
        let regions = self.lazy_regions();
        let index = regions.binary_search_by(|region| region.name().as_str().cmp(name)).ok()?;
        Some(regions[index].region(&self.types))
    }

    /// What a region offers: each type with its zones. Nothing for a region that the tables do not know.
    pub fn offerings(&self, region: &str) -> impl Iterator<Item = (&InstanceType, Vec<&Name>)> {
        let region = self.region(region);
        region.into_iter().flat_map(|region| {
            region.offerings.iter().filter_map(|offering| {
                let index = usize::try_from(offering.type_index).ok()?;
                Some((self.types.get(index)?, region.zones_of(index).collect()))
            })
        })
    }

    /// A price without what the user states; see [`Prices`].
    pub fn price(&self, it: &InstanceType, region: &str, zone: &str, capacity_type: &str) -> Option<Price> {
        Prices::new(self, region, &[]).price(it, zone, capacity_type)
    }

    fn lazy_regions(&self) -> &[LazyRegion] {
        self.regions.get_or_init(region_table::embedded)
    }
}
