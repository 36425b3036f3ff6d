//! Events about pods, nodes and claims: said once, not again for a while, and not too many at a time.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/events/recorder.go`: what was said with a key is not said with it again before
//! its time is over, whatever the words; those that are limited share a bucket.

use std::collections::BTreeMap;

use cluster::{ClaimId, NodeId, PodId, Timestamp};
use serde_json::{Value, json};

use super::Call;
use crate::mirror::Mirror;
use crate::{Resource, wire};

/// How long an event is not said again if it says nothing else.
pub(super) const AGAIN_AFTER_MS: i64 = 2 * 60_000;
/// `Nominated`: so many at once, and so many a second.
const BURST: i64 = 10;
const PER_SECOND: i64 = 5;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// A pod.
    Pod(PodId),
    /// A node.
    Node(NodeId),
    /// A claim.
    Claim(ClaimId),
}

/// What is to be said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) about: About,
    /// `Warning` rather than `Normal`.
    pub(super) warns: bool,
    pub(super) reason: &'static str,
    pub(super) text: String,
    /// Said again after so long at the earliest; `None` for every time.
    pub(super) again_after_ms: Option<i64>,
    /// What tells it from others of the same reason about the same object.
    pub(super) apart: &'static str,
    /// Takes one from the bucket.
    pub(super) limited: bool,
}

impl Said {
    /// A usual event.
    pub(super) fn normal(about: About, reason: &'static str, text: impl Into<String>) -> Said {
        let again_after_ms = Some(AGAIN_AFTER_MS);
        Said { about, warns: false, reason, text: text.into(), again_after_ms, apart: "", limited: false }
    }

    /// A warning.
    pub(super) fn warning(about: About, reason: &'static str, text: impl Into<String>) -> Said {
        Said { warns: true, ..Said::normal(about, reason, text) }
    }
}

/// What was said, and until when it is not said again.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    said: BTreeMap<(&'static str, String, &'static str), Timestamp>,
    /// What is left in the bucket, in thousandths, and when that was.
    bucket: Option<(i64, Timestamp)>,
    /// Numbers the events, so that their names differ.
    count: u64,
    pub(super) memory: super::told::Memory,
}

impl Recorder {
    /// An event as a call; `None` when it was said just now, when there are too many, or when the object is gone.
    pub(super) fn say(&mut self, mirror: &Mirror, said: &Said) -> Option<Call> {
        let now = mirror.cluster().now;
        let object = object(mirror, said.about)?;
        if let Some(again_after_ms) = said.again_after_ms {
            let uid = object["uid"].as_str().unwrap_or_default().to_owned();
            let key = (said.reason, uid, said.apart);
            if self.said.get(&key).is_some_and(|until| now < *until) {
                return None;
            }
            self.said.retain(|_, until| now < *until);
            self.said.insert(key, now.after_ms(again_after_ms));
        }
        if said.limited && !self.take_one(now) {
            return None;
        }
        self.count += 1;
        let unix_ms = mirror.unix_ms(now);
        Some(Call::Create(Resource::Event, body(&object, said, unix_ms, self.count)))
    }

    fn take_one(&mut self, now: Timestamp) -> bool {
        let (left, since) = self.bucket.unwrap_or((BURST * 1_000, now));
        let left = left.saturating_add(now.since_ms(since).saturating_mul(PER_SECOND)).min(BURST * 1_000);
        let takes = left >= 1_000;
        self.bucket = Some((if takes { left - 1_000 } else { left }, now));
        takes
    }
}

/// `involvedObject`.
fn object(mirror: &Mirror, about: About) -> Option<Value> {
    let cluster = mirror.cluster();
    match about {
        About::Pod(id) => {
            let (pod, uid) = (cluster.pod(id), mirror.pod_uid(id)?);
            Some(json!({
                "apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace.as_str(),
                "name": pod.name.as_str(), "uid": uid.as_str(),
            }))
        }
        About::Node(id) => {
            let name = &cluster.node(id).name;
            let facts = mirror.node_facts(name).filter(|facts| facts.id == id)?;
            Some(json!({
                "apiVersion": "v1", "kind": "Node", "name": name.as_str(), "uid": facts.uid.as_str(),
            }))
        }
        About::Claim(id) => {
            let name = &cluster.claim(id).name;
            let facts = mirror.claim_facts(name).filter(|facts| facts.id == id)?;
            Some(json!({
                "apiVersion": Resource::NodeClaim.api_version(), "kind": Resource::NodeClaim.kind(),
                "name": name.as_str(), "uid": facts.uid.as_str(),
            }))
        }
    }
}

/// Events about objects without a namespace are in `default`, as client-go has it.
fn body(object: &Value, said: &Said, unix_ms: i64, count: u64) -> Value {
    let text = |field: &str| object[field].as_str();
    let name = format!("{}.{unix_ms:x}{count:04x}", text("name").unwrap_or_default());
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": text("namespace").unwrap_or("default")},
        "involvedObject": object,
        "type": if said.warns { "Warning" } else { "Normal" },
        "reason": said.reason, "message": shortened(&said.text),
        "source": {"component": "karpenter"}, "reportingComponent": "karpenter",
        "firstTimestamp": wire::instant(unix_ms), "lastTimestamp": wire::instant(unix_ms), "count": 1,
    })
}

/// The API server takes messages of at most 1,024 bytes.
fn shortened(text: &str) -> &str {
    let end = (0..=text.len().min(1_024)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_at_once_and_five_a_second() {
        let mut recorder = Recorder::default();
        let mut taken = |at_ms| (0..20).filter(|_| recorder.take_one(Timestamp(at_ms))).count();
        assert_eq!((taken(0), taken(1_000), taken(1_100), taken(60_000)), (10, 5, 0, 10));
    }
}
