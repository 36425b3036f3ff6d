//! Which events go with an effect: upstream's reasons and words.
//!
//! `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/{disruption/events,node/termination/terminator/events,nodeclaim/lifecycle,provisioning/scheduling}/events.go`
//! and, for conditions and finalizers, `github.com/awslabs/operatorpkg` `status/controller.go`. Not said (yet), because nobody tells why:
//! `DisruptionBlocked`, `Unconsolidatable`, `Consolidation*`, `NodeRepairBlocked`, `NoCompatibleInstanceTypes`,
//! `AwaitingVolumeDetachment`, `FailedConsistencyCheck`.

use std::collections::{BTreeMap, BTreeSet};

use autoscaler::Effect;
use cluster::change::ClaimOrNode;
use cluster::node_claim::LaunchFailure;
use cluster::node_pool::DisruptionReason;
use cluster::{ClaimId, Name, NodeId, PodId};

use super::event::{About, Recorder, Said};
use super::{Call, refusal};
use crate::mirror::Mirror;
use crate::wire;

/// `PodFailedToScheduleEvent` is said once in five minutes.
const FAILED_SCHEDULING_MS: i64 = 5 * 60_000;

/// What later events need of earlier effects.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// What claims replace others for that are asked for.
    replacing: BTreeMap<Name, DisruptionReason>,
    /// What claims go for.
    why: BTreeMap<ClaimId, DisruptionReason>,
    /// Claims for which nothing is on offer.
    sold_out: BTreeSet<ClaimId>,
    /// Pods whose disruption budgets did not allow an eviction.
    held: BTreeSet<PodId>,
}

impl Recorder {
    /// A claim is asked for that replaces others.
    pub(crate) fn replaces(&mut self, claim: Name, why: DisruptionReason) {
        self.memory.replacing.insert(claim, why);
    }

    /// A launch failed.
    pub(crate) fn launch_failed(&mut self, claim: ClaimId, why: &LaunchFailure) {
        if *why == LaunchFailure::InsufficientCapacity {
            self.memory.sold_out.insert(claim);
        }
    }

    /// An eviction failed, and the API server said this.
    pub(crate) fn eviction_failed(&mut self, pod: PodId, why: &str) {
        if why.contains("disruption budget") {
            self.memory.held.insert(pod);
        }
    }

    /// The events of an effect that are said before its calls, and those after them.
    pub(crate) fn about(&mut self, mirror: &Mirror, effect: &Effect) -> (Vec<Call>, Vec<Call>) {
        let (before, mut after) = self.said(mirror, effect);
        // They are said when the calls have succeeded, which is once.
        after.iter_mut().for_each(|said| said.again_after_ms = None);
        let mut calls =
            |all: Vec<Said>| -> Vec<Call> { all.iter().filter_map(|said| self.say(mirror, said)).collect() };
        (calls(before), calls(after))
    }

    fn said(&mut self, mirror: &Mirror, effect: &Effect) -> (Vec<Said>, Vec<Said>) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        match effect {
            Effect::Launch(claim, _) => {
                before = self.launches(mirror, *claim);
                after.push(transition(*claim, "Launched"));
            }
            Effect::Register(node) => {
                let claim = mirror.cluster().node(*node).claim;
                after.extend(claim.map(|claim| transition(claim, "Registered")));
            }
            Effect::InitializeClaim(claim) => {
                after.extend(["Initialized", "Ready"].map(|kind| transition(*claim, kind)));
            }
            Effect::DeleteClaim(claim, why) => before = self.deletes(mirror, *claim, *why),
            Effect::DeleteNode(node) => before = expiring(mirror, *node),
            Effect::ReleaseNode(node) => after.push(finalized(About::Node(*node))),
            Effect::ReleaseClaim(claim) => {
                self.memory.why.remove(claim);
                after.push(finalized(About::Claim(*claim)));
            }
            Effect::Evict(pod) => {
                before.extend(self.drain_failed(mirror, *pod));
                after.push(self.evicted(mirror, *pod));
            }
            Effect::DeletePod(pod) => after.push(deleted(mirror, *pod)),
            Effect::RefusePod(pod, reasons) => {
                let reasons: Vec<String> = reasons.iter().map(refusal::said).collect();
                let text = format!("Failed to schedule pod, {}", reasons.join("; "));
                let said = Said::warning(About::Pod(*pod), "FailedScheduling", text);
                before.push(Said { again_after_ms: Some(FAILED_SCHEDULING_MS), ..said });
            }
            Effect::ExpectPod(pod, place) => before.push(nominated(mirror, *pod, *place)),
            Effect::CreateClaim(_)
            | Effect::Terminate(_)
            | Effect::DriftClaim(..)
            | Effect::TendPool(_)
            | Effect::TendClaim(_)
            | Effect::PatchNode(..) => {}
        }
        (before, after)
    }

    fn launches(&mut self, mirror: &Mirror, claim: ClaimId) -> Vec<Said> {
        let about = About::Claim(claim);
        let Some(why) = self.memory.replacing.remove(&mirror.cluster().claim(claim).name) else {
            return Vec::new();
        };
        let launching = format!("Launching NodeClaim: {}", why.as_str());
        let waits = "Waiting on readiness to continue disruption";
        vec![
            Said { apart: why.as_str(), ..Said::normal(about, "DisruptionLaunching", launching) },
            Said::normal(about, "DisruptionWaitingReadiness", waits),
        ]
    }

    fn deletes(&mut self, mirror: &Mirror, id: ClaimId, why: Option<DisruptionReason>) -> Vec<Said> {
        let claim = mirror.cluster().claim(id);
        let about = About::Claim(id);
        if self.memory.sold_out.remove(&id) {
            let text = format!(
                "NodeClaim {} event: insufficient capacity, nothing that it allows is on offer",
                claim.name
            );
            return vec![Said::warning(about, "InsufficientCapacityError", text)];
        }
        // Expired claims and those of broken nodes are deleted without a word, as upstream's are.
        let said =
            |why: &DisruptionReason| !matches!(why, DisruptionReason::Expired | DisruptionReason::Unhealthy);
        let Some(why) = why.filter(said) else { return Vec::new() };
        self.memory.why.insert(id, why);
        let said = |about, kind: &str| Said {
            apart: why.as_str(),
            ..Said::normal(about, "DisruptionTerminating", format!("Disrupting {kind}: {}", why.as_str()))
        };
        let node = claim.node.map(|node| said(About::Node(node), "Node"));
        node.into_iter().chain([said(about, "NodeClaim")]).collect()
    }

    fn drain_failed(&mut self, mirror: &Mirror, pod: PodId) -> Option<Said> {
        let held = self.memory.held.remove(&pod);
        let node = mirror.cluster().pod(pod).node.filter(|_| held)?;
        let name = mirror.cluster().pod_name(pod);
        let text = format!("Failed to drain node, evicting pod violates a PDB (Pod={name})");
        Some(Said::warning(About::Node(node), "FailedDraining", text))
    }

    fn evicted(&self, mirror: &Mirror, pod: PodId) -> Said {
        let cluster = mirror.cluster();
        let claim = cluster.pod(pod).node.and_then(|node| cluster.node(node).claim);
        let why = claim.and_then(|claim| self.memory.why.get(&claim)).copied();
        let why = why.map_or("Forceful Termination", DisruptionReason::as_str);
        Said::normal(About::Pod(pod), "Evicted", format!("Evicted pod: {why}"))
    }
}

/// A condition of a claim holds from now on.
fn transition(claim: ClaimId, kind: &'static str) -> Said {
    let text =
        format!("Status condition transitioned, Type: {kind}, Status: Unknown -> True, Reason: {kind}");
    Said::normal(About::Claim(claim), kind, text)
}

fn finalized(about: About) -> Said {
    Said::normal(about, "Finalized", format!("Finalized {}", super::FINALIZER))
}

/// The node has so long, whatever its pods' budgets say.
fn expiring(mirror: &Mirror, id: NodeId) -> Vec<Said> {
    let cluster = mirror.cluster();
    let claim = cluster.node(id).claim.map(|claim| cluster.claim(claim));
    let Some((claim, grace_ms)) = claim.and_then(|own| own.termination_grace_period_ms.map(|ms| (own, ms)))
    else {
        return Vec::new();
    };
    let since = claim.deleted.map_or(cluster.now, |(at, _)| at);
    let until = wire::instant(mirror.unix_ms(since).saturating_add(grace_ms));
    let text = format!("All pods will be deleted by {}", until.as_str().unwrap_or_default());
    [About::Claim(claim.id), About::Node(id)]
        .map(|about| Said::warning(about, "TerminationGracePeriodExpiring", text.clone()))
        .into()
}

fn deleted(mirror: &Mirror, id: PodId) -> Said {
    let cluster = mirror.cluster();
    let pod = cluster.pod(id);
    let claim = pod.node.and_then(|node| cluster.node(node).claim).map(|claim| cluster.claim(claim));
    let until = claim.and_then(|claim| {
        let (since, _) = claim.deleted?;
        Some(mirror.unix_ms(since).saturating_add(claim.termination_grace_period_ms?))
    });
    let until = until.map(wire::instant);
    let until = until.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    let grace_s = pod.template.grace_period_ms / 1_000;
    let text = format!(
        "Deleting the pod to accommodate the terminationTime {until} of the node. The pod was granted {grace_s} \
         seconds of grace-period of its {grace_s} terminationGracePeriodSeconds. This bypasses the PDB of the pod \
         and the do-not-disrupt annotation."
    );
    Said::normal(About::Pod(id), "Disrupted", text)
}

fn nominated(mirror: &Mirror, pod: PodId, place: ClaimOrNode) -> Said {
    let cluster = mirror.cluster();
    let claim = |id: ClaimId| format!("nodeclaim/{}", cluster.claim(id).name);
    let place = match place {
        ClaimOrNode::Claim(id) => claim(id),
        ClaimOrNode::Node(id) => {
            let node = cluster.node(id);
            let claim = node.claim.map(claim);
            claim.into_iter().chain([format!("node/{}", node.name)]).collect::<Vec<String>>().join(", ")
        }
    };
    let said = Said::normal(About::Pod(pod), "Nominated", format!("Pod should schedule on: {place}"));
    Said { limited: true, ..said }
}
