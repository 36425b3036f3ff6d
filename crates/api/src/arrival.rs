//! When an object arrives: sync waves, Helm hooks, Argo CD hooks, and what is there already.
//!
//! Helm: `helm/helm` v3.18 `pkg/release/hook.go`. Argo CD: `argoproj/gitops-engine` v0.7
//! `pkg/sync/{hook,syncwaves}` (Helm's hook annotations are understood by Argo CD as well).

use cluster::FieldPath;
use cluster::arrival::{Arrival, Hook, HookPhase};
use serde_json::Value;

use crate::code;
use crate::object::Object;
use crate::problem::Reporter;

/// `metadata.annotations` keys.
const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
const ARGO_HOOK: &str = "argocd.argoproj.io/hook";
const ARGO_DELETE: &str = "argocd.argoproj.io/hook-delete-policy";
const HELM_HOOK: &str = "helm.sh/hook";
const HELM_WEIGHT: &str = "helm.sh/hook-weight";
const HELM_DELETE: &str = "helm.sh/hook-delete-policy";

/// When the object arrives; `None`: not at all at an installation.
pub(crate) fn arrival(object: &Object, reporter: &mut Reporter<'_>) -> Option<Arrival> {
    let hook = match hook(object, reporter) {
        Presence::Never => return None,
        Presence::Ordinary => None,
        Presence::Hook(hook) => Some(hook),
    };
    Some(Arrival {
        existing: object.live,
        addon: object.addon,
        wave: number(object, SYNC_WAVE, reporter),
        hook: hook.filter(|_| !object.live),
        index: object.index,
    })
}

enum Presence {
    Ordinary,
    Never,
    Hook(Hook),
}

fn hook(object: &Object, reporter: &mut Reporter<'_>) -> Presence {
    let (events, delete) = match (object.annotations.get(ARGO_HOOK), object.annotations.get(HELM_HOOK)) {
        (Some(events), _) => (events, ARGO_DELETE),
        (None, Some(events)) => (events, HELM_DELETE),
        (None, None) => return Presence::Ordinary,
    };
    let phases: Vec<Option<Option<HookPhase>>> = events.split(',').map(|event| phase(event.trim())).collect();
    for (event, _) in events.split(',').zip(&phases).filter(|(_, phase)| phase.is_none()) {
        let path = FieldPath::root().child("metadata").child("annotations").child(HELM_HOOK);
        reporter.warning(
            &path,
            code::BAD_VALUE,
            format!("{:?} is not a hook: the object is never applied", event.trim()),
            "",
        );
    }
    let weight = number(object, HELM_WEIGHT, reporter);
    let delete_on_success = object.annotations.get(delete).is_some_and(|policy| {
        policy.split(',').any(|policy| matches!(policy.trim(), "hook-succeeded" | "HookSucceeded"))
    });
    if object.annotations.contains_key(ARGO_HOOK) && events.split(',').any(|event| event.trim() == "Sync") {
        return Presence::Ordinary;
    }
    match phases.into_iter().flatten().flatten().next() {
        Some(phase) => Presence::Hook(Hook { phase, weight, delete_on_success }),
        None => Presence::Never,
    }
}

/// The phase of a hook event at an installation: `Some(None)` for events that are no installation, `None` for what
/// is no event.
fn phase(event: &str) -> Option<Option<HookPhase>> {
    Some(match event {
        "crd-install" | "pre-install" | "PreSync" => Some(HookPhase::Before),
        "post-install" | "PostSync" => Some(HookPhase::After),
        "Sync" | "Skip" | "SyncFail" | "PostDelete" | "PreDelete" => None,
        "pre-upgrade" | "post-upgrade" | "pre-delete" | "post-delete" | "pre-rollback" | "post-rollback"
        | "test" | "test-success" | "test-failure" => None,
        _ => return None,
    })
}

fn number(object: &Object, annotation: &str, reporter: &mut Reporter<'_>) -> i32 {
    let Some(text) = object.annotations.get(annotation) else { return 0 };
    text.trim().parse().unwrap_or_else(|_| {
        let path = FieldPath::of("/metadata/annotations").child(annotation);
        let message = format!("{annotation}: {text:?} is not a whole number; 0 is taken");
        reporter.warning(&path, code::BAD_VALUE, message, "write a whole number in quotes, such as \"5\"");
        0
    })
}

/// Whether a controller of a live cluster has been at the object: it has a uid, or a status with substance.
pub(crate) fn is_live(value: &Value) -> bool {
    let uid = value.pointer("/metadata/uid").and_then(Value::as_str).is_some_and(|uid| !uid.is_empty());
    let status = value.get("status").and_then(Value::as_object);
    uid || status.is_some_and(|status| status.iter().any(|(field, value)| has_substance(field, value)))
}

/// Rendered manifests carry empty statuses (`loadBalancer: {}`, `conditions: []`, `replicas: 0`).
fn has_substance(field: &str, value: &Value) -> bool {
    match (field, value) {
        ("phase" | "observedGeneration" | "hostIP" | "podIP", value) => !value.is_null(),
        ("conditions", Value::Array(conditions)) => !conditions.is_empty(),
        ("capacity" | "allocatable" | "nodeInfo", Value::Object(fields)) => !fields.is_empty(),
        ("currentNumberScheduled" | "readyReplicas" | "active" | "succeeded", Value::Number(number)) => {
            number.as_i64() != Some(0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rendered_manifests_are_not_live() {
        assert!(!is_live(&json!({"status": {"loadBalancer": {}}})));
        assert!(!is_live(
            &json!({"status": {"conditions": [], "storedVersions": []}, "metadata": {"name": "a"}})
        ));
        assert!(is_live(&json!({"status": {"phase": "Running"}})));
        assert!(is_live(&json!({"metadata": {"uid": "1"}})));
    }

    #[test]
    fn only_installation_hooks_arrive() {
        assert_eq!(phase("pre-install"), Some(Some(HookPhase::Before)));
        assert_eq!(phase("post-upgrade"), Some(None));
        assert_eq!(phase("test"), Some(None));
        assert_eq!(phase("post-instal"), None);
    }
}
