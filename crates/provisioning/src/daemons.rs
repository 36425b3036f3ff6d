//! DaemonSets: what their pods will take on a node.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/scheduler.go`
//! (`buildDaemonOverheadGroups`, `isDaemonPodCompatible`, `getCompatibleDaemonPods`).

use std::sync::Arc;

use cluster::requirements::{Requirements, Undefined};
use cluster::template::{HostPort, NodeSelectorTerm};
use cluster::workload::Shape;
use cluster::{Cluster, Effect, Labels, PodTemplate, Resources, Taint, Toleration};

use crate::bits::Bits;
use crate::market::{Agreement, Offers};

/// Instance types of a pool on which the same DaemonSets run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonGroup {
    /// Which types.
    pub types: Bits,
    /// What the daemons ask for, all together; `pods` is their number.
    pub overhead: Resources,
    /// Ports on the node that they take.
    pub ports: Vec<HostPort>,
}

/// The DaemonSets that are in the API.
pub fn daemon_sets(cluster: &Cluster) -> Vec<&PodTemplate> {
    let arrived = |index: usize| cluster.arrived.get(index).copied().unwrap_or(false);
    let workloads = cluster.declared.workload_ids();
    workloads
        .filter(|(id, workload)| {
            matches!(workload.shape, Shape::DaemonSet)
                && arrived(id.0 as usize)
                && !cluster.deleted_workloads.contains(id)
        })
        .map(|(_, workload)| workload.template.as_ref())
        .collect()
}

/// Groups the types of a pool by the DaemonSets that run on them.
pub fn groups(
    pool: &Requirements,
    taints: &[Taint],
    types: &Offers,
    usable: &Bits,
    daemons: &[&PodTemplate],
) -> Vec<DaemonGroup> {
    let tolerated: Vec<&PodTemplate> = daemons.iter().copied().filter(|pod| tolerates(pod, taints)).collect();
    let agreeing: Vec<Vec<Arc<Agreement>>> = tolerated
        .iter()
        .map(|pod| wanted_of(pod, pool).iter().map(|wanted| types.agreement(wanted)).collect())
        .collect();
    let mut keyed: Vec<(Bits, DaemonGroup)> = Vec::new();
    for index in usable.iter() {
        let runs = |daemon: &usize| agreeing[*daemon].iter().any(|types| types.agreeing.has(index));
        let key: Bits = (0..tolerated.len()).filter(runs).collect();
        match keyed.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.types.insert(index),
            None => {
                let mut group =
                    DaemonGroup { types: Bits::default(), overhead: Resources::ZERO, ports: vec![] };
                group.types.insert(index);
                for daemon in key.iter() {
                    group.overhead.add(&tolerated[daemon].requests);
                    group.ports.extend(tolerated[daemon].host_ports.iter().cloned());
                }
                keyed.push((key, group));
            }
        }
    }
    keyed.into_iter().map(|(_, group)| group).collect()
}

/// What the DaemonSets ask for on a node that is there, running there or not.
pub fn overhead_on(labels: &Labels, taints: &[Taint], daemons: &[&PodTemplate]) -> Resources {
    let mut overhead = Resources::ZERO;
    for daemon in daemons {
        let strict = Requirements::of_pod_strict(daemon);
        if all_tolerated(taints, &daemon.tolerations) && strict.hold_for(labels) {
            overhead.add(&daemon.requests);
        }
    }
    overhead
}

/// Whether every taint is tolerated, whatever its effect: Karpenter takes `PreferNoSchedule` for a taint like any
/// other until it relaxes.
pub fn all_tolerated(taints: &[Taint], tolerations: &[Toleration]) -> bool {
    taints.iter().all(|taint| tolerations.iter().any(|toleration| toleration.tolerates(taint)))
}

fn tolerates(daemon: &PodTemplate, taints: &[Taint]) -> bool {
    let hard: Vec<Taint> =
        taints.iter().filter(|taint| taint.effect != Effect::PreferNoSchedule).cloned().collect();
    all_tolerated(&hard, &daemon.tolerations)
}

/// What a daemon asks of an instance type: one alternative for each required node affinity term that the pool can
/// meet. None: it runs on no node of the pool.
fn wanted_of(daemon: &PodTemplate, pool: &Requirements) -> Vec<Requirements> {
    let terms = daemon.required_node_affinity.as_deref().unwrap_or_default();
    let of = |terms: &[NodeSelectorTerm]| Requirements::of_node_affinity(&daemon.node_selector, terms, &[]);
    let mut alternatives: Vec<Requirements> = match terms {
        [] => vec![of(&[])],
        terms => terms.iter().map(|term| of(std::slice::from_ref(term))).collect(),
    };
    alternatives.retain(|wanted| pool.compatible(wanted, Undefined::WellKnownAllowed).is_ok());
    alternatives
}
