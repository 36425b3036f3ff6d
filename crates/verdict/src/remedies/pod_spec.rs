//! Where a pod spec is edited: in the workload's manifest, or, for an add-on of the profile, in the add-on's entry.
//!
//! An add-on that the profile brings has no manifest that anyone could edit. Its entry takes a template of its own
//! (`pods.template`), or `tolerations` and `values` as its chart and the EKS add-on's configuration know them
//! (`api::addons`); a value there replaces the chart's, so what stays must be written again. What the entry cannot
//! express is not proposed.

use cluster::{Kind, Location, Workload};
use serde_json::{Value, json};
use sources::{Action, Edit};

use super::{Case, set};

/// An edit of a pod spec, and what a person has to do besides.
#[derive(Debug)]
pub(super) struct PodEdit {
    pub edit: Edit,
    pub operation: Option<String>,
}

impl Case<'_> {
    /// Changes one field of a workload's pod spec; `path` is `/dnsPolicy`, `/affinity/nodeAffinity`, … `None` where the
    /// input has no place for it.
    pub(super) fn in_pod_spec(&self, workload: &Workload, path: &str, action: Action) -> Option<PodEdit> {
        let template = &workload.template.location;
        if template.object.kind != Kind::Cluster {
            let Location { object, path } = template.at(&format!("/spec{path}"));
            return Some(PodEdit { edit: Edit { object, path, action }, operation: None });
        }
        let written = self.addon_entry(&workload.location)?;
        if let Some(template) = written.pointer("/pods/template") {
            let spec = if template.get("containers").is_some() { "" } else { "/spec" };
            let Location { object, path } = workload.location.at(&format!("/pods/template{spec}{path}"));
            return Some(PodEdit { edit: Edit { object, path, action }, operation: None });
        }
        self.in_addon(workload, written, path, action)
    }

    /// An add-on's entry as it is written; `None` for one that is only assumed.
    pub(super) fn addon_entry(&self, location: &Location) -> Option<&Value> {
        let profile = self.inputs.find(&location.object)?;
        profile.value.pointer(&location.path.0).filter(|written| written.is_object())
    }

    fn in_addon(&self, workload: &Workload, written: &Value, path: &str, action: Action) -> Option<PodEdit> {
        let name = written.get("name").and_then(Value::as_str)?;
        let (key, inner) =
            path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        let place = addon_place(workload, written, name, key);
        let current = written.pointer(&place).cloned().or_else(|| chart_value(workload, name, key));
        let value = changed(current.unwrap_or(Value::Null), inner, action)?;
        let key = place.trim_start_matches('/').replace('/', ".");
        let operation = format!(
            "set the same where add-on {name} is installed (here `{key}`): in its Helm values, or in the configuration values of the EKS add-on"
        );
        Some(PodEdit { edit: set(workload.location.at(&place), value), operation: Some(operation) })
    }
}

/// The field of an add-on's entry that becomes this key of a workload's pod spec.
fn addon_place(workload: &Workload, written: &Value, name: &str, key: &str) -> String {
    let is_deployment = workload.key.kind == Kind::Deployment;
    let blocks: &[&str] = match (name, is_deployment) {
        ("cilium", true) => &["/values/operator"],
        (_, true) => &["/values/controller", "/values/server", "/values"],
        (_, false) => &["/values/node", "/values/agent"],
    };
    let has = |block: &&&str| written.pointer(&format!("{block}/{key}")).is_some();
    if let Some(block) = blocks.iter().find(has) {
        return format!("{block}/{key}");
    }
    if key == "tolerations" && is_deployment {
        return "/tolerations".to_owned();
    }
    let block = if is_deployment { blocks.last() } else { blocks.first() };
    format!("{}/{key}", block.copied().unwrap_or("/values"))
}

/// What the add-on has without its entry's values.
fn chart_value(workload: &Workload, name: &str, key: &str) -> Option<Value> {
    let objects = api::addon(name)?.objects();
    let is_meant = |object: &&Value| {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        text("/kind") == Some(workload.key.kind.as_str())
            && text("/metadata/name") == Some(workload.key.name.as_str())
    };
    objects.iter().find(is_meant)?.pointer(&format!("/spec/template/spec/{key}")).cloned()
}

/// A value after an action on what is `inner` in it; `None` when there is nothing to act on.
fn changed(mut value: Value, inner: &str, action: Action) -> Option<Value> {
    let inner = inner.replace("~1", "/").replace("~0", "~");
    match (action, inner.is_empty()) {
        (Action::Set(new), true) => Some(new),
        (Action::Set(new), false) => {
            if value.is_null() {
                value = json!({});
            }
            value.as_object_mut()?.insert(inner, new);
            Some(value)
        }
        (Action::Append(new), true) => {
            if value.is_null() {
                value = json!([]);
            }
            value.as_array_mut()?.push(new);
            Some(value)
        }
        // The chart's own value comes back when nothing is written: what is empty takes it away.
        (Action::Remove, true) => Some(if value.is_array() { json!([]) } else { json!({}) }),
        (Action::Remove, false) => {
            value.as_object_mut()?.shift_remove(&inner)?;
            Some(value)
        }
        (Action::Append(_), false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_entry_does_not_change_is_written_again() {
        let affinity = json!({"nodeAffinity": {"a": 1}, "podAntiAffinity": {"b": 2}});
        let without = changed(affinity, "nodeAffinity", Action::Remove);
        assert_eq!(without, Some(json!({"podAntiAffinity": {"b": 2}})));
        let list = changed(json!([{"key": "a"}]), "", Action::Append(json!({"key": "b"})));
        assert_eq!(list, Some(json!([{"key": "a"}, {"key": "b"}])));
        assert_eq!(changed(Value::Null, "nodeAffinity", Action::Remove), None, "nothing to remove");
        assert_eq!(changed(json!([1]), "", Action::Remove), Some(json!([])));
        assert_eq!(changed(Value::Null, "x", Action::Set(json!(1))), Some(json!({"x": 1})));
        let arch = changed(Value::Null, "kubernetes.io~1arch", Action::Set(json!("arm64")));
        assert_eq!(arch, Some(json!({"kubernetes.io/arch": "arm64"})));
    }
}
