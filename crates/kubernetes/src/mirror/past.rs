//! What is gone. A controller lives long and pods come and go all the time: their entries are used again, and those of
//! nodes and claims are emptied, once nobody speaks of them any more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cluster::{ClaimId, Name, NodeId, PodId, PodTemplate, Resources, Timestamp};

use super::Mirror;

/// Of something that has been gone for this long nobody speaks any more: effects are tried again for seconds, and plans
/// are made anew every ten.
const FORGOTTEN_MS: i64 = 10 * 60_000;

/// What is gone and still has an entry, oldest first.
#[derive(Debug, Default)]
pub(super) struct Past {
    pods: VecDeque<(Timestamp, PodId)>,
    nodes: VecDeque<(Timestamp, NodeId)>,
    claims: VecDeque<(Timestamp, ClaimId)>,
    /// When entries were last emptied.
    emptied: Timestamp,
    /// One template that all emptied entries of pods have.
    template: Option<Arc<PodTemplate>>,
}

impl Mirror {
    /// A pod is gone: its entry can be another's later.
    pub(super) fn bury_pod(&mut self, id: PodId) {
        self.past.pods.push_back((self.cluster.now, id));
        for waiting in self.homeless.values_mut() {
            waiting.retain(|own| *own != id);
        }
    }

    /// A node is gone.
    pub(super) fn bury_node(&mut self, id: NodeId) {
        self.past.nodes.push_back((self.cluster.now, id));
    }

    /// A claim is gone.
    pub(super) fn bury_claim(&mut self, id: ClaimId) {
        self.past.claims.push_back((self.cluster.now, id));
    }

    /// An entry that is nobody's.
    pub(super) fn free_entry(&mut self) -> Option<PodId> {
        let forgotten = forgotten(self.cluster.now);
        self.past.pods.pop_front_if(|(at, _)| forgotten(*at)).map(|(_, id)| id)
    }

    /// Empties the entries of what is forgotten, now and then.
    pub(super) fn forget(&mut self) {
        let now = self.cluster.now;
        if now.since_ms(self.past.emptied) < FORGOTTEN_MS {
            return;
        }
        self.past.emptied = now;
        let forgotten = forgotten(now);
        while let Some((_, id)) = self.past.nodes.pop_front_if(|(at, _)| forgotten(*at)) {
            let node = &mut self.cluster.nodes[id.0 as usize];
            (node.labels, node.annotations) = Default::default();
            (node.taints, node.images, node.volume_drivers) = Default::default();
            (node.capacity, node.allocatable) = (Resources::ZERO, Resources::ZERO);
        }
        while let Some((_, id)) = self.past.claims.pop_front_if(|(at, _)| forgotten(*at)) {
            let claim = &mut self.cluster.claims[id.0 as usize];
            (claim.labels, claim.taints, claim.startup_taints) = Default::default();
            (claim.options, claim.launched, claim.template_hash) = Default::default();
            claim.requests = Resources::ZERO;
        }
        // The entries of pods are few; what they asked for may be much.
        let Past { pods, template, .. } = &mut self.past;
        for (_, id) in pods.iter().filter(|(at, _)| forgotten(*at)) {
            let pod = &mut self.cluster.pods[id.0 as usize];
            pod.template = Arc::clone(template.get_or_insert_with(|| Arc::clone(&pod.template)));
            pod.waiting = None;
        }
        self.homeless.retain(|_, waiting| !waiting.is_empty());
        forget_templates(&mut self.templates);
    }
}

fn forgotten(now: Timestamp) -> impl Fn(Timestamp) -> bool {
    move |at| now.since_ms(at) >= FORGOTTEN_MS
}

/// Those that no pod has any more: every Job has an owner of its own.
fn forget_templates(templates: &mut BTreeMap<(Name, Name), Vec<Arc<PodTemplate>>>) {
    templates.retain(|_, all| {
        all.retain(|template| Arc::strong_count(template) > 1);
        !all.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Resource;
    use crate::mirror::Seen;

    fn there(resource: Resource, value: serde_json::Value) -> Seen {
        Seen::There(resource, Arc::new(value))
    }

    /// A Job's pod every ten seconds for a day, on nodes of which each lives an hour.
    #[test]
    fn a_day_of_jobs_leaves_nothing() {
        let mut mirror = Mirror::new(0);
        let mut most = 0;
        for index in 0..8_640_i64 {
            mirror.advance(index * 10_000);
            let (name, hour) = (format!("job-{index}"), index / 360);
            let node = |hour: i64| format!("node-{hour}");
            if index % 360 == 0 {
                let own = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node(hour), "uid": node(hour),
                    "labels": {"a": "b"}}});
                mirror.see(&there(Resource::Node, own));
                mirror.see(&Seen::Gone(Resource::Node, Name::default(), node(hour - 1).into()));
            }
            let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": name, "controller": true});
            mirror.see(&there(
                Resource::Pod,
                json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": "jobs", "uid": name, "ownerReferences": [owner]},
                "spec": {"nodeName": node(hour), "containers": [{"name": "c", "image": "i"}]}}),
            ));
            let gone = Name::from(format!("job-{}", index - 3));
            mirror.see(&Seen::Gone(Resource::Pod, "jobs".into(), gone));
            most = most.max(mirror.templates.len());
            let live: Vec<&str> = mirror.cluster.live_pods().map(|pod| pod.name.as_str()).collect();
            assert!(live.len() <= 3 && live.contains(&name.as_str()), "{live:?}");
        }
        assert!(mirror.cluster.pods.len() <= 64, "{} entries of pods", mirror.cluster.pods.len());
        assert!(most <= 130, "{most} templates");
        let labelled = mirror.cluster.nodes.iter().filter(|node| !node.labels.is_empty()).count();
        assert!(labelled <= 2, "{labelled} of {} nodes keep their labels", mirror.cluster.nodes.len());
    }
}
