//! Volume claims by name, and what a pod's volumes are called.

use std::collections::BTreeMap;

use cluster::storage::VolumeClaimId;
use cluster::template::PodVolume;
use cluster::{Cluster, Name, Pod};

/// Claims by namespace and name; catches up with what was created since.
#[derive(Clone, Debug, Default)]
pub struct ClaimNames {
    by_name: BTreeMap<(Name, Name), VolumeClaimId>,
    seen: usize,
}

impl ClaimNames {
    /// Learns the claims that were created since the last time.
    pub fn catch_up(&mut self, cluster: &Cluster) {
        for claim in cluster.volume_claims.get(self.seen..).unwrap_or(&[]) {
            self.by_name.insert((claim.namespace.clone(), claim.name.clone()), claim.id);
        }
        self.seen = cluster.volume_claims.len();
    }

    /// The claim with this name.
    pub fn get(&self, namespace: &Name, name: &Name) -> Option<VolumeClaimId> {
        self.by_name.get(&(namespace.clone(), name.clone())).copied()
    }
}

/// The name of the claim behind a volume of `pod`.
pub fn claim_name(pod: &Pod, volume: &PodVolume) -> Name {
    volume.claim_name(&pod.name)
}

/// The first volume of `pod` that is not attached to its node, by the claim's name.
pub fn first_unattached(cluster: &Cluster, claims: &ClaimNames, pod: &Pod) -> Option<Name> {
    let node = pod.node?;
    pod.template.volumes.iter().map(|volume| claim_name(pod, volume)).find(|name| {
        let volume = claims
            .get(&pod.namespace, name)
            .and_then(|id| cluster.volume_claims.get(id.0 as usize))
            .and_then(|claim| claim.volume)
            .and_then(|volume| cluster.volumes.get(volume as usize));
        !volume.is_some_and(|volume| volume.attached.contains(&node))
    })
}
