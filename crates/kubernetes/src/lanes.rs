//! Performing calls: several lanes side by side, each in order.
//!
//! Everything about one claim and its node goes through one lane, so that a later call never overtakes an earlier one.

use std::sync::{Arc, Mutex, PoisonError};

use kube::api::{
    Api, DeleteParams, DynamicObject, EvictParams, Patch, PatchParams, PostParams, Preconditions,
};
use tokio::sync::mpsc;

use crate::Resource;
use crate::calls::{self, Call};
use crate::edge::{Done, Failure, Work};
use crate::metrics::registry::Registry;
use crate::metrics::traffic;

/// Lanes side by side.
const LANES: u32 = 32;
/// Work that waits in one lane.
const QUEUE: usize = 4_096;

/// The lanes.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<mpsc::Sender<Work>>,
    traffic: Traffic,
}

/// What was counted of calls so far.
type Traffic = Arc<Mutex<Registry>>;

/// What a lane works with.
#[derive(Clone)]
struct Line {
    client: kube::Client,
    traffic: Traffic,
    now: fn() -> i64,
}

impl Lanes {
    /// Opens them; `now` is the wall clock, milliseconds.
    pub fn open(client: &kube::Client, now: fn() -> i64, done: &mpsc::UnboundedSender<Done>) -> Lanes {
        let traffic = Traffic::default();
        let lanes = (0..LANES).map(|_| {
            let (send, receive) = mpsc::channel(QUEUE);
            let line = Line { client: client.clone(), traffic: Arc::clone(&traffic), now };
            tokio::spawn(lane(line, receive, done.clone()));
            send
        });
        Lanes { lanes: lanes.collect(), traffic }
    }

    /// What was counted of calls so far.
    pub fn traffic(&self) -> Registry {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Submits work to the lane of its key.
    pub async fn submit(&self, work: Work) {
        let lane = &self.lanes[(work.key % LANES) as usize];
        // A lane ends only with the program.
        let _ = lane.send(work).await;
    }
}

async fn lane(line: Line, mut work: mpsc::Receiver<Work>, done: mpsc::UnboundedSender<Done>) {
    while let Some(Work { effect, calls, tries, pause, .. }) = work.recv().await {
        let last = calls.len().saturating_sub(1);
        let mut result = Ok(());
        for (index, call) in calls.iter().enumerate() {
            if index == last && !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            result = line.perform(call).await;
            if result.is_err() {
                break;
            }
        }
        if done.send(Done { effect, tries, result }).is_err() {
            return;
        }
    }
}

impl Line {
    async fn perform(&self, call: &Call) -> Result<(), Failure> {
        let since = (self.now)();
        let outcome = call_out(&self.client, call).await;
        let code = match &outcome {
            Ok(()) => Some(if matches!(call, Call::Create(..) | Call::Evict { .. }) { 201 } else { 200 }),
            Err(kube::Error::Api(status)) => Some(status.code),
            Err(_) => None,
        };
        let ms = (self.now)().saturating_sub(since);
        {
            let mut registry = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
            traffic::count(&mut registry, call, code, ms);
        }
        outcome.or_else(|error| judge(call, &error))
    }
}

async fn call_out(client: &kube::Client, call: &Call) -> kube::Result<()> {
    match call {
        Call::Create(resource, body) => {
            let namespace = body.pointer("/metadata/namespace").and_then(serde_json::Value::as_str);
            let object: DynamicObject =
                serde_json::from_value(body.clone()).map_err(kube::Error::SerdeError)?;
            let api = api(client, *resource, namespace.unwrap_or_default());
            api.create(&PostParams::default(), &object).await.map(drop)
        }
        Call::Patch { resource, namespace, name, status, body } => {
            let (api, parameters) = (api(client, *resource, namespace), PatchParams::default());
            let patch = Patch::Merge(body);
            if *status {
                api.patch_status(name, &parameters, &patch).await.map(drop)
            } else {
                api.patch(name, &parameters, &patch).await.map(drop)
            }
        }
        Call::Delete { resource, namespace, name, uid } => {
            let api = api(client, *resource, namespace);
            api.delete(name, &only(uid.clone())).await.map(drop)
        }
        Call::Evict { namespace, name, uid } => {
            let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client.clone(), namespace);
            let parameters =
                EvictParams { delete_options: Some(only(Some(uid.clone()))), ..EvictParams::default() };
            api.evict(name, &parameters).await.map(drop)
        }
    }
}

fn only(uid: Option<String>) -> DeleteParams {
    let preconditions = uid.map(|uid| Preconditions { uid: Some(uid), ..Preconditions::default() });
    DeleteParams { preconditions, ..DeleteParams::default() }
}

fn api(client: &kube::Client, resource: Resource, namespace: &str) -> Api<DynamicObject> {
    if resource.is_namespaced() {
        Api::namespaced_with(client.clone(), namespace, &resource.api())
    } else {
        Api::all_with(client.clone(), &resource.api())
    }
}

fn judge(call: &Call, error: &kube::Error) -> Result<(), Failure> {
    let text = error.to_string();
    match error {
        kube::Error::Api(status) => calls::judge(call, status.code, &status.reason, text),
        // Ours is not an object: another try would not be one either.
        kube::Error::SerdeError(_) => Err(Failure::Final(text)),
        _ => Err(Failure::Passing(text)),
    }
}
