//! `DynamicResources`: a pod's claims must exist; those that have devices must be usable on the node, for the others
//! the node must have devices that are free.
//!
//! Follows `k8s.io/kubernetes` v1.36.3 `plugins/dynamicresources/dynamicresources.go` with the default feature gates.
//! Binding conditions are taken to come true at once. Extended resources that a class offers are not modelled.

use std::sync::Arc;

use cluster::change::DeviceClaimChange;
use cluster::device::{ClaimSource, Consumer, DeviceAllocation, DeviceClaim, DeviceClaimId};
use cluster::rejection::{DeviceClaimProblem, FilterReason};
use cluster::{Cluster, Name, NodeId};

use crate::devices::DeviceIndex;
use crate::devices::allocator::{Failure, allocate};
use crate::event::Event;
use crate::hints::Waiter;
use crate::placements::Placements;
use crate::plugins::node_affinity;
use crate::query::{Incoming, Query};
use crate::refusal::Refusal;
use crate::refusals::Refusals;

/// `FirstAvailableDeviceRequestMaxSize`.
const ALTERNATIVES_AT_MOST: usize = 8;
/// `ResourceClaimReservedForMaxSize`.
const USERS_AT_MOST: usize = 256;
/// The plugin's weight.
const WEIGHT: i64 = 2;

/// What a pod gets: its claims, with devices for those that had none.
pub type DeviceChoice = Vec<(DeviceClaimId, Option<Arc<DeviceAllocation>>)>;

/// A pod's claims.
#[derive(Clone, Debug, Default)]
pub(crate) struct DevicePlan {
    claims: Vec<DeviceClaimId>,
    /// One of them has alternatives.
    prioritized: bool,
}

impl DevicePlan {
    fn claims<'c>(&self, cluster: &'c Cluster) -> impl Iterator<Item = &'c DeviceClaim> {
        self.claims.iter().filter_map(|id| cluster.device_claims.get(id.0 as usize))
    }
}

/// Why a pod is not even queued (`PreEnqueue`): a claim is missing or going.
pub fn unqueued(index: &Placements, cluster: &Cluster, pod: &Incoming) -> Option<FilterReason> {
    find(&index.devices, cluster, pod).err().map(FilterReason::DeviceClaim)
}

/// `foreachPodResourceClaim`.
fn find(
    index: &DeviceIndex,
    cluster: &Cluster,
    pod: &Incoming,
) -> Result<Vec<DeviceClaimId>, DeviceClaimProblem> {
    let mut claims = Vec::new();
    for asked in &pod.template.device_claims {
        let id = match &asked.source {
            ClaimSource::Named(name) => index.named(&pod.namespace, name).ok_or_else(|| {
                DeviceClaimProblem::Missing { claim: Name::from(format!("{}/{name}", pod.namespace)) }
            })?,
            ClaimSource::Template(template) => {
                let found = index.made_for(&pod.namespace, &pod.name, &asked.name);
                found.ok_or_else(|| DeviceClaimProblem::NotCreated {
                    pod: Name::from(format!("{}/{}", pod.namespace, pod.name)),
                    template: template.clone(),
                    template_missing: cluster.declared.devices.template(&pod.namespace, template).is_none(),
                })?
            }
        };
        let claim = cluster.device_claims.get(id.0 as usize);
        if let Some(claim) = claim.filter(|claim| claim.deleting) {
            return Err(DeviceClaimProblem::Deleting { claim: claim.name.clone() });
        }
        claims.push(id);
    }
    Ok(claims)
}

/// `PreFilter`: the pod's claims, or why it cannot go anywhere. A pod that only might be has no claims yet.
pub(crate) fn plan(
    index: &Placements,
    cluster: &Cluster,
    pod: &Incoming,
) -> Result<Option<DevicePlan>, FilterReason> {
    if pod.template.device_claims.is_empty() || pod.id.is_none() {
        return Ok(None);
    }
    let claims = find(&index.devices, cluster, pod).map_err(FilterReason::DeviceClaim)?;
    let mut plan = DevicePlan { claims, prioritized: false };
    for claim in plan.claims.iter().filter_map(|id| cluster.device_claims.get(id.0 as usize)) {
        plan.prioritized |= claim.spec.requests.iter().any(|request| request.prioritized);
        if claim.allocation.is_some() {
            continue;
        }
        if index.devices.is_in_flight(claim.id) {
            let claim = Name::from(format!("{}/{}", claim.namespace, claim.name));
            return Err(FilterReason::DeviceClaim(DeviceClaimProblem::InFlight { claim }));
        }
        for request in &claim.spec.requests {
            let missing = |class: &Name| cluster.declared.devices.class(class).is_none();
            if let Some(wanted) = request.alternatives.iter().find(|wanted| missing(&wanted.class)) {
                let named = match request.prioritized {
                    true => Name::from(format!("{}/{}", request.name, wanted.name)),
                    false => request.name.clone(),
                };
                let class = wanted.class.clone();
                let problem = DeviceClaimProblem::ClassMissing { request: named, class };
                return Err(FilterReason::DeviceClaim(problem));
            }
        }
    }
    Ok(Some(plan))
}

/// Devices for the claims that have none, on a node.
fn devices(
    index: &Placements,
    cluster: &Cluster,
    plan: &DevicePlan,
    node: NodeId,
) -> Result<Vec<Arc<DeviceAllocation>>, Failure> {
    let waiting: Vec<&DeviceClaim> =
        plan.claims(cluster).filter(|claim| claim.allocation.is_none()).collect();
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    allocate(&index.devices, cluster, cluster.node(node), &waiting)
}

/// Whether a claim's devices can be used on a node.
fn is_usable(claim: &DeviceClaim, cluster: &Cluster, node: NodeId) -> bool {
    let nodes = claim.allocation.as_ref().and_then(|allocation| allocation.nodes.as_ref());
    nodes.is_none_or(|terms| node_affinity::any_term(terms, cluster.node(node)))
}

/// `Filter`.
pub(crate) fn refuses(index: &Placements, cluster: &Cluster, query: &Query, node: usize) -> Option<Refusal> {
    let plan = query.devices.as_ref()?;
    let node = cluster.nodes.get(node)?.id;
    match devices(index, cluster, plan, node) {
        Err(Failure::Unavailable) => Some(Refusal::DevicesUnavailable),
        Err(Failure::InvalidPools) => Some(Refusal::DevicePoolsInvalid),
        Err(Failure::Error(_)) => Some(Refusal::DeviceError),
        Ok(_) => {
            let elsewhere = plan.claims(cluster).any(|claim| !is_usable(claim, cluster, node));
            elsewhere.then_some(Refusal::DevicesElsewhere)
        }
    }
}

/// The words of an error that ended a filter.
pub(crate) fn error(index: &Placements, cluster: &Cluster, query: &Query, node: usize) -> Name {
    let plan = query.devices.as_ref().zip(cluster.nodes.get(node));
    match plan.map(|(plan, node)| devices(index, cluster, plan, node.id)) {
        Some(Err(Failure::Error(words))) => words.into(),
        _ => Name::default(),
    }
}

/// What the pod gets on a node that fits.
pub(crate) fn choice(index: &Placements, cluster: &Cluster, query: &Query, node: NodeId) -> DeviceChoice {
    let Some(plan) = &query.devices else { return Vec::new() };
    let mut got = devices(index, cluster, plan, node).unwrap_or_default().into_iter();
    let choice = |claim: &DeviceClaim| (claim.id, if claim.allocation.is_some() { None } else { got.next() });
    plan.claims(cluster).map(choice).collect()
}

/// Why the pod cannot become another user of one of its claims: the API server does not take so many.
pub(crate) fn too_many_users(cluster: &Cluster, query: &Query) -> Option<Name> {
    let pod = query.pod.map(|pod| cluster.pod(pod))?;
    let full = |claim: &&DeviceClaim| {
        claim.reserved_for.len() >= USERS_AT_MOST && !is_user(claim, pod.id, &pod.name)
    };
    let claim = query.devices.as_ref()?.claims(cluster).find(full)?;
    Some(Name::from(format!(
        "running PreBind plugin \"DynamicResources\": ResourceClaim.resource.k8s.io \"{}\" is invalid: \
         status.reservedFor: Too many: {}: must have at most {USERS_AT_MOST} items",
        claim.name,
        claim.reserved_for.len() + 1
    )))
}

fn is_user(claim: &DeviceClaim, pod: cluster::PodId, name: &Name) -> bool {
    claim.reserved_for.iter().any(|user| match user {
        Consumer::Pod(user) => *user == pod,
        Consumer::Named(user) => user == name,
        Consumer::Other => false,
    })
}

/// `PostFilter`: a claim that nobody else uses and that can be used on none of the nodes that only it kept away loses
/// its devices. Upstream takes any, here the first is taken.
pub(crate) fn deallocates(cluster: &Cluster, query: &Query, refused: &Refusals) -> Option<DeviceClaimId> {
    let plan = query.devices.as_ref()?;
    let pod = query.pod.map(|pod| cluster.pod(pod))?;
    let nodes = || refused.iter().filter(|(_, refused)| refused.refusal == Refusal::DevicesElsewhere);
    let is_unavailable = |claim: &DeviceClaim| nodes().any(|(node, _)| !is_usable(claim, cluster, node));
    let is_own = |claim: &DeviceClaim| match claim.reserved_for.len() {
        0 => true,
        1 => is_user(claim, pod.id, &pod.name),
        _ => false,
    };
    let mut claims = plan.claims(cluster);
    claims.find(|claim| is_own(claim) && is_unavailable(claim)).map(|claim| claim.id)
}

/// `Score`: the earlier an alternative stands, the better. One value for each node, normalized and weighted.
pub(crate) fn score(index: &Placements, cluster: &Cluster, query: &Query, nodes: &[u32]) -> Option<Vec<i64>> {
    let plan = query.devices.as_ref().filter(|plan| plan.prioritized)?;
    let raw: Vec<i64> = nodes
        .iter()
        .map(|node| {
            let mut got = devices(index, cluster, plan, NodeId(*node)).unwrap_or_default().into_iter();
            plan.claims(cluster)
                .filter_map(|claim| Some((claim, claim.allocation.clone().or_else(|| got.next())?)))
                .map(|(claim, allocation)| points(claim, &allocation))
                .sum()
        })
        .collect();
    let most = raw.iter().copied().max().unwrap_or(0);
    let share = |raw: i64| if most <= 0 { 0 } else { 100 * raw / most };
    Some(raw.into_iter().map(|raw| WEIGHT * share(raw)).collect())
}

fn points(claim: &DeviceClaim, allocation: &DeviceAllocation) -> i64 {
    let mut points = 0;
    for request in claim.spec.requests.iter().filter(|request| request.prioritized) {
        for (place, wanted) in request.alternatives.iter().enumerate() {
            let name = format!("{}/{}", request.name, wanted.name);
            if allocation.devices.iter().any(|device| device.request == name) {
                points += i64::try_from(ALTERNATIVES_AT_MOST.saturating_sub(place)).unwrap_or(0);
            }
        }
    }
    points
}

/// A queueing hint: devices came or are free again, or something happened to one of the pod's own claims.
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    match event {
        Event::NodeAdded(_) | Event::DevicesDeclared => true,
        Event::NodeUpdated(before) => {
            before.labels_changed || waiter.index.allocatable_changed(waiter.cluster, before)
        }
        Event::DeviceClaimChanged { claim, how } => {
            let pod = Incoming::of(waiter.cluster.pod(waiter.pod));
            find(&waiter.index.devices, waiter.cluster, &pod).is_ok_and(|claims| {
                matches!(how, DeviceClaimChange::Deallocated | DeviceClaimChange::Gone)
                    || claims.contains(claim)
            })
        }
        _ => false,
    }
}

impl Placements {
    /// Gives devices to a pod's claims before the cluster says so.
    pub fn reserve_devices(&mut self, choice: &DeviceChoice) {
        for (claim, allocation) in choice {
            if let Some(allocation) = allocation {
                self.devices.reserve(*claim, allocation.clone());
            }
        }
    }

    /// Takes back what [`Placements::reserve_devices`] gave and the cluster does not have.
    pub fn release_devices(&mut self, choice: &DeviceChoice) {
        for (claim, allocation) in choice {
            if allocation.is_some() {
                self.devices.release(*claim);
            }
        }
    }
}
