//! One scheduling cycle: find nodes that fit, score them, pick one; or preempt; or say why not.
//!
//! Follows `pkg/scheduler/schedule_one.go` v1.36.3. Upstream looks at nodes in parallel and stops when it has found
//! enough; here they are looked at one after the other, which is one of the orders that upstream can take.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::device::DeviceClaimId;
use cluster::rejection::{FilterReason, NodeReason, Plugin, Rejection};
use cluster::storage::VolumeClaimId;
use cluster::{Cluster, NodeId, PodId};

use crate::message::{self, DeviceWords, PreemptionWords};
use crate::placements::{Placements, len};
use crate::plugins::default_preemption::{self, Outcome};
use crate::plugins::dynamic_resources::{self, DeviceChoice, unqueued};
use crate::plugins::node_affinity::{self, Named};
use crate::plugins::{inter_pod_affinity, volume_binding};
use crate::query::{Incoming, Query};
use crate::refusals::Refusals;
use crate::score;
use crate::survey::{Survey, survey};
use crate::tally;

/// How to choose where upstream chooses at random.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TieBreak {
    /// The lowest node.
    #[default]
    Lowest,
    /// Any, decided by this seed and the pod.
    Seeded(u64),
}

impl TieBreak {
    /// Which of `count` equals.
    pub(crate) fn choose(self, count: usize, pod: Option<PodId>) -> usize {
        let TieBreak::Seeded(seed) = self else { return 0 };
        let mut bits = seed ^ u64::from(pod.map_or(0, |pod| pod.0)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
            bits = (bits ^ (bits >> 30)).wrapping_mul(factor);
        }
        usize::try_from((bits ^ (bits >> 31)) % (count.max(1) as u64)).unwrap_or(0)
    }
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// The pod goes to a node.
    Bind(Placement),
    /// Pods of lower priority must go first.
    Preempt(Preemption),
    /// No node, and preemption would not help.
    Reject {
        /// Why.
        rejection: Rejection,
        /// The node that was reserved for it stays reserved: its victims are still ending.
        keeps_nomination: bool,
        /// A claim that loses its devices, so that it may get others.
        deallocates: Option<DeviceClaimId>,
    },
}

/// Where a pod goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The node.
    pub node: NodeId,
    /// Nodes that fitted.
    pub feasible: u32,
    /// Nodes that were looked at.
    pub evaluated: u32,
    /// The node's total score; `None` when it was the only one, which is not scored.
    pub score: Option<i64>,
    /// What must become of claims that waited for a consumer before the pod is bound.
    pub claims: Vec<ClaimChoice>,
    /// Its claims for devices, which it uses from now on, with what they get.
    pub devices: DeviceChoice,
}

/// What becomes of a claim that waited for its first consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimChoice {
    /// A volume is provisioned for the chosen node.
    Provision(VolumeClaimId),
    /// A volume that exists is bound: index into [`Cluster::volumes`].
    Bind(VolumeClaimId, u32),
}

/// Room to be made for a pod.
#[derive(Clone, Debug)]
pub struct Preemption {
    /// The node, now reserved for the pod.
    pub node: NodeId,
    /// Pods to be evicted, the most important first. Some may be ending already.
    pub victims: Vec<PodId>,
    /// Victims whose eviction a disruption budget does not allow.
    pub violations: u32,
    /// Pods of lower priority that lose their reservation of this node.
    pub displaced: Vec<PodId>,
    /// A claim that loses its devices, so that it may get others.
    pub deallocates: Option<DeviceClaimId>,
    /// What the pod is told in the meantime: it is unschedulable in this cycle.
    pub rejection: Rejection,
}

/// One scheduling cycle of a pod. The index is not told of the outcome: the caller places the pod
/// ([`Placements::place`]) or reserves the node ([`Placements::set_nominated`]). A pod like one that was refused while
/// the index was just as it is now is refused at once, for the same reasons.
pub fn attempt(index: &mut Placements, cluster: &Cluster, pod: PodId, tie: TieBreak) -> Attempt {
    index.order.refresh();
    index.tenant(cluster, pod);
    let known = cluster.pod(pod);
    let alone = known.for_node.is_some() || has_claims(&known.template) || index.nominated_to(pod).is_some();
    if alone {
        return cycle(index, cluster, pod, tie);
    }
    let class = index.class_of(cluster, known).0 as usize;
    if let Some((version, rejection)) = &index.classes[class].refused
        && *version == index.version
    {
        return refused((**rejection).clone());
    }
    let outcome = cycle(index, cluster, pod, tie);
    if let Attempt::Reject { rejection, .. } = &outcome {
        index.classes[class].refused = Some((index.version, Arc::new(rejection.clone())));
    }
    outcome
}

/// Pods with volumes or devices are not like others of their class.
pub(crate) fn has_claims(template: &cluster::PodTemplate) -> bool {
    !template.volumes.is_empty() || !template.device_claims.is_empty()
}

/// Refused, and nothing else comes of it.
fn refused(rejection: Rejection) -> Attempt {
    Attempt::Reject { rejection, keeps_nomination: false, deallocates: None }
}

fn cycle(index: &mut Placements, cluster: &Cluster, pod: PodId, tie: TieBreak) -> Attempt {
    let all = len(index.order.list());
    if all == 0 {
        let message = message::NO_NODES.to_owned();
        let rejection = Rejection { nodes: 0, reasons: Vec::new(), preemption: Vec::new(), message };
        return refused(rejection);
    }
    let incoming = Incoming::of(cluster.pod(pod));
    if let Some(reason) = unqueued(index, cluster, &incoming) {
        return refused(plain(
            all,
            NodeReason { plugin: Plugin::DynamicResources, reason, nodes: all, example: None },
        ));
    }
    let (query, named) = match prefilter(index, cluster, &incoming) {
        Ok(prepared) => prepared,
        Err(excluded) => {
            let (query, plugin, reason) = *excluded;
            let everywhere = NodeReason { plugin, reason, nodes: all, example: None };
            return fail(
                index,
                cluster,
                &query,
                Failure { refused: Refusals::default(), everywhere: Some(everywhere), absent: (0, None) },
                tie,
            );
        }
    };
    let Survey { feasible, refused, searched, reserved, error } =
        survey(index, cluster, &query, named.as_ref());
    if let Some(node) = error {
        let words = dynamic_resources::error(index, cluster, &query, node.0 as usize);
        let words = format!("running \"DynamicResources\" filter plugin: {words}");
        return self::refused(failed(all, words.into(), Some(node)));
    }
    index.next_start = (index.next_start + searched as usize) % all as usize;
    if feasible.is_empty() {
        let absent = (all.saturating_sub(refused.count), reserved);
        return fail(index, cluster, &query, Failure { refused, everywhere: None, absent }, tie);
    }
    if let Some(words) = dynamic_resources::too_many_users(cluster, &query) {
        return self::refused(failed(all, words, None));
    }
    let evaluated = len(&feasible) + refused.count;
    bind(index, cluster, &query, &feasible, evaluated, tie)
}

/// An error of `DynamicResources`, which is all that is said.
fn failed(nodes: u32, words: cluster::Name, example: Option<NodeId>) -> Rejection {
    let reason = FilterReason::DeviceError(words);
    plain(nodes, NodeReason { plugin: Plugin::DynamicResources, reason, nodes, example })
}

/// A rejection with one reason, in its own words.
fn plain(nodes: u32, reason: NodeReason) -> Rejection {
    let message = message::words(reason.plugin, &reason.reason);
    Rejection { nodes, reasons: vec![reason], preemption: Vec::new(), message }
}

type Prepared = (Query, Option<BTreeSet<cluster::Name>>);
type Excluded = (Query, Plugin, FilterReason);

/// What plugins know before they look at any node: named nodes, claims.
pub(crate) fn prefilter(
    index: &mut Placements,
    cluster: &Cluster,
    pod: &Incoming,
) -> Result<Prepared, Box<Excluded>> {
    let mut query = Query::new(index, cluster, pod, None);
    let named = match (pod.pinned, pod.template.required_node_affinity.as_deref()) {
        (Some(node), _) => Named::Only(BTreeSet::from([cluster.node(node).name.clone()])),
        (None, terms) => node_affinity::named(terms.unwrap_or_default()),
    };
    let named = match named {
        Named::Conflict => {
            return Err(Box::new((query, Plugin::NodeAffinity, FilterReason::AffinityConflict)));
        }
        Named::Any => None,
        Named::Only(names) => Some(names),
    };
    if !pod.template.volumes.is_empty() {
        match volume_binding::plan(index, cluster, pod) {
            Ok(plan) => query.volumes = Some(plan),
            Err((plugin, reason)) => return Err(Box::new((query, plugin, reason))),
        }
    }
    query.alone = inter_pod_affinity::is_skipped(index, &query);
    match dynamic_resources::plan(index, cluster, pod) {
        Ok(plan) => query.devices = plan,
        Err(reason) => return Err(Box::new((query, Plugin::DynamicResources, reason))),
    }
    query.local = query.alone
        && query.volumes.is_none()
        && query.devices.is_none()
        && query.wishes.hard_spread.is_empty();
    Ok((query, named))
}

/// Picks the best of the nodes that fit.
fn bind(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    feasible: &[u32],
    evaluated: u32,
    tie: TieBreak,
) -> Attempt {
    let (node, score) = match feasible {
        [only] => (*only, None),
        _ => {
            let mut totals = score::totals(index, query, feasible);
            let of_devices = dynamic_resources::score(index, cluster, query, feasible);
            for (total, points) in totals.iter_mut().zip(of_devices.unwrap_or_default()) {
                *total += points;
            }
            let most = totals.iter().copied().max().unwrap_or(0);
            let mut best: Vec<u32> = feasible
                .iter()
                .zip(&totals)
                .filter(|(_, total)| **total == most)
                .map(|(node, _)| *node)
                .collect();
            best.sort_unstable();
            (best[tie.choose(best.len(), query.pod)], Some(most))
        }
    };
    let node = NodeId(node);
    let plan = query.volumes.as_ref();
    let bindings =
        plan.and_then(|plan| volume_binding::bindings(plan, cluster, cluster.node(node))).unwrap_or_default();
    let choice = |(claim, volume): (VolumeClaimId, Option<u32>)| match volume {
        Some(volume) => ClaimChoice::Bind(claim, volume),
        None => ClaimChoice::Provision(claim),
    };
    let claims = bindings.into_iter().map(choice).collect();
    let devices = dynamic_resources::choice(index, cluster, query, node);
    Attempt::Bind(Placement { node, feasible: len(feasible), evaluated, score, claims, devices })
}

/// Why no node fits.
struct Failure {
    refused: Refusals,
    /// One reason keeps the pod off every node.
    everywhere: Option<NodeReason>,
    /// Nodes that were not looked at because the pod names others; who refused the reserved node.
    absent: (u32, Option<Plugin>),
}

/// Preempts if that helps; says why not otherwise.
fn fail(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    failure: Failure,
    tie: TieBreak,
) -> Attempt {
    let nodes = len(index.order.list());
    let kubernetes = cluster.declared.profile.kubernetes;
    let unasked = message::post_filter_fails(failure.everywhere.as_ref(), kubernetes);
    let deallocates = dynamic_resources::deallocates(cluster, query, &failure.refused);
    let devices = match (&query.devices, deallocates) {
        (_, Some(_)) => DeviceWords::Deallocated,
        (Some(_), None) => DeviceWords::Nothing,
        (None, None) => DeviceWords::NoClaims,
    };
    let rows = index.rows.len();
    index.classes[query.class.0 as usize].glances.begin(query, rows);
    let outcome = default_preemption::run(index, cluster, query, &failure.refused, tie);
    let everywhere = failure.everywhere.is_some();
    let reasons = match failure.everywhere {
        Some(reason) => vec![reason],
        None => tally::refusals(index, cluster, query, &failure.refused, failure.absent),
    };
    let reject = |words: PreemptionWords<'_>, preemption| Rejection {
        nodes,
        message: message::failed_scheduling(nodes, &reasons, everywhere, (devices, &words), kubernetes),
        reasons: reasons.clone(),
        preemption,
    };
    match outcome {
        Outcome::Ineligible(reason) => {
            let why = NodeReason {
                plugin: Plugin::DefaultPreemption,
                reason: reason.clone(),
                nodes,
                example: None,
            };
            let rejection = reject(PreemptionWords::Ineligible(&reason), vec![why]);
            Attempt::Reject { rejection, keeps_nomination: true, deallocates }
        }
        Outcome::Useless(preemption) => {
            let rejection = reject(PreemptionWords::Useless(&preemption), preemption.clone());
            Attempt::Reject { rejection, keeps_nomination: unasked, deallocates }
        }
        Outcome::Chosen(candidate) => Attempt::Preempt(Preemption {
            displaced: displaced(index, query, candidate.node),
            rejection: reject(PreemptionWords::Silent, Vec::new()),
            node: candidate.node,
            victims: candidate.victims,
            violations: candidate.violations,
            deallocates,
        }),
    }
}

/// Pods of lower priority that the node was reserved for.
fn displaced(index: &Placements, query: &Query, node: NodeId) -> Vec<PodId> {
    let nominated = index.nominations.on(node).iter().copied();
    nominated.filter(|pod| index.priority(*pod) < query.template.priority).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_choose_within_bounds_and_differently() {
        let choices: BTreeSet<usize> =
            (0..64).map(|pod| TieBreak::Seeded(7).choose(5, Some(PodId(pod)))).collect();
        assert_eq!(choices, (0..5).collect());
        assert_eq!(TieBreak::Lowest.choose(5, Some(PodId(3))), 0);
        assert_eq!(TieBreak::Seeded(7).choose(0, None), 0);
    }
}
