//! Pods as they come, move and go.

use std::sync::Arc;

use api::watched::{self, WatchedPod};
use cluster::change::DeletionCause;
use cluster::pod::Stage;
use cluster::rejection::Rejection;
use cluster::{Change, Kind, Location, Name, NodeId, ObjectKey, Pod, PodId, PodTemplate, Waiting};
use provisioning::class::of_daemon_set;
use serde_json::Value;

use super::Mirror;

/// What the mirror knows of a pod beside the model.
#[derive(Clone, Debug)]
pub(super) struct PodEntry {
    pub(super) id: PodId,
    pub(super) uid: Name,
    /// Kind and name of its controller.
    pub(super) owner: Option<(Name, Name)>,
    /// `apiVersion`, kind and name of its first owner.
    pub(super) first_owner: Option<(Name, Name, Name)>,
}

/// Different templates of one owner that are kept to be shared; more are rare (an owner rolls from one to the next).
const SHARED_TEMPLATES: usize = 8;

/// Pods that come and go within this time are one event.
const SAME_EVENT_MS: i64 = 10_000;

impl Mirror {
    pub(super) fn pod_there(&mut self, value: &Arc<Value>, changes: &mut Vec<Change>) {
        let pod = match watched::pod(value) {
            Ok(pod) => pod,
            Err(problems) => return self.note_unread("pod", &problems),
        };
        let key = (pod.namespace.clone(), pod.name.clone());
        let id = match self.pods.get(&key) {
            Some(known) if known.uid == pod.uid => known.id,
            Some(_) => {
                // A StatefulSet's pod under the name of the one before.
                self.pod_gone(&key, changes);
                self.add_pod(&pod, value, changes)
            }
            None => self.add_pod(&pod, value, changes),
        };
        self.update_pod(id, pod, changes);
    }

    pub(super) fn pod_gone(&mut self, key: &(Name, Name), changes: &mut Vec<Change>) {
        let Some(PodEntry { id, .. }) = self.pods.remove(key) else { return };
        let now = self.cluster.now;
        let pod = &mut self.cluster.pods[id.0 as usize];
        if pod.stage == Stage::Gone {
            return;
        }
        (pod.stage, pod.since) = (Stage::Gone, now);
        self.cluster.refusals.remove(&id);
        changes.push(Change::PodGone(id));
    }

    /// The path of a pod's first owner in the API, as Karpenter's metrics write it.
    pub(crate) fn owner_path(&self, pod: &Pod) -> Option<String> {
        let entry = self.pods.get(&(pod.namespace.clone(), pod.name.clone()))?;
        let (version, kind, name) = entry.first_owner.as_ref()?;
        let plural = format!("{}s", kind.to_lowercase());
        Some(format!("/apis/{version}/namespaces/{}/{plural}/{name}", pod.namespace))
    }

    fn add_pod(&mut self, pod: &WatchedPod, value: &Value, changes: &mut Vec<Change>) -> PodId {
        let id = PodId(u32::try_from(self.cluster.pods.len()).unwrap_or(u32::MAX));
        let first_owner = value.pointer("/metadata/ownerReferences/0").map(|owner| {
            let text = |field: &str| Name::from(owner.get(field).and_then(Value::as_str).unwrap_or_default());
            (text("apiVersion"), text("kind"), text("name"))
        });
        let entry = PodEntry { id, uid: pod.uid.clone(), owner: pod.owner.clone(), first_owner };
        let workload = self.workload_of(&pod.namespace, entry.owner.as_ref());
        let created = self.instant(pod.created_unix_ms);
        let template = self.shared_template(pod);
        if let Some((kind, name)) = entry.owner.as_ref().filter(|(kind, _)| kind == "DaemonSet") {
            let daemon = ObjectKey::new(Kind::from(kind.as_str()), pod.namespace.clone(), name.clone());
            self.daemon_came(daemon, pod.created_unix_ms, &template, changes);
        }
        self.cluster.pods.push(Pod {
            id,
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            workload,
            template,
            revision: 0,
            ordinal: 0,
            for_node: None,
            created,
            stage: Stage::Pending,
            since: created,
            node: None,
            nominated: None,
            addressed: pod.addressed,
            restarts: 0,
            deleted: None,
            waiting: None,
        });
        self.pods.insert((pod.namespace.clone(), pod.name.clone()), entry);
        changes.push(Change::PodCreated(id));
        id
    }

    /// The template without what is the pod's own, shared with others of its owner that have the same.
    fn shared_template(&mut self, pod: &WatchedPod) -> Arc<PodTemplate> {
        let mut template = pod.template.clone();
        template.node_name = None;
        let Some((kind, name)) = &pod.owner else { return Arc::new(template) };
        let owner = ObjectKey::new(Kind::from(kind.as_str()), pod.namespace.clone(), name.clone());
        template.location = Location::object(owner);
        for container in template.containers.iter_mut().chain(&mut template.init_containers) {
            container.location = template.location.clone();
        }
        let known = self.templates.entry((pod.namespace.clone(), name.clone())).or_default();
        if let Some(same) = known.iter().find(|same| ***same == template) {
            return Arc::clone(same);
        }
        let template = Arc::new(template);
        if known.len() >= SHARED_TEMPLATES {
            known.remove(0);
        }
        known.push(Arc::clone(&template));
        template
    }

    fn update_pod(&mut self, id: PodId, seen: WatchedPod, changes: &mut Vec<Change>) {
        let known = &self.cluster.pod(id).template;
        let new = &seen.template;
        if (&known.labels, &known.annotations, &known.requests)
            != (&new.labels, &new.annotations, &new.requests)
        {
            let template = self.shared_template(&seen);
            self.cluster.pods[id.0 as usize].template = template;
            changes.push(Change::PodUpdated(id));
        }
        self.bind(id, seen.node.as_ref(), changes);
        let now = self.cluster.now;
        let deleted = seen.deleted_unix_ms.map(|at| self.instant(at));
        let nominated = seen.nominated.as_ref().and_then(|node| self.nodes.get(node)).map(|node| node.id);
        let pod = &mut self.cluster.pods[id.0 as usize];
        let was_over = pod.is_over();
        if pod.node.is_none() && seen.node.is_none() && pod.nominated != nominated {
            pod.nominated = nominated;
            changes.push(match nominated {
                Some(node) => Change::PodNominated(id, node),
                None => Change::NominationCleared(id),
            });
        }
        pod.addressed = seen.addressed;
        let waiting = seen.unschedulable.filter(|_| seen.node.is_none()).map(unschedulable);
        let waits = pod.waiting.as_ref().map(|(_, waiting)| waiting);
        if waits != waiting.as_ref() {
            pod.waiting = waiting.clone().map(|waiting| (now, waiting));
            changes.extend(waiting.map(|waiting| Change::PodWaits(id, Box::new(waiting))));
        }
        if pod.stage != seen.stage && !(seen.stage == Stage::Pending && pod.node.is_some()) {
            (pod.stage, pod.since) = (seen.stage, now);
            if !matches!(seen.stage, Stage::Pending | Stage::Bound) {
                changes.push(Change::PodStage(id, seen.stage));
            }
        }
        let goes = pod.deleted.is_none() && deleted.is_some();
        if goes {
            pod.deleted = deleted;
            changes.push(Change::PodDeleting { pod: id, why: DeletionCause::Owner });
        }
        if goes || pod.is_over() && !was_over {
            self.touch_claim_of(id);
        }
    }

    fn bind(&mut self, id: PodId, node: Option<&Name>, changes: &mut Vec<Change>) {
        let Some(name) = node else { return };
        if self.cluster.pod(id).node.is_some() {
            return;
        }
        match self.nodes.get(name).map(|node| node.id) {
            Some(node) => self.bind_to(id, node, changes),
            None => {
                let waiting = self.homeless.entry(name.clone()).or_default();
                if !waiting.contains(&id) {
                    waiting.push(id);
                }
            }
        }
    }

    pub(super) fn bind_to(&mut self, id: PodId, node: NodeId, changes: &mut Vec<Change>) {
        let now = self.cluster.now;
        let pod = &mut self.cluster.pods[id.0 as usize];
        if pod.is_over() || pod.node.is_some() {
            return;
        }
        (pod.node, pod.nominated, pod.waiting) = (Some(node), None, None);
        if pod.stage == Stage::Pending {
            (pod.stage, pod.since) = (Stage::Bound, now);
        }
        self.cluster.refusals.remove(&id);
        changes.push(Change::PodBound(id, node));
        self.touch_claim_of(id);
    }

    /// A node gained a pod, or one is going or over: `consolidateAfter` counts from now. What follows within ten
    /// seconds does not count (`pkg/controllers/nodeclaim/podevents`); nor do daemons.
    fn touch_claim_of(&mut self, pod: PodId) {
        let pod = self.cluster.pod(pod);
        let claim = pod.node.and_then(|node| self.cluster.node(node).claim);
        let Some(claim) = claim.filter(|_| !of_daemon_set(&self.cluster, pod)) else { return };
        let now = self.cluster.now;
        let claim = &mut self.cluster.claims[claim.0 as usize];
        if claim.last_pod_event <= claim.created || now.since_ms(claim.last_pod_event) >= SAME_EVENT_MS {
            claim.last_pod_event = now;
        }
    }
}

/// What the scheduler said; its numbers are in its words.
fn unschedulable(message: Name) -> Waiting {
    let message = message.to_string();
    Waiting::Unschedulable(Box::new(Rejection {
        nodes: 0,
        reasons: Vec::new(),
        preemption: Vec::new(),
        message,
    }))
}
