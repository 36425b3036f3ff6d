//! What a bound pod needs before its first container: the node's network, objects, volumes, an address.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/kubelet/kubelet.go` `SyncPod`: the network must be ready (host-network pods
//! excepted), then volumes are attached and mounted, then the runtime makes the sandbox and the CNI is called.
//! ConfigMaps and Secrets are all treated as volumes: those that only the environment names would hold the pod
//! one step later (`CreateContainerConfigError`), with its address taken.

use cluster::{Cluster, Node, ObjectKey, Pod, Waiting};

use crate::actors::claims::{ClaimNames, first_unattached};
use crate::actors::fargate::is_fargate;

/// What a pod's sandbox waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SandboxNeed {
    /// Nothing: it is ready.
    Nothing,
    /// For something that the kubelet names.
    Named(Waiting),
    /// For a volume; the volume controllers say why.
    Volume,
    /// For an address; the CNI says why.
    Address,
}

/// What the sandbox of a bound pod waits for, first thing first.
pub fn sandbox_need(cluster: &Cluster, claims: &ClaimNames, pod: &Pod, node: &Node) -> SandboxNeed {
    let own_network = pod.template.needs_address() && !is_fargate(node);
    if own_network && !node.network.cni_ready {
        return SandboxNeed::Named(Waiting::CniNotReady);
    }
    if let Some(missing) = pod.template.needs_objects.iter().find(|key| !object_exists(cluster, key)) {
        return SandboxNeed::Named(Waiting::ObjectMissing(missing.clone()));
    }
    if first_unattached(cluster, claims, pod).is_some() {
        return SandboxNeed::Volume;
    }
    if own_network && !pod.addressed { SandboxNeed::Address } else { SandboxNeed::Nothing }
}

/// Whether a ConfigMap or Secret is there: one of the input once it has arrived. What the input does not have is
/// taken to exist.
fn object_exists(cluster: &Cluster, key: &ObjectKey) -> bool {
    let arrival = cluster.declared.arrivals.get(key);
    arrival.is_none_or(|arrival| arrival.existing || cluster.arrived_objects.contains(key))
}
