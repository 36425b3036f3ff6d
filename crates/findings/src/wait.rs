//! Who waits for whom: the graph whose cycles are deadlocks and whose ends are causes.
//!
//! Nodes are [`Party`]s, edges are [`Wait`]s with their evidence. It is built from the end of a run: from every
//! workload that is not running, along everything that would have to act first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cluster::capability::Capability;
use cluster::change::Refusal;
use cluster::rejection::PoolReason;
use cluster::{Cluster, Name, NodeId, ObjectKey, PodId, Timestamp, Unmet, Waiting, WorkloadId};

use crate::expand;
use crate::placeable::NoSuchLabel;

/// Something that waits, or is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// A workload's pods that are not running.
    Workload(WorkloadId),
    /// An object that has not arrived.
    Object(ObjectKey),
    /// A node on which pods would fit.
    Room,
    /// Free pod addresses on a node.
    Addresses(NodeId),
    /// Free addresses in a subnet, by its name.
    Subnet(Name),
    /// The network of a node.
    Network(NodeId),
    /// What some part of the cluster does.
    Capability(Capability),
    /// A NodePool, by its index.
    Pool(u32),
    /// Something that only a person can change; in words.
    Outside(Name),
}

/// What ends a wait that has no further wait behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// It waits on for others; the graph goes on.
    Continues,
    /// A resource that nobody will add.
    Exhausted,
    /// Nothing could ever satisfy it.
    Impossible,
}

/// Why a wait is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Pods of a workload wait in the same way.
    Pods(Waiting),
    /// The API server refuses to create pods.
    Refused(Refusal),
    /// A NodePool cannot serve the pods.
    Pool(PoolReason),
    /// Capacity comes only with another node.
    NeedsNode,
    /// Whoever provides it is not running.
    ProviderNotRunning,
    /// Whoever provides it runs and cannot act.
    ProviderBlocked,
    /// Nobody in the input provides it.
    NoProvider,
    /// An earlier wave or hook is not done.
    EarlierWave,
    /// It cannot be reached, by the profile or by a fault.
    Unreachable,
    /// Pods hold all of it and none of them leaves.
    Held,
    /// The pods ask for a label that no node has and no pool gives.
    NoSuchLabel(NoSuchLabel),
    /// It is written, and refused for its own mistakes.
    Unusable,
}

/// One party waits for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Who waits.
    pub who: Party,
    /// For whom.
    pub on: Party,
    /// Why, with its numbers.
    pub why: Why,
    /// Since when.
    pub since: Timestamp,
    /// The pods that wait in this way; empty where the waiter is not a workload.
    pub pods: Vec<PodId>,
    /// What is at its end.
    pub ending: Ending,
}

/// Who waits for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitGraph {
    /// The waits, each party's together, in the order they were found: from what is wanted to the causes.
    pub waits: Vec<Wait>,
}

/// Waits explored at the most: far above any cluster's number of workloads times reasons.
const MAX_WAITS: usize = 200_000;

impl WaitGraph {
    /// The graph of what is not there at the end of a run.
    pub fn new(cluster: &Cluster, unmet: &[Unmet]) -> WaitGraph {
        let mut graph = WaitGraph::default();
        let mut seen = BTreeSet::new();
        let mut queue: VecDeque<Party> = unmet.iter().map(|u| Party::Workload(u.workload())).collect();
        let facts = expand::Facts::new(cluster, unmet);
        while let Some(party) = queue.pop_front() {
            if !seen.insert(party.clone()) || graph.waits.len() > MAX_WAITS {
                continue;
            }
            for wait in facts.waits_of(&party) {
                queue.push_back(wait.on.clone());
                graph.waits.push(wait);
            }
        }
        graph
    }

    /// The waits of one party.
    pub fn of<'a>(&'a self, party: &'a Party) -> impl Iterator<Item = &'a Wait> {
        self.waits.iter().filter(move |wait| wait.who == *party)
    }

    /// How the waits end that have nothing behind them.
    pub fn endings(&self) -> impl Iterator<Item = Ending> + '_ {
        self.waits.iter().map(|wait| wait.ending).filter(|ending| *ending != Ending::Continues)
    }

    /// The shortest cycle, starting with its earliest wait; `None` when nothing waits for itself. Ties go to the
    /// cycle found first.
    pub fn cycle(&self) -> Option<Vec<&Wait>> {
        let mut from: BTreeMap<&Party, Vec<&Wait>> = BTreeMap::new();
        for wait in &self.waits {
            from.entry(&wait.who).or_default().push(wait);
        }
        let candidates = from.keys().filter_map(|start| shortest_way_back(&from, start));
        let mut cycle = candidates.min_by_key(|cycle| (cycle.len(), cycle.iter().map(|w| w.since).min()))?;
        let first = (0..cycle.len()).min_by_key(|index| (cycle[*index].since, *index)).unwrap_or(0);
        cycle.rotate_left(first);
        Some(cycle)
    }
}

/// The shortest way from `start` back to itself, breadth first.
fn shortest_way_back<'a>(from: &BTreeMap<&Party, Vec<&'a Wait>>, start: &Party) -> Option<Vec<&'a Wait>> {
    let mut came_by: BTreeMap<&Party, &'a Wait> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(party) = queue.pop_front() {
        for wait in from.get(party).into_iter().flatten().copied() {
            if wait.on == *start {
                let mut way = vec![wait];
                let mut at = &wait.who;
                while at != start {
                    let step = *came_by.get(at)?;
                    way.push(step);
                    at = &step.who;
                }
                way.reverse();
                return Some(way);
            }
            if !came_by.contains_key(&wait.on) {
                came_by.insert(&wait.on, wait);
                queue.push_back(&wait.on);
            }
        }
    }
    None
}
