//! Watching one kind: what is there first, then what changes, as messages.

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
