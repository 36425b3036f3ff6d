//! Events about pods: the same words about the same pod are not said again for a while.

use std::collections::BTreeMap;

use cluster::{PodId, Timestamp};
use serde_json::{Value, json};

use super::Call;
use crate::mirror::Mirror;
use crate::{Resource, wire};

/// `pkg/controllers/provisioning/scheduling/events.go`: `FailedScheduling` is said once in five minutes.
const AGAIN_AFTER_MS: i64 = 5 * 60_000;

/// What was said about which pod, and when.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    said: BTreeMap<(PodId, &'static str), (String, Timestamp)>,
    /// Numbers the events, so that their names differ.
    count: u64,
}

impl Recorder {
    /// An event about a pod, unless it was said just now. `None` for a pod that is gone.
    pub(super) fn about_pod(
        &mut self,
        mirror: &Mirror,
        id: PodId,
        kind: &str,
        reason: &'static str,
        text: &str,
    ) -> Option<Call> {
        let now = mirror.cluster().now;
        let uid = mirror.pod_uid(id)?;
        let again = self
            .said
            .get(&(id, reason))
            .is_none_or(|(known, at)| known != text || now.since_ms(*at) >= AGAIN_AFTER_MS);
        if !again {
            return None;
        }
        self.said.retain(|(pod, _), (_, at)| *pod != id && now.since_ms(*at) < AGAIN_AFTER_MS);
        self.said.insert((id, reason), (text.to_owned(), now));
        self.count += 1;
        let pod = mirror.cluster().pod(id);
        let unix_ms = mirror.unix_ms(now);
        let name = format!("{}.{unix_ms:x}{:04x}", pod.name, self.count);
        Some(Call::Create(Resource::Event, body(&name, pod, uid, (kind, reason, text), unix_ms)))
    }
}

fn body(name: &str, pod: &cluster::Pod, uid: &str, said: (&str, &str, &str), unix_ms: i64) -> Value {
    let (kind, reason, text) = said;
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": pod.namespace.as_str()},
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace.as_str(),
            "name": pod.name.as_str(), "uid": uid,
        },
        "type": kind, "reason": reason, "message": shortened(text),
        "source": {"component": "karpenter"}, "reportingComponent": "karpenter",
        "firstTimestamp": wire::instant(unix_ms), "lastTimestamp": wire::instant(unix_ms), "count": 1,
    })
}

/// The API server takes messages of at most 1,024 bytes.
fn shortened(text: &str) -> &str {
    let end = (0..=text.len().min(1_024)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}
