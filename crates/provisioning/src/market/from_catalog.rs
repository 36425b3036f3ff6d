//! Filling the market from the catalog: what Karpenter's AWS provider would offer each pool.
//!
//! Follows aws/karpenter-provider-aws v1.14.1 `pkg/providers/instancetype/{types,instancetype}.go`,
//! `pkg/providers/instancetype/offering` and `pkg/controllers/nodeclass` (readiness). Not modelled: capacity
//! reservations, placement groups, zonal shift, AMI compatibility.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::{Catalog, InstanceType, KarpenterNode};
use cluster::requirements::{Requirement, Requirements, Shape, WELL_KNOWN_LABELS};
use cluster::{Cluster, Kind, Name, NodeClass, NodePool, ObjectKey, SelectorOperator};

use super::{CAPACITY_TYPE, Market, Offering, PoolMarket, TypeOnOffer, ZONE, prices};

/// Something of EC2 that Karpenter knows to be out of capacity for now; `None` is every value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutOfCapacity {
    /// The instance type.
    pub instance_type: Option<Name>,
    /// The zone.
    pub zone: Option<Name>,
    /// The capacity type.
    pub capacity_type: Option<Name>,
}

impl OutOfCapacity {
    /// Whether it is about this offering.
    pub fn covers(&self, instance_type: &str, zone: &str, capacity_type: &str) -> bool {
        let matches = |own: &Option<Name>, value: &str| own.as_ref().is_none_or(|own| own == value);
        matches(&self.instance_type, instance_type)
            && matches(&self.zone, zone)
            && matches(&self.capacity_type, capacity_type)
    }
}

impl Market {
    /// What each declared pool can buy now, as Karpenter knows it.
    pub fn of(cluster: &Cluster, catalog: &Catalog, out_of_capacity: &[OutOfCapacity]) -> Market {
        let declared = &cluster.declared;
        let mut by_class: BTreeMap<&Name, Arc<Vec<TypeOnOffer>>> = BTreeMap::new();
        let pools = declared.node_pools.iter().map(|pool| {
            let Some(class) = declared.node_class(&pool.node_class) else {
                return not_ready(format!("EC2NodeClass {} does not exist", pool.node_class));
            };
            if let Some(why) = why_not_ready(cluster, class) {
                return not_ready(why);
            }
            let types = by_class
                .entry(&class.name)
                .or_insert_with(|| Arc::new(types_of(cluster, catalog, class, out_of_capacity)));
            PoolMarket { not_ready: None, types: Arc::clone(types) }
        });
        Market { pools: pools.collect() }
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

/// Zones in which a node class has a subnet; when the profile knows no subnets, the zones that anything in the
/// input names, or the first three of the region.
pub fn zones_of(cluster: &Cluster, class: &NodeClass) -> BTreeSet<Name> {
    let profile = &cluster.declared.profile;
    if !profile.subnets.is_empty() {
        let selected = profile.subnets_selected(&class.subnets);
        return selected.into_iter().map(|index| profile.subnets[index as usize].zone.clone()).collect();
    }
    let of_nodes = cluster.live_nodes().map(|node| node.zone.clone()).filter(|zone| !zone.is_empty());
    let of_pools = cluster.declared.node_pools.iter().flat_map(zones_named);
    let mut zones: BTreeSet<Name> = of_nodes.chain(of_pools).collect();
    if zones.len() < 3 {
        zones.extend(["a", "b", "c"].map(|letter| Name::from(format!("{}{letter}", profile.region))));
    }
    zones
}

fn zones_named(pool: &NodePool) -> Vec<Name> {
    let requirements = Requirements::of_selectors(&pool.requirements);
    let zones = requirements.get(ZONE).filter(|zones| zones.shape() == Shape::In);
    zones.map(|zones| zones.values.clone()).unwrap_or_default()
}

fn types_of(
    cluster: &Cluster,
    catalog: &Catalog,
    class: &NodeClass,
    out_of_capacity: &[OutOfCapacity],
) -> Vec<TypeOnOffer> {
    let settings = &cluster.declared.karpenter;
    let overhead = u32::try_from(settings.vm_memory_overhead_millipercent).unwrap_or(0);
    let node = KarpenterNode::of(class, settings.reserved_enis, overhead);
    let zones = zones_of(cluster, class);
    let types = catalog.instance_types().iter();
    types.map(|it| on_offer(cluster, class, &node, &zones, it, out_of_capacity)).collect()
}

fn on_offer(
    cluster: &Cluster,
    class: &NodeClass,
    node: &KarpenterNode,
    zones: &BTreeSet<Name>,
    it: &InstanceType,
    out_of_capacity: &[OutOfCapacity],
) -> TypeOnOffer {
    let classes = [("on-demand", it.usage.on_demand), ("spot", it.usage.spot)];
    let classes: Vec<&str> = classes.iter().filter(|(_, offered)| *offered).map(|(name, _)| *name).collect();
    let mut offerings = Vec::new();
    for zone in zones {
        for capacity_type in &classes {
            let price = prices::micro_usd(cluster, it, zone, capacity_type);
            let out = |known: &OutOfCapacity| known.covers(&it.name, zone, capacity_type);
            offerings.push(Offering {
                zone: zone.clone(),
                capacity_type: Name::new(capacity_type),
                price_micro_usd: price.unwrap_or(i64::MAX),
                available: price.is_some() && !out_of_capacity.iter().any(out),
            });
        }
    }
    let resources = node.resources(it);
    TypeOnOffer {
        name: it.name.clone(),
        requirements: requirements_of(cluster, class, zones, it, &classes),
        capacity: resources.capacity,
        allocatable: resources.allocatable,
        offerings,
    }
}

fn requirements_of(
    cluster: &Cluster,
    class: &NodeClass,
    zones: &BTreeSet<Name>,
    it: &InstanceType,
    capacity_types: &[&str],
) -> Requirements {
    let labels = catalog::labels::labels(it);
    let mut requirements = Requirements::of_labels(&labels);
    let attributes =
        |key: &&&str| key.starts_with("karpenter.k8s.aws/instance-") || key.contains("capacity-reservation");
    for key in WELL_KNOWN_LABELS.iter().filter(attributes).filter(|key| !labels.contains_key(**key)) {
        requirements.set(Requirement::does_not_exist(key));
    }
    let one_of = |key: &str, values: &[&str]| Requirement::new(key, SelectorOperator::In, values);
    requirements.set(one_of("karpenter.k8s.aws/instance-tenancy", &["default", "dedicated"]));
    let os: &[&str] = match (class.ami_family.is_windows(), it.arch) {
        (false, _) => &["linux"],
        (true, "amd64") => &["windows"],
        (true, _) => &[],
    };
    requirements.set(one_of("kubernetes.io/os", os));
    requirements.set(match windows_build(class) {
        Some(build) => Requirement::equal_to("node.kubernetes.io/windows-build", build),
        None => Requirement::does_not_exist("node.kubernetes.io/windows-build"),
    });
    requirements
        .set(Requirement::equal_to("topology.kubernetes.io/region", &cluster.declared.profile.region));
    requirements.set(one_of(CAPACITY_TYPE, capacity_types));
    let zones: Vec<&str> = zones.iter().map(Name::as_str).collect();
    requirements.set(one_of(ZONE, &zones));
    requirements
}

fn windows_build(class: &NodeClass) -> Option<&'static str> {
    use cluster::node_class::AmiFamily;
    match class.ami_family {
        AmiFamily::Windows2019 => Some("10.0.17763"),
        AmiFamily::Windows2022 => Some("10.0.20348"),
        AmiFamily::Windows2025 => Some("10.0.26100"),
        AmiFamily::Al2 | AmiFamily::Al2023 | AmiFamily::Bottlerocket | AmiFamily::Custom => None,
    }
}
