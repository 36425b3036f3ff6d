//! What became of launches: which pods a claim was made for, and why no node came of it. Reads the timeline only.

use std::collections::BTreeMap;

use cluster::change::ClaimOrNode;
use cluster::node_claim::{ClaimStage, LaunchFailure};
use cluster::rejection::PoolReason;
use cluster::{Change, ClaimId, PodId, Waiting};

use crate::scene::Scene;

/// What became of the launches of a run.
#[derive(Default)]
pub(crate) struct Launches {
    /// The last launch that EC2 refused, by pool, unless a later one was answered.
    failed: BTreeMap<usize, LaunchFailure>,
    /// The claim or node that a pod was last planned for.
    planned: BTreeMap<PodId, ClaimOrNode>,
}

impl Launches {
    pub(crate) fn of(scene: &Scene<'_>) -> Launches {
        let mut launches = Launches::default();
        let pool = |claim: ClaimId| scene.cluster.claim(claim).pool.map(|pool| pool as usize);
        for entry in &scene.timeline.entries {
            match &entry.change {
                Change::ClaimFailed(claim, why) => {
                    // Once refused for another reason, what was refused counts as out of capacity for a while.
                    let Some(pool) = pool(*claim) else { continue };
                    let known = launches.failed.entry(pool).or_insert_with(|| why.clone());
                    if *why != LaunchFailure::InsufficientCapacity {
                        known.clone_from(why);
                    }
                }
                Change::ClaimLaunched(claim, _) => {
                    pool(*claim).and_then(|pool| launches.failed.remove(&pool));
                }
                Change::PodExpected(pod, planned) => {
                    launches.planned.insert(*pod, *planned);
                }
                _ => {}
            }
        }
        launches
    }

    /// Unschedulable pods by the pool whose launch for them failed, with the pool's last failure.
    pub(crate) fn refused(&self, scene: &Scene<'_>) -> BTreeMap<(usize, LaunchFailure), Vec<PodId>> {
        let mut groups: BTreeMap<(usize, LaunchFailure), Vec<PodId>> = BTreeMap::new();
        for pod in unschedulable(scene) {
            for (pool, why) in &self.failed {
                if self.is_planned_for_pool(scene, pod, *pool) || lacks_offerings(scene, pod, *pool) {
                    groups.entry((*pool, why.clone())).or_default().push(pod);
                }
            }
        }
        groups
    }

    /// The failure of the first pool whose last launch was refused.
    pub(crate) fn any_failure(&self) -> Option<&LaunchFailure> {
        self.failed.values().next()
    }

    /// Whether the last launch of this pool was refused.
    pub(crate) fn failed_in(&self, pool: usize) -> bool {
        self.failed.contains_key(&pool)
    }

    /// Unschedulable pods that were last planned for this claim, or for its node.
    pub(crate) fn waiting_for(&self, scene: &Scene<'_>, claim: ClaimId) -> Vec<PodId> {
        let pods = unschedulable(scene);
        pods.filter(|pod| self.planned.get(pod).and_then(|at| claim_of(scene, *at)) == Some(claim)).collect()
    }

    /// Whether a node that is not ready for pods yet, or that never came, was planned for the pod.
    pub(crate) fn is_planned(&self, scene: &Scene<'_>, pod: PodId) -> bool {
        let claim = self.planned.get(&pod).and_then(|planned| claim_of(scene, *planned));
        claim.map(|claim| scene.cluster.claim(claim)).is_some_and(|claim| {
            let on_its_way =
                matches!(claim.stage, ClaimStage::Created | ClaimStage::Launched | ClaimStage::Registered);
            on_its_way || claim.node.is_none()
        })
    }

    fn is_planned_for_pool(&self, scene: &Scene<'_>, pod: PodId, pool: usize) -> bool {
        let claim = self.planned.get(&pod).and_then(|planned| claim_of(scene, *planned));
        claim.is_some_and(|claim| {
            let claim = scene.cluster.claim(claim);
            claim.pool.is_some_and(|own| own as usize == pool) && claim.launched.is_none()
        })
    }
}

fn claim_of(scene: &Scene<'_>, planned: ClaimOrNode) -> Option<ClaimId> {
    match planned {
        ClaimOrNode::Claim(claim) => Some(claim),
        ClaimOrNode::Node(node) => scene.cluster.node(node).claim,
    }
}

/// Wanted pods that kube-scheduler found no node for.
fn unschedulable<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = PodId> + 'a {
    let waits = |pod: &&cluster::Pod| matches!(pod.waiting, Some((_, Waiting::Unschedulable(_))));
    scene.cluster.live_pods().filter(|pod| pod.deleted.is_none()).filter(waits).map(|pod| pod.id)
}

/// After a refusal its offerings are not asked for again for some minutes: the pool then has none.
fn lacks_offerings(scene: &Scene<'_>, pod: PodId, pool: usize) -> bool {
    let name = &scene.cluster.declared.node_pools[pool].name;
    let answers = scene.cluster.refusals.get(&pod).map_or(&[][..], |refusal| &refusal.pools);
    answers.iter().any(|answer| answer.pool == *name && answer.reason == PoolReason::NoOffering)
}
