//! Watching one kind: what is there first, then what changes, as messages. Of a kind that the API server does not have
//! nothing is there, if a cluster may do without it; it is asked for again, with pauses.

use std::sync::Arc;

use cluster::Name;
use futures_util::StreamExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::mpsc;

use crate::Resource;
use crate::edge::Told;
use crate::mirror::Seen;

/// Watches all objects of a kind until nobody listens any more. A watch that breaks begins again, with pauses.
pub async fn watch(client: kube::Client, resource: Resource, tell: mpsc::Sender<Told>) {
    let api: Api<DynamicObject> = Api::all_with(client, &resource.api());
    let stream = watcher(api, watcher::Config::default()).default_backoff();
    let mut stream = std::pin::pin!(stream);
    let mut listed = Vec::new();
    while let Some(event) = stream.next().await {
        let told = match event {
            Ok(watcher::Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(watcher::Event::InitDone) => Told::Listed(resource, std::mem::take(&mut listed)),
            Ok(watcher::Event::InitApply(object)) => {
                listed.push(key(&object));
                match there(resource, object) {
                    Some(seen) => Told::Seen(seen),
                    None => continue,
                }
            }
            Ok(watcher::Event::Apply(object)) => match there(resource, object) {
                Some(seen) => Told::Seen(seen),
                None => continue,
            },
            Ok(watcher::Event::Delete(object)) => {
                let (namespace, name) = key(&object);
                Told::Seen(Seen::Gone(resource, namespace, name))
            }
            Err(error) if is_missing(resource, &error) => {
                tracing::debug!(kind = resource.kind(), "is not served; looked for again later");
                listed.clear();
                Told::Listed(resource, Vec::new())
            }
            Err(error) => {
                tracing::warn!(kind = resource.kind(), %error, "watch broke; it begins again");
                continue;
            }
        };
        if tell.send(told).await.is_err() {
            return;
        }
    }
}

/// Whether an error says that the API server does not have a kind that a cluster may do without.
fn is_missing(resource: Resource, error: &watcher::Error) -> bool {
    let watcher::Error::InitialListFailed(kube::Error::Api(status)) = error else { return false };
    resource.is_optional() && status.code == 404
}

fn key(object: &DynamicObject) -> (Name, Name) {
    let text = |text: Option<&str>| Name::from(text.unwrap_or_default());
    (text(object.metadata.namespace.as_deref()), text(object.metadata.name.as_deref()))
}

/// The object as JSON. Objects of a list come without their kind.
fn there(resource: Resource, mut object: DynamicObject) -> Option<Seen> {
    object.metadata.managed_fields = None;
    let mut value = serde_json::to_value(&object).ok()?;
    let fields = value.as_object_mut()?;
    fields.insert("apiVersion".to_owned(), resource.api_version().into());
    fields.insert("kind".to_owned(), resource.kind().into());
    Some(Seen::There(resource, Arc::new(value)))
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refused(code: u16) -> watcher::Error {
        let status = Status { code, ..Status::default() };
        watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn what_a_cluster_may_do_without_is_not_waited_for() {
        assert!(is_missing(Resource::CapacityBuffer, &refused(404)));
        assert!(!is_missing(Resource::CapacityBuffer, &refused(503)), "it may be there");
        assert!(!is_missing(Resource::NodeClaim, &refused(404)), "without claims their nodes would go");
    }
}
