//! Filling the market from the catalog: what Karpenter's AWS provider would offer each pool.
//!
//! Follows aws/karpenter-provider-aws v1.14.1 `pkg/providers/instancetype/{types,instancetype}.go`,
//! `pkg/providers/instancetype/offering` and `pkg/controllers/nodeclass` (readiness). Not modelled: capacity
//! reservations, placement groups, zonal shift, AMI compatibility.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::{Catalog, InstanceType, KarpenterNode, Prices, Region};
use cluster::node_class::AmiFamily;
use cluster::requirements::{Requirement, Requirements, Shape, WELL_KNOWN_LABELS};
use cluster::{Cluster, Kind, Name, NodeClass, NodePool, ObjectKey, SelectorOperator};

use super::shelf::{Key, Shelf};
use super::{CAPACITY_TYPE, Market, Offering, Offers, PoolMarket, TypeOnOffer, ZONE};

/// Something of EC2 that Karpenter knows to be out of capacity for now; `None` is every value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutOfCapacity {
    /// The node class whose launches it is about.
    pub node_class: Option<Name>,
    /// The instance type.
    pub instance_type: Option<Name>,
    /// The zone.
    pub zone: Option<Name>,
    /// The capacity type.
    pub capacity_type: Option<Name>,
}

impl OutOfCapacity {
    /// Whether it is about this offering.
    pub fn covers(&self, node_class: &str, instance_type: &str, zone: &str, capacity_type: &str) -> bool {
        let matches = |own: &Option<Name>, value: &str| own.as_ref().is_none_or(|own| own == value);
        matches(&self.node_class, node_class)
            && matches(&self.instance_type, instance_type)
            && matches(&self.zone, zone)
            && matches(&self.capacity_type, capacity_type)
    }
}

impl Market {
    /// What each declared pool can buy now, as Karpenter knows it.
    /// `shelf` has what was worked out before with the same catalog.
    pub fn of(
        cluster: &Cluster,
        catalog: &Catalog,
        out_of_capacity: &[OutOfCapacity],
        shelf: &Shelf,
    ) -> Market {
        let declared = &cluster.declared;
        let mut by_class: BTreeMap<&Name, Arc<Offers>> = BTreeMap::new();
        let pools = declared.node_pools.iter().map(|pool| {
            let Some(class) = declared.node_class(&pool.node_class) else {
                return not_ready(format!("EC2NodeClass {} does not exist", pool.node_class));
            };
            if let Some(why) = why_not_ready(cluster, class) {
                return not_ready(why);
            }
            let types = by_class
                .entry(&class.name)
                .or_insert_with(|| types_of(cluster, catalog, class, out_of_capacity, shelf));
            PoolMarket { not_ready: None, types: Arc::clone(types) }
        });
        Market { pools: pools.collect() }.overlaid(declared).0
    }
}

impl Market {
    /// What each declared pool can buy where one list holds for every node class of a kind: that of a provider
    /// without subnets and images.
    pub fn listed(
        cluster: &Cluster,
        kind: &Kind,
        types: &Arc<Offers>,
        out_of_capacity: &[OutOfCapacity],
    ) -> Market {
        let pools = cluster.declared.node_pools.iter().map(|pool| {
            let key = ObjectKey::new(kind.clone(), "", pool.node_class.clone());
            if !cluster.arrived_objects.contains(&key) {
                return not_ready(format!("{kind} {} does not exist", pool.node_class));
            }
            let types = match out_of_capacity {
                [] => Arc::clone(types),
                known => Arc::new(Offers::new(less(types, &pool.node_class, known))),
            };
            PoolMarket { not_ready: None, types }
        });
        Market { pools: pools.collect() }.overlaid(&cluster.declared).0
    }
}

fn not_ready(why: String) -> PoolMarket {
    PoolMarket { not_ready: Some(why.into()), types: Arc::default() }
}

/// Why a node class cannot be used: the conditions of its status that would be false.
pub fn why_not_ready(cluster: &Cluster, class: &NodeClass) -> Option<String> {
    let profile = &cluster.declared.profile;
    let key = ObjectKey::new(Kind::Ec2NodeClass, "", class.name.clone());
    if !cluster.arrived_objects.contains(&key) {
        return Some(format!("EC2NodeClass {} does not exist yet", class.name));
    }
    if !profile.subnets.is_empty() && profile.subnets_selected(&class.subnets).is_empty() {
        return Some(format!("EC2NodeClass {}: no subnet matches subnetSelectorTerms", class.name));
    }
    let selected = |(id, tags): &(Name, cluster::Labels)| {
        let name = tags.get("Name").map_or("", Name::as_str);
        class.security_groups.iter().any(|term| term.matches(id, name, tags))
    };
    if !profile.security_groups.is_empty() && !profile.security_groups.iter().any(selected) {
        return Some(format!(
            "EC2NodeClass {}: no security group matches securityGroupSelectorTerms",
            class.name
        ));
    }
    if class.role.is_none() && class.instance_profile.is_none() {
        return Some(format!("EC2NodeClass {}: neither role nor instanceProfile is set", class.name));
    }
    let needed: &[&str] = if class.role.is_some() { &NEEDED_WITH_ROLE } else { &NEEDED };
    let denied = needed.iter().find(|action| !is_allowed(cluster, action))?;
    Some(format!("EC2NodeClass {}: Karpenter may not {denied}", class.name))
}

/// What Karpenter calls before a node class is ready: discovery, and a dry run of the launch calls.
const NEEDED: [&str; 6] = [
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeImages",
    "ec2:CreateFleet",
    "ec2:CreateLaunchTemplate",
    "ec2:RunInstances",
];
const NEEDED_WITH_ROLE: [&str; 8] = [
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeImages",
    "iam:GetInstanceProfile",
    "iam:CreateInstanceProfile",
    "ec2:CreateFleet",
    "ec2:CreateLaunchTemplate",
    "ec2:RunInstances",
];

/// Whether the controller's permissions allow an action; `*` and `ec2:*` allow what they stand for.
pub fn is_allowed(cluster: &Cluster, action: &str) -> bool {
    let allows = |pattern: &Name| match pattern.strip_suffix('*') {
        Some(prefix) => action.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix)),
        None => action.eq_ignore_ascii_case(pattern),
    };
    cluster.declared.profile.aws.allowed_actions.as_ref().is_none_or(|actions| actions.iter().any(allows))
}

/// Zones in which a node class has a subnet; when the profile knows no subnets, those of the region and those that
/// nodes and pools name.
pub fn zones_of(cluster: &Cluster, catalog: &Catalog, class: &NodeClass) -> BTreeSet<Name> {
    let profile = &cluster.declared.profile;
    if !profile.subnets.is_empty() {
        let selected = profile.subnets_selected(&class.subnets);
        return selected.into_iter().map(|index| profile.subnets[index as usize].zone.clone()).collect();
    }
    let of_nodes = cluster.live_nodes().map(|node| node.zone.clone()).filter(|zone| !zone.is_empty());
    let of_pools = cluster.declared.node_pools.iter().flat_map(zones_named);
    let of_region =
        catalog.region(&profile.region).into_iter().flat_map(|region| region.zones.iter().cloned());
    let mut zones: BTreeSet<Name> = of_region.chain(of_nodes).chain(of_pools).collect();
    if zones.is_empty() {
        zones.extend(["a", "b", "c"].map(|letter| Name::from(format!("{}{letter}", profile.region))));
    }
    zones
}

fn zones_named(pool: &NodePool) -> Vec<Name> {
    let requirements = Requirements::of_selectors(&pool.requirements);
    let zones = requirements.get(ZONE).filter(|zones| zones.shape() == Shape::In);
    zones.map(|zones| zones.values.clone()).unwrap_or_default()
}

/// The region whose types and prices stand for one that the tables do not know.
const FALLBACK_REGION: &str = "us-east-1";

/// What decides an offering besides the type.
struct Seller<'a> {
    catalog: &'a Catalog,
    asked: &'a Key,
    region: Option<&'a Region>,
    prices: Prices<'a>,
}

/// What a node class can buy, less what is out of capacity.
fn types_of(
    cluster: &Cluster,
    catalog: &Catalog,
    class: &NodeClass,
    out_of_capacity: &[OutOfCapacity],
    shelf: &Shelf,
) -> Arc<Offers> {
    let (settings, profile) = (&cluster.declared.karpenter, &cluster.declared.profile);
    let overhead = u32::try_from(settings.vm_memory_overhead_millipercent).unwrap_or(0);
    let key = Key {
        region: profile.region.clone(),
        zones: zones_of(cluster, catalog, class),
        node: KarpenterNode::of(class, settings.reserved_enis, overhead),
        prices: profile.aws.prices.clone(),
    };
    let types = shelf.take(key, |asked| on_offer(catalog, asked));
    let concerns = |out: &OutOfCapacity| out.node_class.as_ref().is_none_or(|name| *name == class.name);
    if !out_of_capacity.iter().any(concerns) {
        return types;
    }
    Arc::new(Offers::new(less(&types, &class.name, out_of_capacity)))
}

fn less(types: &[TypeOnOffer], class: &str, out_of_capacity: &[OutOfCapacity]) -> Vec<TypeOnOffer> {
    let mut types = types.to_vec();
    for offered in &mut types {
        let name = &offered.name;
        for offering in &mut offered.offerings {
            let (zone, capacity_type) = (&offering.zone, &offering.capacity_type);
            let out = |known: &OutOfCapacity| known.covers(class, name, zone, capacity_type);
            offering.available &= !out_of_capacity.iter().any(out);
        }
    }
    types
}

/// Everything that is offered, with nothing out of capacity.
fn on_offer(catalog: &Catalog, asked: &Key) -> Vec<TypeOnOffer> {
    let region = catalog.region(&asked.region);
    let priced_as = region.map_or(FALLBACK_REGION, |region| region.name.as_str());
    let prices = Prices::new(catalog, priced_as, &asked.prices);
    let seller = Seller { catalog, asked, region, prices };
    catalog.instance_types().iter().filter_map(|it| seller.on_offer(it)).collect()
}

impl Seller<'_> {
    /// The type as it is offered; `None` when the region does not have it.
    fn on_offer(&self, it: &InstanceType) -> Option<TypeOnOffer> {
        let index = self.catalog.index_of(&it.name)?;
        if self.region.is_some_and(|region| region.offering(index).is_none()) {
            return None;
        }
        let sold_in = |zone: &&Name| {
            let known = self.region.and_then(|region| region.is_offered(index, zone));
            known.unwrap_or(true)
        };
        let zones: Vec<&Name> = self.asked.zones.iter().filter(sold_in).collect();
        let classes = [("on-demand", it.usage.on_demand), ("spot", it.usage.spot)];
        let classes: Vec<&str> = classes.iter().filter(|(_, sold)| *sold).map(|(name, _)| *name).collect();
        let pairs = zones.iter().flat_map(|zone| classes.iter().map(move |class| (*zone, *class)));
        let offerings = pairs.map(|(zone, class)| self.offering(it, zone, class)).collect();
        let resources = self.asked.node.resources(it);
        Some(TypeOnOffer {
            name: it.name.clone(),
            requirements: Arc::new(requirements_of(self.asked, &zones, it, &classes)),
            capacity: resources.capacity,
            allocatable: resources.allocatable,
            offerings,
        })
    }

    fn offering(&self, it: &InstanceType, zone: &Name, capacity_type: &str) -> Offering {
        let price = self.prices.price(it, zone, capacity_type);
        Offering {
            zone: zone.clone(),
            capacity_type: Name::new(capacity_type),
            price_micro_usd: price.map_or(i64::MAX, |price| price.micro_usd),
            available: price.is_some(),
            reservation: None,
        }
    }
}

fn requirements_of(asked: &Key, zones: &[&Name], it: &InstanceType, capacity_types: &[&str]) -> Requirements {
    let labels = catalog::labels::labels(it);
    let mut requirements = Requirements::of_labels(&labels);
    let attributes =
        |key: &&&str| key.starts_with("karpenter.k8s.aws/instance-") || key.contains("capacity-reservation");
    for key in WELL_KNOWN_LABELS.iter().filter(attributes).filter(|key| !labels.contains_key(**key)) {
        requirements.set(Requirement::does_not_exist(key));
    }
    let one_of = |key: &str, values: &[&str]| Requirement::new(key, SelectorOperator::In, values);
    requirements.set(one_of("karpenter.k8s.aws/instance-tenancy", &["default", "dedicated"]));
    let os: &[&str] = match (asked.node.ami_family.is_windows(), it.arch) {
        (false, _) => &["linux"],
        (true, "amd64") => &["windows"],
        (true, _) => &[],
    };
    requirements.set(one_of("kubernetes.io/os", os));
    requirements.set(match windows_build(asked.node.ami_family) {
        Some(build) => Requirement::equal_to("node.kubernetes.io/windows-build", build),
        None => Requirement::does_not_exist("node.kubernetes.io/windows-build"),
    });
    requirements.set(Requirement::equal_to("topology.kubernetes.io/region", &asked.region));
    requirements.set(one_of(CAPACITY_TYPE, capacity_types));
    let zones: Vec<&str> = zones.iter().map(|zone| zone.as_str()).collect();
    requirements.set(one_of(ZONE, &zones));
    requirements
}

fn windows_build(family: AmiFamily) -> Option<&'static str> {
    match family {
        AmiFamily::Windows2019 => Some("10.0.17763"),
        AmiFamily::Windows2022 => Some("10.0.20348"),
        AmiFamily::Windows2025 => Some("10.0.26100"),
        AmiFamily::Al2 | AmiFamily::Al2023 | AmiFamily::Bottlerocket | AmiFamily::Custom => None,
    }
}
