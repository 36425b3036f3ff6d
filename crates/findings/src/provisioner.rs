//! Who adds nodes, and whether it can: what pods without room wait for.

use cluster::capability::Capability;
use cluster::role::Program;
use cluster::{PodId, WorkloadId};

use crate::scene::Scene;
use crate::stuck;
use crate::wait::Party;

/// Whether a program adds nodes.
pub(crate) fn adds_nodes(program: Program) -> bool {
    matches!(program, Program::Karpenter | Program::ClusterAutoscaler)
}

/// Whether a workload adds nodes, and no other one runs that could add one for it: its own pods are BOOT101's.
pub(crate) fn stands_alone(scene: &Scene<'_>, id: WorkloadId) -> bool {
    let declared = &scene.cluster.declared;
    let others_run = || {
        declared.workload_ids().any(|(other, workload)| {
            let provisions = other != id && adds_nodes(workload.template.role.program);
            provisions && stuck::ready_pods(scene.cluster, other) > 0
        })
    };
    adds_nodes(declared.workload(id).template.role.program) && !others_run()
}

/// Whether a pod belongs to a provisioner that only itself could help.
pub(crate) fn is_its_own(scene: &Scene<'_>, pod: PodId) -> bool {
    scene.cluster.pod(pod).workload.is_some_and(|workload| stands_alone(scene, workload))
}

/// The provisioner that would add nodes and cannot act; `None` where it acts, or there is none.
pub(crate) fn stuck(scene: &Scene<'_>) -> Option<Program> {
    let provisioning = Party::Capability(Capability::Provisioning);
    scene.graph.of(&provisioning).next()?;
    let programs = scene.cluster.declared.workloads.iter().map(|workload| workload.template.role.program);
    programs.filter(|program| adds_nodes(*program)).min()
}
