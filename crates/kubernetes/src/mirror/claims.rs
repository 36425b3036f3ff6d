//! NodeClaims as they come, advance and go, and which node is whose.

use std::sync::Arc;

use api::watched::{self, WatchedClaim};
use cluster::node_claim::{ClaimStage, DriftReason};
use cluster::{Change, ClaimId, Labels, Name, NodeClaim};
use serde_json::Value;

use super::Mirror;
use crate::calls::TERMINATE_BY;

/// What the mirror knows of a claim beside the model.
#[derive(Clone, Debug)]
pub(crate) struct ClaimFacts {
    pub(crate) id: ClaimId,
    pub(crate) uid: Name,
    pub(crate) provider_id: Name,
    pub(crate) annotations: Labels,
    pub(crate) value: Arc<Value>,
}

impl Mirror {
    pub(super) fn claim_there(&mut self, value: &Arc<Value>, changes: &mut Vec<Change>) {
        let seen = match watched::claim(value, &self.cluster.declared) {
            Ok(claim) => claim,
            Err(problems) => return self.note_unread("nodeclaim", &problems),
        };
        let name = seen.claim.name.clone();
        if self.claims.get(&name).is_some_and(|known| known.uid != seen.uid) {
            self.claim_gone(&name, changes);
        }
        let facts = |id| ClaimFacts {
            id,
            uid: seen.uid.clone(),
            provider_id: seen.provider_id.clone(),
            annotations: seen.annotations.clone(),
            value: Arc::clone(value),
        };
        let id = match self.claims.get(&name).map(|known| known.id) {
            Some(id) => id,
            None => self.add_claim(&seen, changes),
        };
        self.claims.insert(name, facts(id));
        self.update_claim(id, seen, changes);
    }

    pub(super) fn claim_gone(&mut self, name: &Name, changes: &mut Vec<Change>) {
        let Some(ClaimFacts { id, .. }) = self.claims.remove(name) else { return };
        self.cluster.claims[id.0 as usize].stage = ClaimStage::Gone;
        self.bury_claim(id);
        changes.push(Change::ClaimGone(id));
    }

    fn add_claim(&mut self, seen: &WatchedClaim, changes: &mut Vec<Change>) -> ClaimId {
        let id = ClaimId(u32::try_from(self.cluster.claims.len()).unwrap_or(u32::MAX));
        let created = self.instant(seen.created_unix_ms);
        let last_pod_event = seen.last_pod_event_unix_ms.map_or(created, |at| self.instant(at));
        self.cluster.claims.push(NodeClaim {
            id,
            created,
            last_pod_event,
            stage: ClaimStage::Created,
            launched: None,
            node: None,
            deleted: None,
            drifted: None,
            ..seen.claim.clone()
        });
        changes.push(Change::ClaimCreated(id));
        id
    }

    fn update_claim(&mut self, id: ClaimId, seen: WatchedClaim, changes: &mut Vec<Change>) {
        let now = self.cluster.now;
        let drifted = seen.claim.drifted.map(|_| self.why_drifted(&seen.claim.name));
        let deleted = seen.deleted_unix_ms.map(|at| self.instant(at));
        let terminate_by = seen.annotations.get(TERMINATE_BY).and_then(|at| watched::unix_ms(at));
        let terminate_by = terminate_by.map(|at| self.instant(at));
        let claim = &mut self.cluster.claims[id.0 as usize];
        let updated = claim.labels != seen.claim.labels
            || claim.template_hash != seen.claim.template_hash
            || claim.terminate_by != terminate_by;
        claim.labels = seen.claim.labels;
        claim.template_hash = seen.claim.template_hash;
        claim.terminate_by = terminate_by;
        if updated {
            changes.push(Change::ClaimUpdated(id));
        }
        let launched = seen.claim.launched;
        if claim.stage == ClaimStage::Created
            && let Some(launched) = launched
        {
            (claim.stage, claim.launched) = (ClaimStage::Launched, Some(launched.clone()));
            changes.push(Change::ClaimLaunched(id, Box::new(launched)));
        }
        self.tie_by_provider(&seen.provider_id);
        let claim = &mut self.cluster.claims[id.0 as usize];
        if claim.stage == ClaimStage::Launched && seen.registered {
            claim.stage = ClaimStage::Registered;
        }
        if claim.stage == ClaimStage::Registered && seen.initialized {
            claim.stage = ClaimStage::Initialized;
            changes.push(Change::ClaimInitialized(id));
        }
        // Somebody, or a call of ours that arrived late, wrote over what it had become.
        if claim.stage == ClaimStage::Initialized && !(seen.registered && seen.initialized) && !updated {
            changes.push(Change::ClaimUpdated(id));
        }
        if drifted != claim.drifted.map(|(_, why)| why) {
            claim.drifted = drifted.map(|why| (now, why));
            changes.push(Change::ClaimDrifted(id, drifted));
        }
        if claim.deleted.is_none()
            && let Some(deleted) = deleted
        {
            claim.deleted = Some((deleted, None));
            changes.push(Change::ClaimDeleting(id, None));
        }
    }

    /// The reason that the condition `Drifted` has: one that is worked out here again, or somebody else's.
    fn why_drifted(&self, claim: &Name) -> DriftReason {
        let conditions = self.claims.get(claim).and_then(|facts| facts.value.pointer("/status/conditions"));
        let mut conditions = conditions.and_then(Value::as_array).into_iter().flatten();
        let reason = conditions.find(|own| own["type"] == "Drifted").and_then(|own| own["reason"].as_str());
        match reason {
            Some("RequirementsDrifted") => DriftReason::RequirementsDrifted,
            Some("NodePoolDrifted") => DriftReason::NodePoolDrifted,
            _ => DriftReason::Condition,
        }
    }

    /// Ties the claim and the node of one instance to each other, once both are known.
    pub(super) fn tie_by_provider(&mut self, provider_id: &Name) {
        if provider_id.is_empty() {
            return;
        }
        let claim = self.claims.values().find(|facts| facts.provider_id == *provider_id);
        let node = self.nodes.values().find(|facts| facts.provider_id == *provider_id);
        let (Some(claim), Some(node)) = (claim.map(|facts| facts.id), node.map(|facts| facts.id)) else {
            return;
        };
        self.cluster.nodes[node.0 as usize].claim = Some(claim);
        let claim = &mut self.cluster.claims[claim.0 as usize];
        claim.node = Some(node);
        if claim.stage == ClaimStage::Launched {
            claim.stage = ClaimStage::Registered;
        }
    }
}
