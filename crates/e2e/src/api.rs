//! Objects of any kind by a client: created from JSON, listed, deleted, read. What they mean is not known here.

use anyhow::{Context as _, Result};
use kube::Client;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

/// A client with the credentials of a kubeconfig.
pub async fn client(kubeconfig: &std::path::Path) -> Result<Client> {
    let read = Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Which kind, in which namespace.
#[derive(Clone, Copy, Debug)]
pub struct Kind<'a> {
    /// Such as `karpenter.sh/v1`; `v1` for the core group.
    pub api_version: &'a str,
    /// Such as `NodePool`.
    pub kind: &'a str,
    /// `None` for what has no namespace.
    pub namespace: Option<&'a str>,
}

impl Kind<'_> {
    /// That of an object in JSON; what has no namespace written is taken to have none.
    pub fn of(object: &Value) -> Result<Kind<'_>> {
        Ok(Kind {
            api_version: object["apiVersion"].as_str().context("an object without apiVersion")?,
            kind: object["kind"].as_str().context("an object without kind")?,
            namespace: object["metadata"]["namespace"].as_str(),
        })
    }

    /// Calls for this kind.
    pub fn api(&self, client: &Client) -> Api<DynamicObject> {
        let (group, version) = self.api_version.split_once('/').unwrap_or(("", self.api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, self.kind));
        match self.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        }
    }
}

/// Creates an object.
pub async fn create(client: &Client, object: &Value) -> Result<DynamicObject> {
    let kind = Kind::of(object)?;
    let name = object["metadata"]["name"].as_str().unwrap_or("an object without a name");
    let typed: DynamicObject = serde_json::from_value(object.clone())?;
    let created = kind.api(client).create(&PostParams::default(), &typed).await;
    created.with_context(|| format!("create {} {name}", kind.kind))
}

/// Merges a change into an object.
pub async fn merge(client: &Client, kind: Kind<'_>, name: &str, change: &Value) -> Result<()> {
    let patched = kind.api(client).patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
    patched.map(|_| ()).with_context(|| format!("change {} {name}", kind.kind))
}

/// Deletes an object; one that is not there is deleted.
pub async fn delete(client: &Client, kind: Kind<'_>, name: &str) -> Result<()> {
    match kind.api(client).delete(name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(|_| ()).with_context(|| format!("delete {} {name}", kind.kind)),
    }
}

/// Every object of a kind that has these labels (`key=value`; empty for all).
pub async fn list(client: &Client, kind: Kind<'_>, labels: &str) -> Result<Vec<DynamicObject>> {
    let listed = kind.api(client).list(&ListParams::default().labels(labels)).await;
    Ok(listed.with_context(|| format!("list {}", kind.kind))?.items)
}

/// Its name.
pub fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

/// A condition of its status, as `(status, reason)`.
pub fn condition<'a>(object: &'a DynamicObject, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    Some((found["status"].as_str().unwrap_or_default(), found["reason"].as_str().unwrap_or_default()))
}

/// Whether a condition of its status is true.
pub fn holds(object: &DynamicObject, kind: &str) -> bool {
    condition(object, kind).is_some_and(|(status, _)| status == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_objects_kind_is_read_from_it() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}});
        let kind = Kind::of(&object).unwrap();
        assert_eq!((kind.api_version, kind.kind, kind.namespace), ("apps/v1", "Deployment", Some("b")));
        assert!(Kind::of(&json!({"kind": "Node"})).is_err());
    }

    #[test]
    fn conditions_are_found_by_type() {
        let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": {"conditions": [
            {"type": "Ready", "status": "True"}, {"type": "Idle", "status": "False", "reason": "Busy"},
        ]}});
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        assert_eq!(condition(&object, "Idle"), Some(("False", "Busy")));
        assert_eq!(condition(&object, "Other"), None);
        assert!(holds(&object, "Ready") && !holds(&object, "Idle") && !holds(&object, "Other"));
    }
}
