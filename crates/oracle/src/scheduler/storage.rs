//! Volumes: classes, claims, volumes, drivers on nodes.

use serde_json::Value;

use super::generate::Mood;
use crate::rng::Rng;

/// Storage classes, volumes, claims and CSINodes of a cluster.
pub(crate) fn objects(_rng: &mut Rng, _mood: &Mood) -> Vec<Value> {
    Vec::new()
}

/// `spec.volumes` of a pod in a namespace, if any.
pub(crate) fn volumes(_rng: &mut Rng, _mood: &Mood, _namespace: &str) -> Option<Value> {
    None
}
