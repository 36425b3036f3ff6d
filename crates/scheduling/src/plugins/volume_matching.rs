//! Which volume that exists suits a claim that waits for its first consumer.
//!
//! Follows `k8s.io/component-helpers` v0.36 `storage/volume/pv_helpers.go` `FindMatchingVolume`. Of volumes of one size
//! the first is taken; upstream walks a map.

use cluster::storage::{Volume, VolumeClaim};
use cluster::{Cluster, Node};

use crate::placements::Placements;
use crate::plugins::volume_binding::usable;

/// Volumes that could be bound to a claim, wherever they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    /// Written for the claim, or chosen for it already: this one or none.
    own: Option<u32>,
    /// Free ones, the smallest first.
    free: Vec<u32>,
}

impl Candidates {
    /// The volumes that suit a claim.
    pub fn of(index: &Placements, cluster: &Cluster, claim: &VolumeClaim) -> Candidates {
        let mut candidates = Candidates::default();
        for (number, volume) in (0u32..).zip(&cluster.volumes) {
            let holder = holder(index, cluster, number, volume);
            let own = holder.as_ref() == Some(&(claim.namespace.as_str(), claim.name.as_str()));
            if volume.storage_class != claim.storage_class || holder.is_some() && !own || !fits(claim, volume)
            {
                continue;
            }
            if own {
                candidates.own = candidates.own.or(Some(number));
            } else if is_free(claim, volume) {
                candidates.free.push(number);
            }
        }
        candidates.free.sort_by_key(|number| cluster.volumes[*number as usize].traits.size_bytes);
        candidates
    }

    /// The one to bind on a node, among those that pass `free`.
    pub fn on(&self, cluster: &Cluster, node: &Node, free: impl Fn(u32) -> bool) -> Option<u32> {
        if let Some(own) = self.own.filter(|own| free(*own)) {
            return usable(cluster, own, node).then_some(own);
        }
        self.free.iter().copied().filter(|number| free(*number)).find(|number| usable(cluster, *number, node))
    }
}

/// Whose a volume is: namespace and name of a claim.
fn holder<'a>(
    index: &Placements,
    cluster: &'a Cluster,
    number: u32,
    volume: &'a Volume,
) -> Option<(&'a str, &'a str)> {
    let chosen = index.chosen_volumes.get(&number).and_then(|id| cluster.volume_claims.get(id.0 as usize));
    let bound = || cluster.volume_claims.iter().find(|claim| claim.volume == Some(number));
    let written = volume.claim_ref.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
    let of = |claim: &'a VolumeClaim| (claim.namespace.as_str(), claim.name.as_str());
    chosen.map(of).or(written).or_else(|| bound().map(of))
}

/// What must hold for every volume, written for the claim or not.
fn fits(claim: &VolumeClaim, volume: &Volume) -> bool {
    let (wanted, offered) = (&claim.wish.traits, &volume.traits);
    offered.size_bytes >= wanted.size_bytes
        && offered.block == wanted.block
        && offered.attributes_class == wanted.attributes_class
        && !volume.deleting
}

/// What must hold beside for a volume that is not written for the claim.
fn is_free(claim: &VolumeClaim, volume: &Volume) -> bool {
    let modes = &volume.traits.access_modes;
    !volume.reserved
        && claim.wish.selector.as_ref().is_none_or(|selector| selector.matches(&volume.labels))
        && claim.wish.traits.access_modes.iter().all(|mode| modes.contains(mode))
}

#[cfg(test)]
mod tests {
    use cluster::storage::{VolumeClaimId, VolumeTraits, VolumeWish};
    use cluster::{Labels, Name};

    use super::*;
    use crate::testing::{add_node, empty, zoned};

    fn volume(name: &str, size_bytes: i64) -> Volume {
        Volume {
            name: name.into(),
            location: None,
            driver: Name::default(),
            claim_ref: None,
            storage_class: Some("later".into()),
            node_affinity: vec![],
            labels: Labels::new(),
            attached: vec![],
            traits: VolumeTraits {
                size_bytes,
                access_modes: vec!["ReadWriteOnce".into()],
                ..VolumeTraits::default()
            },
            reserved: false,
            deleting: false,
        }
    }

    #[test]
    fn the_smallest_that_is_large_enough_and_right_in_every_way_is_taken() {
        let mut cluster = empty();
        let node = add_node(&mut cluster, zoned("a", "a"));
        let traits =
            VolumeTraits { size_bytes: 10, access_modes: vec!["ReadWriteOnce".into()], ..Default::default() };
        let claim = VolumeClaim {
            id: VolumeClaimId(0),
            namespace: "default".into(),
            name: "data".into(),
            location: cluster.nodes[0].location.clone(),
            storage_class: Some("later".into()),
            single_node: true,
            single_pod: false,
            selected_node: None,
            volume: None,
            wish: VolumeWish { traits, ..VolumeWish::default() },
        };
        let mut block = volume("block", 10);
        block.traits.block = true;
        let mut shared = volume("shared", 11);
        shared.traits.access_modes = vec!["ReadOnlyMany".into()];
        let released = Volume { reserved: true, ..volume("released", 12) };
        cluster.volumes =
            vec![volume("small", 9), block, shared, released, volume("large", 30), volume("right", 20)];
        cluster.volume_claims = vec![claim.clone()];
        let chosen = |cluster: &Cluster| {
            let index = Placements::new(cluster);
            Candidates::of(&index, cluster, &claim).on(cluster, cluster.node(node), |_| true)
        };
        assert_eq!(chosen(&cluster), Some(5));
        // A volume that is written for the claim is the only one, phase and modes or not.
        cluster.volumes[3].claim_ref = Some(("default".into(), "data".into()));
        assert_eq!(chosen(&cluster), Some(3));
        cluster.volumes[3].deleting = true;
        assert_eq!(chosen(&cluster), Some(5));
    }
}
