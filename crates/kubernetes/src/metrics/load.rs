//! What the pods of nodes come to: worked out once for everybody who tells of it.

use std::collections::BTreeMap;

use cluster::{Cluster, NodeId, Resources};
use provisioning::class::of_daemon_set;

/// What the pods of one node come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Load {
    /// Their requests; each counts as a pod.
    pub(super) requests: Resources,
    pub(super) limits: Resources,
    pub(super) daemon_requests: Resources,
    pub(super) daemon_limits: Resources,
    /// Pods that have an address of their own.
    pub(super) addressed: usize,
    /// Pods that need one and have none.
    pub(super) short: usize,
}

/// Of every node that has pods.
pub(super) fn loads(cluster: &Cluster) -> BTreeMap<NodeId, Load> {
    let mut loads: BTreeMap<NodeId, Load> = BTreeMap::new();
    for pod in cluster.pods.iter().filter(|pod| pod.holds_node()) {
        let Some(node) = pod.node else { continue };
        let load = loads.entry(node).or_default();
        let requests = &pod.template.requests;
        let mut limits = Resources::ZERO;
        pod.template.containers.iter().for_each(|container| limits.add(&container.limits));
        if of_daemon_set(cluster, pod) {
            load.daemon_requests.add(requests);
            load.daemon_limits.add(&limits);
        }
        load.requests.add(requests);
        load.limits.add(&limits);
        if pod.template.needs_address() {
            load.addressed += usize::from(pod.addressed);
            load.short += usize::from(!pod.addressed);
        }
    }
    loads
}
