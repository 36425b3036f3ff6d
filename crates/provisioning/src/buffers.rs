//! Room for pods that are not there yet: the pods of CapacityBuffers, imagined, and planned for like pods that wait.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/state/virtualpods` and `pkg/controllers/provisioning/buffers.go`:
//! imagined pods are in every plan and every simulation of a disruption, after real ones of the same size; no node is
//! held for them, and nothing is said of those that find no place but in their buffer's status ([`status`]). Karpenter
//! makes them anew when it has looked at their buffer, at least every 30 seconds; here they are made for each plan.

pub mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::capacity_buffer::BufferShape;
use cluster::change::ClaimOrNode;
use cluster::pod::Stage;
use cluster::rejection::Rejection;
use cluster::{CapacityBuffer, Cluster, Name, ObjectKey, Pod, PodId, PodTemplate, Waiting};

use crate::input::{Input, Solution};
use crate::pool;
use crate::scheduler::solve;

/// Imagined pods at most, of all buffers together: as many as a run holds of real ones.
const MOST_PODS: usize = 100_000;

/// A cluster with the pods of its buffers in it.
#[derive(Clone, Debug)]
pub struct Imagined {
    /// The cluster; its own pods keep their ids.
    pub cluster: Cluster,
    /// How many pods are real: the others have the ids behind them.
    real: usize,
    /// The buffers of the imagined pods, with the index behind each buffer's last one.
    buffers: Vec<(ObjectKey, usize)>,
}

/// Where the pods of buffers went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosted {
    /// Nodes that are there, or claims on their way, with at least one of them.
    pub on: BTreeSet<ClaimOrNode>,
    /// How many of each buffer's pods went where.
    pub tallies: BTreeMap<ObjectKey, Tally>,
}

/// How many of a buffer's pods went where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// On nodes that are there, or on claims on their way.
    pub existing: u32,
    /// On claims that are to be created.
    pub new: u32,
    /// Nowhere.
    pub failed: u32,
}

impl Imagined {
    /// The cluster with the pods of its buffers; `None` when there are none.
    pub fn of(cluster: &Cluster) -> Option<Imagined> {
        if !cluster.declared.karpenter.capacity_buffer {
            return None;
        }
        let mut pods: Vec<Pod> = Vec::new();
        let mut buffers = Vec::new();
        for (buffer, template, count) in wanted(cluster) {
            let template = Arc::new(sanitised(template));
            let room = MOST_PODS.saturating_sub(pods.len());
            for number in 1..=count.min(room) {
                let index = cluster.pods.len().saturating_add(pods.len());
                pods.push(pod(cluster, buffer, &template, number, index));
            }
            buffers.push((buffer.key.clone(), pods.len()));
        }
        if pods.is_empty() {
            return None;
        }
        let (mut imagined, real) = (cluster.clone(), cluster.pods.len());
        imagined.pods.append(&mut pods);
        Some(Imagined { cluster: imagined, real, buffers })
    }

    /// Whether a pod is imagined.
    pub fn has(&self, pod: PodId) -> bool {
        pod.0 as usize >= self.real
    }

    /// The imagined pods.
    pub fn pods(&self) -> impl Iterator<Item = PodId> {
        self.cluster.pods[self.real..].iter().map(|pod| pod.id)
    }

    /// Whose pod it is.
    fn buffer_of(&self, pod: PodId) -> Option<&ObjectKey> {
        let index = (pod.0 as usize).checked_sub(self.real)?;
        let buffer = self.buffers.partition_point(|(_, end)| *end <= index);
        self.buffers.get(buffer).map(|(key, _)| key)
    }

    /// Takes the imagined pods out of a solution of `input`: where they went. Nothing is known of that when no pool is
    /// ready: then Karpenter makes no plan.
    pub fn take_out(&self, input: &Input<'_>, solution: &mut Solution) -> Hosted {
        let hosted = self.take_all_out(solution);
        let pools = &input.market.pools;
        let is_ready = |pool: &u32| pools.get(*pool as usize).is_some_and(|pool| pool.not_ready.is_none());
        if pool::in_order(input).iter().any(is_ready) { hosted } else { Hosted::default() }
    }

    fn take_all_out(&self, solution: &mut Solution) -> Hosted {
        let mut hosted = Hosted::default();
        let mut count = |pod: PodId, add: fn(&mut Tally)| {
            self.buffer_of(pod).map(|key| add(hosted.tallies.entry(key.clone()).or_default())).is_some()
        };
        let mut on = BTreeSet::new();
        solution.on_existing.retain(|(pod, place)| {
            let imagined = count(*pod, |tally| tally.existing += 1);
            on.extend(imagined.then_some(*place));
            !imagined
        });
        for claim in &mut solution.new_claims {
            claim.pods.retain(|pod| !count(*pod, |tally| tally.new += 1));
        }
        solution.refused.retain(|(pod, _)| !count(*pod, |tally| tally.failed += 1));
        Hosted { on, ..hosted }
    }
}

/// Where every pod goes, with the pods of buffers among them; these are not in the solution. Without any, the plan is
/// [`solve`]'s, and it is only made for `input.pods`.
pub fn solve_with_room(input: &Input<'_>) -> (Solution, Hosted) {
    let Some(imagined) = Imagined::of(input.cluster) else {
        let solution = if input.pods.is_empty() { Solution::default() } else { solve(input) };
        return (solution, Hosted::default());
    };
    let pods: Vec<PodId> = input.pods.iter().copied().chain(imagined.pods()).collect();
    let mut solution = solve(&Input { cluster: &imagined.cluster, pods: &pods, ..*input });
    let hosted = imagined.take_out(input, &mut solution);
    (solution, hosted)
}

/// The buffers that are to be planned for, with their pods' template and number.
fn wanted(cluster: &Cluster) -> impl Iterator<Item = (&CapacityBuffer, &PodTemplate, usize)> {
    cluster.declared.capacity_buffers.iter().filter_map(|buffer| {
        let status = cluster.buffers.get(&buffer.key).filter(|status| status.is_ready())?;
        let count =
            status.replicas.and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0)?;
        Some((buffer, template(cluster, buffer)?, count))
    })
}

/// What a buffer's pods are made from, if that is there.
pub(crate) fn template<'a>(cluster: &Cluster, buffer: &'a CapacityBuffer) -> Option<&'a PodTemplate> {
    match &buffer.shape {
        BufferShape::PodTemplate { found, .. } => found.as_ref().map(|(template, _)| &**template),
        BufferShape::Scalable { of, found } if is_there(cluster, of) => {
            found.as_ref().map(|(template, _)| &**template)
        }
        _ => None,
    }
}

/// Whether what a buffer scales with is in the API.
fn is_there(cluster: &Cluster, of: &ObjectKey) -> bool {
    let mut workloads = cluster.declared.workload_ids();
    let id = workloads.find(|(_, workload)| workload.key == *of).map(|(id, _)| id);
    // What is no workload of its own (a Deployment's ReplicaSet) comes with its owner.
    id.is_none_or(|id| {
        cluster.arrived.get(id.0 as usize).copied().unwrap_or(true)
            && !cluster.deleted_workloads.contains(&id)
    })
}

/// Without what needs the API server: volumes that are claimed, and a node that is named.
fn sanitised(template: &PodTemplate) -> PodTemplate {
    let annotations = cluster::Labels::new();
    PodTemplate { annotations, node_name: None, volumes: Vec::new(), priority: i32::MIN, ..template.clone() }
}

fn pod(
    cluster: &Cluster,
    buffer: &CapacityBuffer,
    template: &Arc<PodTemplate>,
    number: usize,
    index: usize,
) -> Pod {
    let nobody_knows =
        Rejection { nodes: 0, reasons: Vec::new(), preemption: Vec::new(), message: String::new() };
    Pod {
        id: PodId(u32::try_from(index).unwrap_or(u32::MAX)),
        namespace: buffer.key.namespace.clone(),
        name: Name::from(format!("capacity-buffer-{}-{number}", buffer.key.name)),
        workload: None,
        template: Arc::clone(template),
        revision: 0,
        ordinal: 0,
        for_node: None,
        created: cluster.now,
        stage: Stage::Pending,
        since: cluster.now,
        node: None,
        nominated: None,
        addressed: false,
        restarts: 0,
        deleted: None,
        waiting: Some((cluster.now, Waiting::Unschedulable(Box::new(nobody_knows)))),
    }
}
