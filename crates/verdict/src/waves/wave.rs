//! What one wave needed, read off the run that played it.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Change, Cluster, Name, NodeId, ObjectKey, PodId, Timestamp, Waiting, WorkloadId};
use findings::Outcome;

use crate::trial::Trial;

/// A new pod that waits longer than this for an address waits for an old one to give its own back: attaching an
/// interface takes seconds.
const ADDRESS_MS: i64 = 60_000;

/// One wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// What is rolled.
    pub workloads: Vec<ObjectKey>,
    /// When it begins.
    pub starts: Timestamp,
    /// How long it takes until everything is ready, in milliseconds.
    pub took_ms: i64,
    /// Nodes: before, and at the most. Those that the provisioner made, where there is one.
    pub nodes: (u32, u32),
    /// Pods on nodes: before, and at the most.
    pub pods: (u32, u32),
    /// Pods with an address of their own: before, and at the most.
    pub addresses: (u32, u32),
    /// New pods that had to wait for old ones to go.
    pub waited: Vec<Name>,
    /// Whether everything is ready in the end.
    pub completes: bool,
}

impl Wave {
    /// Whether it gets through without waiting for itself.
    pub fn fits(&self) -> bool {
        self.completes && self.waited.is_empty()
    }
}

/// What the wave that begins at `starts`, the last of the run, came to.
pub(super) fn measure(trial: &Trial, workloads: &[ObjectKey], starts: Timestamp) -> Wave {
    let cluster = &trial.run.cluster;
    let rolled: BTreeSet<WorkloadId> = cluster
        .declared
        .workload_ids()
        .filter(|(_, workload)| workloads.contains(&workload.key))
        .map(|(id, _)| id)
        .collect();
    let managed = cluster.nodes.iter().any(|node| node.claim.is_some());
    let mut levels = Levels { counts_managed: managed, ..Levels::default() };
    let mut waits = Waits::default();
    let mut before = None;
    let mut most = (0, 0, 0);
    for entry in &trial.run.timeline.entries {
        if entry.at >= starts {
            before.get_or_insert(levels.now());
            waits.note(&entry.change, entry.at, cluster, &rolled, starts);
        }
        levels.note(&entry.change, cluster);
        if entry.at >= starts {
            let (nodes, pods, addresses) = levels.now();
            most = (nodes.max(most.0), pods.max(most.1), addresses.max(most.2));
        }
    }
    let first = before.unwrap_or_else(|| levels.now());
    let completes = trial.outcome == Outcome::Converges;
    Wave {
        workloads: workloads.to_vec(),
        starts,
        took_ms: trial.run.last_progress.since_ms(starts).max(0),
        nodes: (first.0, most.0.max(first.0)),
        pods: (first.1, most.1.max(first.1)),
        addresses: (first.2, most.2.max(first.2)),
        waited: waits.waited.iter().map(|pod| cluster.pod_name(*pod)).collect(),
        completes,
    }
}

/// How much there is, change by change.
#[derive(Default)]
struct Levels {
    counts_managed: bool,
    nodes: BTreeSet<NodeId>,
    bound: BTreeSet<PodId>,
    addressed: BTreeSet<PodId>,
}

impl Levels {
    fn note(&mut self, change: &Change, cluster: &Cluster) {
        match change {
            Change::NodeRegistered(node) if !self.counts_managed || cluster.node(*node).claim.is_some() => {
                self.nodes.insert(*node);
            }
            Change::NodeGone(node) => {
                self.nodes.remove(node);
            }
            Change::PodBound(pod, _) => {
                self.bound.insert(*pod);
            }
            Change::PodAddressed(pod) => {
                self.addressed.insert(*pod);
            }
            Change::PodGone(pod) => {
                self.bound.remove(pod);
                self.addressed.remove(pod);
            }
            _ => {}
        }
    }

    fn now(&self) -> (u32, u32, u32) {
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        (count(self.nodes.len()), count(self.bound.len()), count(self.addressed.len()))
    }
}

/// New pods of the wave, and what they wait for.
#[derive(Default)]
struct Waits {
    without_room: BTreeMap<PodId, Timestamp>,
    without_address: BTreeMap<PodId, Timestamp>,
    /// The provisioner has a node for them.
    expected: BTreeSet<PodId>,
    /// When the last old pod went.
    old_gone: Option<Timestamp>,
    waited: BTreeSet<PodId>,
}

impl Waits {
    fn note(
        &mut self,
        change: &Change,
        at: Timestamp,
        cluster: &Cluster,
        rolled: &BTreeSet<WorkloadId>,
        starts: Timestamp,
    ) {
        let is_rolled = |pod: &PodId| cluster.pod(*pod).workload.is_some_and(|id| rolled.contains(&id));
        let is_new = |pod: &PodId| cluster.pod(*pod).created >= starts && is_rolled(pod);
        match change {
            Change::PodRefusedByPools(pod, _) if is_new(pod) => {
                self.waited.insert(*pod);
            }
            Change::PodGone(pod) if !is_new(pod) && is_rolled(pod) => self.old_gone = Some(at),
            Change::PodExpected(pod, _) => {
                self.expected.insert(*pod);
            }
            Change::PodWaits(pod, why) if is_new(pod) => match **why {
                Waiting::Unschedulable(_) => {
                    self.without_room.entry(*pod).or_insert(at);
                }
                Waiting::NoAddress(_) => {
                    self.without_address.entry(*pod).or_insert(at);
                }
                _ => {}
            },
            Change::PodBound(pod, _) => {
                let since = self.without_room.remove(pod).filter(|_| !self.expected.contains(pod));
                // Room that came up while nobody went would have been found without waiting.
                if since.is_some_and(|since| self.old_gone.is_some_and(|gone| gone >= since)) {
                    self.waited.insert(*pod);
                }
            }
            Change::PodAddressed(pod) => {
                let since = self.without_address.remove(pod);
                if since.is_some_and(|since| at.since_ms(since) > ADDRESS_MS) {
                    self.waited.insert(*pod);
                }
            }
            _ => {}
        }
    }
}
