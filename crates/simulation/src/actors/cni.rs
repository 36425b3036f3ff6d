//! Which actor hands out addresses, and what the CNIs' actors have in common.

use cluster::network::Cni;
use cluster::pod::Stage;
use cluster::role::Program;
use cluster::{Cluster, Declared, Pod};

use super::cilium::CiliumEni;
use super::cilium::taint::CiliumTaint;
use super::per_node_range::PerNodeRange;
use super::pod_eni::BranchInterfaces;
use super::vpc_cni::VpcCni;
use crate::actor::Actor;

/// The actors of the cluster's CNI.
pub fn all(declared: &Declared) -> Vec<Box<dyn Actor>> {
    let addresses: Box<dyn Actor> = match &declared.cni {
        Cni::VpcCni(_) => Box::new(VpcCni::default()),
        Cni::CiliumEni(_) => Box::new(CiliumEni::default()),
        Cni::PerNodeRange { .. } | Cni::Unlimited => Box::new(PerNodeRange::default()),
    };
    vec![addresses, Box::new(BranchInterfaces::default()), Box::new(CiliumTaint::default())]
}

/// Whether the input has a workload that runs this program.
pub fn is_declared(cluster: &Cluster, program: Program) -> bool {
    cluster.declared.workloads.iter().any(|workload| workload.template.role.program == program)
}

/// Whether a pod's program runs: containers started and not finished.
pub fn runs(pod: &Pod) -> bool {
    matches!(pod.stage, Stage::Running | Stage::Ready)
        && !matches!(pod.waiting, Some((_, cluster::Waiting::Crashing { .. })))
}
