//! Claims that would have been taken away, and those that were.

use std::collections::{BTreeMap, BTreeSet};

use cluster::node_claim::ClaimStage;
use cluster::node_pool::DisruptionReason;
use cluster::{ClaimId, Cluster, Timestamp};

/// What the leader has not taken away by then it does not want to.
const UNANSWERED_MS: i64 = 5 * 60_000;

/// Removals of all claims.
#[derive(Clone, Debug, Default)]
pub struct Removals {
    /// Claims that would have gone, since when and why; until the leader takes them away or has not for long.
    wanted: BTreeMap<ClaimId, (Timestamp, DisruptionReason)>,
    /// Claims that would go if they still could after fifteen seconds. The leader waits as long, and may be faster.
    proposed: BTreeMap<ClaimId, DisruptionReason>,
    /// Those that the leader has not taken away for long.
    alone: BTreeSet<ClaimId>,
    both: BTreeMap<DisruptionReason, usize>,
    ours: BTreeMap<DisruptionReason, usize>,
    theirs: usize,
}

impl Removals {
    /// Claims that plimsoll wanted to go for a reason and that went.
    pub fn both(&self, why: DisruptionReason) -> usize {
        self.both.get(&why).copied().unwrap_or_default()
    }

    /// Claims that plimsoll wanted to go and that did not within five minutes.
    pub fn only_wanted(&self, why: DisruptionReason) -> usize {
        self.ours.get(&why).copied().unwrap_or_default()
    }

    /// Claims that went and that plimsoll had not wanted to go (yet).
    pub fn only_done(&self) -> usize {
        self.theirs
    }

    /// What waits to be checked again; nothing else does.
    pub(super) fn propose(&mut self, proposed: BTreeMap<ClaimId, DisruptionReason>) {
        self.proposed = proposed;
    }

    /// Claims would go, and so many would replace them.
    pub(super) fn want(
        &mut self,
        cluster: &Cluster,
        claims: impl IntoIterator<Item = ClaimId>,
        why: DisruptionReason,
        replacements: usize,
    ) {
        for id in claims {
            let claim = cluster.claim(id);
            if claim.deleted.is_some() || self.alone.contains(&id) || self.wanted.contains_key(&id) {
                continue;
            }
            self.wanted.insert(id, (cluster.now, why));
            tracing::info!(
                "NodeClaim" = claim.name.as_str(),
                reason = why.as_str(),
                replacements,
                "would delete nodeclaim"
            );
        }
    }

    /// The leader, or somebody else, asks a claim to go.
    pub(super) fn done(&mut self, cluster: &Cluster, id: ClaimId, theirs: Option<DisruptionReason>) {
        let name = cluster.claim(id).name.as_str();
        let told = theirs.map_or("", DisruptionReason::as_str);
        let wanted = self.wanted.remove(&id).map(|(_, why)| why);
        if let Some(why) = wanted.or(self.proposed.remove(&id)) {
            *self.both.entry(why).or_default() += 1;
            let reason = why.as_str();
            tracing::info!("NodeClaim" = name, reason, leader_reason = told, "the leader deletes it too");
        } else if !self.alone.contains(&id) {
            self.theirs += 1;
            tracing::info!("NodeClaim" = name, leader_reason = told, "only the leader deletes it");
        }
    }

    /// Gives up on what the leader has not done for long.
    pub(super) fn settle(&mut self, cluster: &Cluster) {
        let late = |since: Timestamp| cluster.now.since_ms(since) >= UNANSWERED_MS;
        let given_up: Vec<(ClaimId, DisruptionReason)> = self
            .wanted
            .iter()
            .filter(|(_, (since, _))| late(*since))
            .map(|(id, (_, why))| (*id, *why))
            .collect();
        for (id, why) in given_up {
            self.wanted.remove(&id);
            self.alone.insert(id);
            *self.ours.entry(why).or_default() += 1;
            let name = cluster.claim(id).name.as_str();
            tracing::info!("NodeClaim" = name, reason = why.as_str(), "the leader has not deleted it");
        }
        self.alone.retain(|id| cluster.claim(*id).stage != ClaimStage::Gone);
    }
}
