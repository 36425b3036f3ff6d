//! The engine's answer for a list of objects: the path of a user's manifests (`api::lower`) into the index of
//! `scheduling`, then one pod after the other.
//!
//! What the objects do not say in a manifest but a live cluster knows (start times, reservations, deletions) is read
//! here from their status. Nothing here decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use api::{RawObject, Severity};
use catalog::Catalog;
use cluster::change::{DeletionCause, DeviceClaimChange};
use cluster::device::{Consumer, DeviceClaimId};
use cluster::pod::Stage;
use cluster::rejection::FilterReason;
use cluster::workload::Shape;
use cluster::{Change, Cluster, Declared, FieldPath, Kind, NodeId, Pod, PodId, Timestamp, WorkloadId};
use scheduling::trace::{Said, Trace, trace};
use scheduling::{Attempt, DeviceChoice, Incoming, Placements, TieBreak, attempt, unqueued};
use serde_json::{Map, Value, json};

/// Starts that a line tells are before this: 2026-06-01, in seconds since the epoch.
const FIRST_BINDING_S: i64 = 1_780_272_000;
/// When pods that do not say otherwise were started: 2025-01-01.
const LONG_AGO_S: i64 = 1_735_689_600;

/// What the engine decides about the pending pods among the objects, in the form of the oracle's answer.
pub fn answer(objects: &[Value]) -> Result<Value> {
    let raws: Vec<RawObject> = (0u32..).zip(objects).map(|(document, value)| raw(value, document)).collect();
    let lowered = api::lower(&raws, Catalog::embedded());
    let wrong: BTreeSet<u32> = lowered
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| problem.document)
        .collect();
    let pods = (0u32..).zip(objects).filter(|(_, object)| object["kind"] == "Pod");
    let refused: Vec<String> =
        pods.filter(|(document, _)| wrong.contains(document)).map(|(_, object)| pod_name(object)).collect();
    let mut declared = lowered.declared;
    crate::whole::forget_assumed(&mut declared);
    let mut player = Player::new(declared, objects)?;
    let pods = player.play()?;
    Ok(json!({"refused": refused, "pods": pods}))
}

fn raw(value: &Value, document: u32) -> RawObject {
    RawObject { value: Arc::new(value.clone()), root: FieldPath::root(), document }
}

/// `namespace/name` of an object.
fn pod_name(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str();
    format!("{}/{}", text("namespace").unwrap_or("default"), text("name").unwrap_or_default())
}

/// Pods of the line by name, with their places in it.
type Written<'a> = BTreeMap<String, (usize, &'a Value)>;

/// A cluster and its index, played pod by pod.
struct Player {
    cluster: Cluster,
    index: Placements,
    pending: Vec<PodId>,
}

impl Player {
    fn new(declared: Declared, objects: &[Value]) -> Result<Player> {
        let pods_of = objects.iter().filter(|object| object["kind"] == "Pod");
        let by_name: Written<'_> =
            pods_of.enumerate().map(|(place, object)| (pod_name(object), (place, object))).collect();
        let mut cluster = empty(Arc::new(declared));
        cluster.pods = pods(&cluster, &by_name)?;
        let pending =
            cluster.pods.iter().filter(|pod| pod.node.is_none() && pod.template.node_name.is_none());
        let pending = pending.map(|pod| pod.id).collect();
        let mut index = Placements::new(&cluster);
        for pod in &cluster.pods {
            if pod.deleted.is_some() && preempted(by_name.get(&name(pod)).map(|(_, object)| *object)) {
                let why = DeletionCause::Preempted { by: pod.id };
                index.observe(&Change::PodDeleting { pod: pod.id, why }, &cluster);
            }
        }
        Ok(Player { cluster, index, pending })
    }

    fn play(&mut self) -> Result<Vec<Value>> {
        let mut decisions = Vec::new();
        let mut again = Vec::new();
        for pod in self.pending.clone() {
            let decision = self.handle(pod);
            if decision["outcome"] == "preempts" {
                again.push(pod);
            }
            decisions.push(decision);
        }
        decisions.extend(again.into_iter().map(|pod| self.handle(pod)));
        Ok(decisions)
    }

    /// One scheduling cycle with its consequences.
    fn handle(&mut self, id: PodId) -> Value {
        let pod = self.cluster.pod(id);
        let mut decision = Map::new();
        decision.insert("pod".into(), name(pod).into());
        if !pod.template.scheduling_gates.is_empty() {
            decision.insert("outcome".into(), "gated".into());
            return decision.into();
        }
        if unqueued(&self.index, &self.cluster, &Incoming::of(pod)).is_some() {
            decision.insert("outcome".into(), "gated".into());
            return decision.into();
        }
        if pod.deleted.is_some() {
            decision.insert("outcome".into(), "skipped".into());
            return decision.into();
        }
        let seen = trace(&mut self.index, &self.cluster, id);
        if !self.cluster.nodes.is_empty() {
            match &seen.everywhere {
                Some(said) => drop(decision.insert("everywhere".into(), say(said, true))),
                None => fill(&mut decision, "filters", self.filters(&seen)),
            }
        }
        match attempt(&mut self.index, &self.cluster, id, TieBreak::Lowest) {
            Attempt::Bind(placement) => {
                decision.insert("outcome".into(), "bound".into());
                self.scores(&seen, &mut decision);
                decision.insert("node".into(), self.node(placement.node).into());
                self.bind(id, placement.node);
                self.index.reserve_claims(placement.node, &placement.claims);
                self.allocate(id, placement.devices);
            }
            Attempt::Preempt(preemption) => {
                decision.insert("outcome".into(), "preempts".into());
                fill(&mut decision, "refused", self.refused(&seen));
                decision.insert("preemption".into(), self.preemption(&seen, preemption.node));
                decision.insert("message".into(), preemption.rejection.message.clone().into());
                self.evict(id, &preemption);
            }
            Attempt::Reject { rejection, keeps_nomination, deallocates } => {
                self.deallocate(deallocates);
                if !keeps_nomination {
                    self.nominate(id, None);
                }
                decision.insert("outcome".into(), "rejected".into());
                let failed = rejection.reasons.iter().any(|told| is_error(&told.reason));
                if seen.everywhere.is_none() && !failed {
                    fill(&mut decision, "refused", self.refused(&seen));
                }
                decision.insert("message".into(), rejection.message.into());
            }
        }
        decision.into()
    }

    fn filters(&self, seen: &Trace) -> Map<String, Value> {
        let refusing = seen.filters.iter().filter(|(_, said)| !said.is_empty());
        let by_plugin = |said: &[Said]| -> Value {
            said.iter().map(|said| (plugin(said), say(said, false))).collect::<Map<String, Value>>().into()
        };
        refusing.map(|(node, said)| (self.node(*node), by_plugin(said))).collect()
    }

    fn refused(&self, seen: &Trace) -> Map<String, Value> {
        let told = seen.refused.iter().map(|(node, said)| (self.node(*node), say(said, true)));
        told.collect()
    }

    fn scores(&self, seen: &Trace, decision: &mut Map<String, Value>) {
        let total = |scores: &[(&str, i64)]| scores.iter().map(|(_, score)| score).sum::<i64>();
        let most = seen.feasible.iter().map(|(_, scores)| total(scores)).max().unwrap_or(0);
        let best = seen.feasible.iter().filter(|(_, scores)| total(scores) == most);
        let mut best: Vec<String> = best.map(|(node, _)| self.node(*node)).collect();
        best.sort();
        decision.insert("best".into(), best.into());
        if seen.feasible.len() < 2 {
            return;
        }
        let mut table = Map::new();
        for (node, scores) in &seen.feasible {
            let mut row: Map<String, Value> = scores
                .iter()
                .filter(|(_, score)| *score != 0)
                .map(|(name, score)| ((*name).to_owned(), json!(score)))
                .collect();
            row.insert("total".into(), total(scores).into());
            table.insert(self.node(*node), row.into());
        }
        decision.insert("scores".into(), table.into());
    }

    fn preemption(&self, seen: &Trace, node: NodeId) -> Value {
        let victims =
            |pods: &[PodId]| pods.iter().map(|pod| name(self.cluster.pod(*pod))).collect::<Vec<_>>();
        let candidates: Map<String, Value> = seen
            .candidates
            .iter()
            .map(|(node, pods, violations)| {
                (self.node(*node), json!({"victims": victims(pods), "violations": violations}))
            })
            .collect();
        let mut best: Vec<String> = seen.best.iter().map(|node| self.node(*node)).collect();
        best.sort();
        json!({"candidates": candidates, "best": best, "node": self.node(node)})
    }

    fn node(&self, node: NodeId) -> String {
        self.cluster.node(node).name.to_string()
    }

    fn bind(&mut self, id: PodId, node: NodeId) {
        self.cluster.now = Timestamp(self.cluster.now.0 + 1000);
        let pod = &mut self.cluster.pods[id.0 as usize];
        (pod.node, pod.stage, pod.nominated) = (Some(node), Stage::Ready, None);
        self.index.place(&self.cluster, id, node);
        self.index.set_nominated(&self.cluster, id, None);
    }

    /// Its claims are the pod's.
    fn allocate(&mut self, id: PodId, choice: DeviceChoice) {
        for (claim, allocation) in choice {
            let known = &mut self.cluster.device_claims[claim.0 as usize];
            known.allocation = allocation.or(known.allocation.take());
            if !known.reserved_for.contains(&Consumer::Pod(id)) {
                known.reserved_for.push(Consumer::Pod(id));
            }
            self.claim_changed(claim, DeviceClaimChange::Updated);
        }
    }

    fn deallocate(&mut self, claim: Option<DeviceClaimId>) {
        let Some(claim) = claim else { return };
        let known = &mut self.cluster.device_claims[claim.0 as usize];
        (known.allocation, known.reserved_for) = (None, Vec::new());
        self.claim_changed(claim, DeviceClaimChange::Deallocated);
    }

    fn claim_changed(&mut self, claim: DeviceClaimId, how: DeviceClaimChange) {
        self.index.observe(&Change::DeviceClaimChanged { claim, how }, &self.cluster);
    }

    fn evict(&mut self, id: PodId, preemption: &scheduling::Preemption) {
        for victim in &preemption.victims {
            self.cluster.pods[victim.0 as usize].stage = Stage::Gone;
            self.index.observe(&Change::PodGone(*victim), &self.cluster);
        }
        for displaced in &preemption.displaced {
            self.nominate(*displaced, None);
        }
        self.nominate(id, Some(preemption.node));
    }

    fn nominate(&mut self, id: PodId, node: Option<NodeId>) {
        self.cluster.pods[id.0 as usize].nominated = node;
        self.index.set_nominated(&self.cluster, id, node);
    }
}

/// Adds a table unless it is empty.
fn fill(decision: &mut Map<String, Value>, name: &str, table: Map<String, Value>) {
    if !table.is_empty() {
        decision.insert(name.to_owned(), table.into());
    }
}

fn plugin(said: &Said) -> String {
    format!("{:?}", said.plugin)
}

/// A plugin ended in an error, and the cycle with it.
fn is_error(reason: &FilterReason) -> bool {
    matches!(reason, FilterReason::DeviceError(_))
}

fn say(said: &Said, named: bool) -> Value {
    let failed = said.reasons.iter().any(is_error);
    let code = if failed {
        "Error"
    } else if said.resolvable {
        "Unschedulable"
    } else {
        "UnschedulableAndUnresolvable"
    };
    // Upstream walks a map of the resources that are not its own.
    let mut words = said.words();
    words.sort();
    let mut told = json!({"code": code, "reasons": words});
    if named {
        told["plugin"] = plugin(said).into();
    }
    told
}

fn name(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

/// The scheduler has asked it to go.
fn preempted(object: Option<&Value>) -> bool {
    let conditions = object.and_then(|object| object.pointer("/status/conditions")).and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition["type"] == "DisruptionTarget"
            && condition["status"] == "True"
            && condition["reason"] == "PreemptionByScheduler"
    })
}

/// A cluster with everything but pods.
fn empty(declared: Arc<Declared>) -> Cluster {
    Cluster {
        nodes: declared.nodes.clone(),
        volume_claims: declared.volume_claims.clone(),
        device_claims: declared.devices.claims.clone(),
        volumes: declared.volumes.clone(),
        arrived: vec![true; declared.workloads.len()],
        ..Cluster::empty(declared)
    }
}

/// The pods of the objects: bare ones, and those of workloads.
fn pods(cluster: &Cluster, objects: &Written<'_>) -> Result<Vec<Pod>> {
    let declared = &cluster.declared;
    let bare = declared.workload_ids().filter(|(_, workload)| {
        workload.shape == Shape::Pod
            && workload.key.kind == Kind::Pod
            && objects.contains_key(&format!("{}/{}", workload.key.namespace, workload.key.name))
    });
    let mut made: Vec<Pod> = Vec::new();
    for (id, workload) in bare {
        made.push(pod(&workload.key.name, workload.template.node_name.clone(), id, cluster));
    }
    for owned in &declared.pods {
        made.push(pod(&owned.name, owned.node.clone(), owned.workload, cluster));
    }
    made.retain(|pod| objects.contains_key(&name(pod)));
    // In the order of the line, in which pending pods are handled.
    made.sort_by_key(|pod| objects.get(&name(pod)).map(|(place, _)| *place));
    for (id, pod) in (0u32..).zip(&mut made) {
        pod.id = PodId(id);
        let (_, object) = objects.get(&name(pod)).context("every pod has an object")?;
        tell(pod, object, cluster);
    }
    Ok(made)
}

fn pod(name: &cluster::Name, node: Option<cluster::Name>, workload: WorkloadId, cluster: &Cluster) -> Pod {
    let owner = cluster.declared.workload(workload);
    let node = node.and_then(|name| cluster.nodes.iter().find(|node| node.name == name)).map(|node| node.id);
    Pod {
        id: PodId(0),
        namespace: owner.key.namespace.clone(),
        name: name.clone(),
        workload: Some(workload),
        template: owner.template.clone(),
        revision: 0,
        ordinal: 0,
        for_node: None,
        created: Timestamp::ZERO,
        stage: if node.is_some() { Stage::Ready } else { Stage::Pending },
        since: Timestamp::ZERO,
        node,
        nominated: None,
        addressed: false,
        restarts: 0,
        deleted: None,
        waiting: None,
    }
}

/// What only the status of a live pod tells.
fn tell(pod: &mut Pod, object: &Value, cluster: &Cluster) {
    let started = object.pointer("/status/startTime").and_then(Value::as_str).and_then(seconds);
    pod.created = Timestamp((started.unwrap_or(LONG_AGO_S) - FIRST_BINDING_S) * 1000);
    let nominated = object.pointer("/status/nominatedNodeName").and_then(Value::as_str);
    let node = nominated.and_then(|name| cluster.nodes.iter().find(|node| node.name == *name));
    pod.nominated = node.map(|node| node.id).filter(|_| pod.node.is_none());
    pod.deleted = object.pointer("/metadata/deletionTimestamp").map(|_| Timestamp::ZERO);
    match object.pointer("/status/phase").and_then(Value::as_str) {
        Some("Succeeded") => pod.stage = Stage::Succeeded,
        Some("Failed") => pod.stage = Stage::Failed,
        _ => {}
    }
}

/// The generator writes times as `2026-05-DDTHH:MM:SSZ`; only these are read.
fn seconds(text: &str) -> Option<i64> {
    let rest = text.strip_prefix("2026-05-")?.strip_suffix('Z')?;
    let (day, time) = rest.split_once('T')?;
    let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    // 2026-05-01 is 31 days before the first binding.
    let days = day.parse::<i64>().ok()? - 1;
    Some(FIRST_BINDING_S - 31 * 86_400 + days * 86_400 + hours * 3600 + minutes * 60 + seconds)
}
