//! What is reserved: nodes for pods that preempted, volumes and nodes for claims of pods that are not bound yet.

use std::collections::BTreeMap;

use cluster::{Cluster, NodeId, PodId};

use crate::attempt::ClaimChoice;
use crate::placements::Placements;

/// Nodes that are reserved for pods, from both sides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nominations {
    by_pod: BTreeMap<PodId, NodeId>,
    /// By node index, in id order.
    by_node: Vec<Vec<PodId>>,
}

impl Nominations {
    pub fn is_empty(&self) -> bool {
        self.by_pod.is_empty()
    }

    /// The pods for which a node is reserved.
    pub fn on(&self, node: NodeId) -> &[PodId] {
        self.by_node.get(node.0 as usize).map_or(&[], Vec::as_slice)
    }

    fn insert(&mut self, pod: PodId, node: NodeId) {
        let index = node.0 as usize;
        if self.by_node.len() <= index {
            self.by_node.resize(index + 1, Vec::new());
        }
        if let Err(place) = self.by_node[index].binary_search(&pod) {
            self.by_node[index].insert(place, pod);
        }
        self.by_pod.insert(pod, node);
    }

    fn remove(&mut self, pod: PodId) {
        let Some(node) = self.by_pod.remove(&pod) else { return };
        if let Some(pods) = self.by_node.get_mut(node.0 as usize) {
            pods.retain(|other| *other != pod);
        }
    }
}

impl Placements {
    /// Reserves a node for a pod, or gives the reservation up.
    pub fn set_nominated(&mut self, cluster: &Cluster, id: PodId, node: Option<NodeId>) {
        if self.nominated_to(id) == node {
            return;
        }
        self.version += 1;
        self.touch_nominated(id);
        self.nominations.remove(id);
        if let Some(node) = node {
            self.tenant(cluster, id);
            self.nominations.insert(id, node);
        }
        self.touch_nominated(id);
    }

    /// The node that is reserved for a pod.
    pub fn nominated_to(&self, id: PodId) -> Option<NodeId> {
        self.nominations.by_pod.get(&id).copied()
    }

    /// Who is kept a place on the pod's reserved node changes.
    pub(crate) fn touch_nominated(&mut self, id: PodId) {
        if let Some(node) = self.nominated_to(id) {
            self.touch(node.0 as usize);
        }
    }

    /// Remembers what an assumed pod's claims are to become, until the cluster shows it.
    pub fn reserve_claims(&mut self, node: NodeId, claims: &[ClaimChoice]) {
        for choice in claims {
            match choice {
                ClaimChoice::Provision(claim) => self.claim_nodes.insert(*claim, node).map(|_| ()),
                ClaimChoice::Bind(claim, volume) => self.chosen_volumes.insert(*volume, *claim).map(|_| ()),
            };
        }
    }

    /// Forgets what [`Placements::reserve_claims`] remembered.
    pub fn release_claims(&mut self, claims: &[ClaimChoice]) {
        for choice in claims {
            match choice {
                ClaimChoice::Provision(claim) => self.claim_nodes.remove(claim).map(|_| ()),
                ClaimChoice::Bind(_, volume) => self.chosen_volumes.remove(volume).map(|_| ()),
            };
        }
    }
}
