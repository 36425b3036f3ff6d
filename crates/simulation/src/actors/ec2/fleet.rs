//! A launch: what Karpenter asks CreateFleet for, and what EC2 answers.
//!
//! Follows aws/karpenter-provider-aws v1.14.1 `pkg/providers/instance/instance.go` and `filter/filter.go` for the
//! request (no accelerators or bare metal unless nothing else will do, no spot type dearer than the cheapest on
//! demand, reserved before spot before on demand, 60 types). EC2 takes the cheapest offering that it can launch; of
//! equally cheap ones, which is chance in EC2, a different one each time. Its spot strategy weighs capacity as well,
//! which nobody outside can see: price alone decides here.

use std::collections::{BTreeMap, BTreeSet};

use autoscaler::capacity_errors::NO_SPOT_ROLE;
use catalog::{Catalog, InstanceType, KarpenterNode};
use cluster::change::Fault;
use cluster::network::SubnetId;
use cluster::node_claim::{LaunchFailure, LaunchOption, Launched, NodeClaim, RefusedOffering};
use cluster::{Cluster, Name, NodeClass};
use provisioning::market::is_allowed;

use super::quota;
use super::subnets::SubnetView;

/// What came of a launch.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The instance, or why there is none.
    pub outcome: Result<Launched, LaunchFailure>,
    /// Offerings that EC2 refused on the way, and why.
    pub refused: Vec<RefusedOffering>,
}

/// The role that spot requests need.
const SPOT_ROLE: &str = "spot.amazonaws.com";

/// Launches an instance for a claim. `chance` spreads equal offers.
pub fn launch(
    cluster: &Cluster,
    catalog: &Catalog,
    claim: &NodeClaim,
    subnets: &mut SubnetView,
    is_out_of_capacity: impl Fn(&LaunchOption) -> bool,
    chance: u64,
) -> Answer {
    let none = |why: LaunchFailure| Answer { outcome: Err(why), refused: Vec::new() };
    let pool = cluster.declared.pool_of(claim);
    let Some(class) = pool.and_then(|pool| cluster.declared.node_class(&pool.node_class)) else {
        return none(LaunchFailure::NodeClassNotReady("the EC2NodeClass does not exist".into()));
    };
    if let Some(why) = provisioning::market::why_not_ready(cluster, class) {
        return none(LaunchFailure::NodeClassNotReady(why.into()));
    }
    if let Some(code) = service_error(cluster) {
        return none(LaunchFailure::ServiceError(code));
    }
    let available: Vec<&LaunchOption> =
        claim.options.iter().filter(|option| !is_out_of_capacity(option)).collect();
    let requested = requested(catalog, available);
    if requested.is_empty() {
        return none(LaunchFailure::InsufficientCapacity);
    }
    let types: Vec<&InstanceType> =
        requested.iter().filter_map(|option| catalog.instance_type(&option.instance_type)).collect();
    let node = karpenter_node(cluster, class);
    let fewest_pods = types.iter().map(|it| node.capacity(it).pods).min().unwrap_or(0);
    let in_zone = |zone: &Name| if requested.iter().any(|o| o.zone == *zone) { fewest_pods } else { 0 };
    let chosen = subnets.choose(cluster, class, in_zone);
    let answer = ask(cluster, catalog, &requested, &chosen, &node, chance);
    let used = answer.outcome.as_ref().ok().and_then(|launched| launched.subnet);
    subnets.give_back(&chosen, used, in_zone);
    answer
}

/// Karpenter's settings for a node class.
fn karpenter_node(cluster: &Cluster, class: &NodeClass) -> KarpenterNode {
    let settings = &cluster.declared.karpenter;
    let overhead = u32::try_from(settings.vm_memory_overhead_millipercent).unwrap_or(0);
    KarpenterNode::of(class, settings.reserved_enis, overhead)
}

fn service_error(cluster: &Cluster) -> Option<Name> {
    cluster.faults.iter().find_map(|fault| match fault {
        Fault::Service { service, code } if service == "ec2" => Some(code.clone()),
        Fault::Service { .. } | Fault::ZoneCapacity(_) => None,
    })
}

/// The overrides of the request: one capacity type, ordinary types where there are any.
fn requested<'o>(catalog: &Catalog, available: Vec<&'o LaunchOption>) -> Vec<&'o LaunchOption> {
    let ordinary = |option: &&&LaunchOption| {
        catalog.instance_type(&option.instance_type).is_none_or(|it| !is_exotic(it))
    };
    let has_ordinary = available.iter().any(|option| ordinary(&option));
    let mut options: Vec<&LaunchOption> =
        available.iter().filter(|option| !has_ordinary || ordinary(option)).copied().collect();
    drop_dear_spot(&mut options);
    let first =
        ["reserved", "spot"].into_iter().find(|kind| options.iter().any(|o| o.capacity_type == *kind));
    let capacity_type = first.unwrap_or("on-demand");
    options.retain(|option| option.capacity_type == capacity_type);
    let mut types: BTreeSet<&Name> = BTreeSet::new();
    options.retain(|option| {
        let known = types.contains(&option.instance_type);
        known || types.len() < provisioning::plan::LAUNCH_TYPES_MAX && types.insert(&option.instance_type)
    });
    options
}

/// Types whose cheapest spot price is above the cheapest on-demand price are not asked for.
fn drop_dear_spot(options: &mut Vec<&LaunchOption>) {
    let on_demand =
        options.iter().filter(|o| o.capacity_type == "on-demand").map(|o| o.price_micro_usd).min();
    let mut cheapest: BTreeMap<Name, i64> = BTreeMap::new();
    for option in options.iter().filter(|option| option.capacity_type == "spot") {
        let known = cheapest.entry(option.instance_type.clone()).or_insert(i64::MAX);
        *known = (*known).min(option.price_micro_usd);
    }
    let (Some(on_demand), false) = (on_demand, cheapest.is_empty()) else { return };
    if cheapest.values().all(|price| *price > on_demand) {
        // Nothing would be left of spot: on demand is launched.
        options.retain(|option| option.capacity_type != "spot");
        return;
    }
    options.retain(|option| cheapest.get(&option.instance_type).is_some_and(|price| *price <= on_demand));
}

fn is_exotic(it: &InstanceType) -> bool {
    it.bare_metal || !it.gpus.is_empty() || !it.neuron.is_empty() || !it.accelerators.is_empty()
}

fn ask(
    cluster: &Cluster,
    catalog: &Catalog,
    requested: &[&LaunchOption],
    chosen: &BTreeMap<Name, SubnetId>,
    node: &KarpenterNode,
    chance: u64,
) -> Answer {
    let mut refused = Vec::new();
    for option in in_order(requested, chance) {
        let subnet = chosen.get(&option.zone).copied();
        if subnet.is_none() && !cluster.subnets.is_empty() {
            continue;
        }
        match refuses(cluster, catalog, option, subnet) {
            Some(why) => refused.push(RefusedOffering { option: option.clone(), subnet, why }),
            None => {
                let Some(it) = catalog.instance_type(&option.instance_type) else { continue };
                let resources = node.resources(it);
                let (capacity, allocatable) = (resources.capacity, resources.allocatable);
                let launched = Launched { option: option.clone(), subnet, capacity, allocatable };
                return Answer { outcome: Ok(launched), refused };
            }
        }
    }
    Answer { outcome: Err(summary(&refused)), refused }
}

/// Cheapest first; equally cheap ones in an order that `chance` turns.
fn in_order<'o>(requested: &[&'o LaunchOption], chance: u64) -> Vec<&'o LaunchOption> {
    let mut by_price: BTreeMap<i64, Vec<&LaunchOption>> = BTreeMap::new();
    for option in requested {
        by_price.entry(option.price_micro_usd).or_default().push(option);
    }
    let mut ordered = Vec::with_capacity(requested.len());
    for mut equal in by_price.into_values() {
        let turn = usize::try_from(chance % equal.len() as u64).unwrap_or(0);
        equal.rotate_left(turn);
        ordered.extend(equal);
    }
    ordered
}

/// Why EC2 does not launch an offering.
fn refuses(
    cluster: &Cluster,
    catalog: &Catalog,
    option: &LaunchOption,
    subnet: Option<SubnetId>,
) -> Option<LaunchFailure> {
    let aws = &cluster.declared.profile.aws;
    let spot = option.capacity_type == "spot";
    if !is_allowed(cluster, "ec2:RunInstances") || !is_allowed(cluster, "ec2:CreateFleet") {
        return Some(LaunchFailure::Unauthorized("UnauthorizedOperation".into()));
    }
    let has_role =
        aws.service_linked_roles.as_ref().is_none_or(|roles| roles.iter().any(|role| role == SPOT_ROLE));
    if spot && !has_role && !is_allowed_to_create_role(cluster) {
        return Some(LaunchFailure::Unauthorized(NO_SPOT_ROLE.into()));
    }
    if is_unavailable(cluster, option) {
        return Some(LaunchFailure::InsufficientCapacity);
    }
    if let Some(exceeded) = quota::exceeded(cluster, catalog, &option.instance_type, spot) {
        return Some(exceeded);
    }
    let full = subnet.filter(|id| cluster.subnets[id.0 as usize].space.free == 0);
    full.map(LaunchFailure::SubnetFull)
}

/// Karpenter's own policy does not allow it; a profile that lists the action does.
fn is_allowed_to_create_role(cluster: &Cluster) -> bool {
    cluster.declared.profile.aws.allowed_actions.is_some()
        && is_allowed(cluster, "iam:CreateServiceLinkedRole")
}

/// Whether EC2 has no capacity for an offering.
pub fn is_unavailable(cluster: &Cluster, option: &LaunchOption) -> bool {
    let same = |own: &Name, value: &Name| own.is_empty() || own == value;
    let by_profile = cluster.declared.profile.aws.unavailable.iter().any(|out| {
        same(&out.instance_type, &option.instance_type)
            && same(&out.zone, &option.zone)
            && same(&out.capacity_type, &option.capacity_type)
    });
    let by_fault = |fault: &Fault| matches!(fault, Fault::ZoneCapacity(zone) if *zone == option.zone);
    by_profile || cluster.faults.iter().any(by_fault)
}

/// One reason for all: what is not about capacity comes first, then what all have in common.
fn summary(refused: &[RefusedOffering]) -> LaunchFailure {
    let mut reasons: Vec<&LaunchFailure> = refused.iter().map(|offering| &offering.why).collect();
    reasons.sort();
    reasons.dedup();
    let hard = reasons.iter().find(|why| matches!(why, LaunchFailure::Unauthorized(_)));
    match (hard, reasons.as_slice()) {
        (Some(why), _) => (*why).clone(),
        (None, [only]) => (*only).clone(),
        (None, _) => LaunchFailure::InsufficientCapacity,
    }
}
