//! Nodes come for pods and go without them: the shortest way through a node autoscaler, as people try it first.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::Client;
use kube::api::DynamicObject;
use serde_json::json;

use super::Notes;
use crate::api::{self, Kind};
use crate::cluster;
use crate::karpenter::{self, FINALIZER, NODE_CLAIM, NODE_CLASS, NODE_POOL, POOL_LABEL};
use crate::stage::Stage;
use crate::wait::{Seen, Watch, until};

/// Batch window, launch and registration take seconds; draining nodes one by one takes tens of them.
const PATIENCE: Duration = Duration::from_secs(180);
const POD: Kind<'_> = Kind { api_version: "v1", kind: "Pod", namespace: Some("default") };
const NODE: Kind<'_> = Kind { api_version: "v1", kind: "Node", namespace: None };
const DEPLOYMENT: Kind<'_> = Kind { api_version: "apps/v1", kind: "Deployment", namespace: Some("default") };
const NAME: &str = "scale";
const PODS: u32 = 20;

/// 20 pods of 1 CPU and 1 GiB, then none.
pub async fn up_and_down(stage: &mut Stage) -> Result<Notes> {
    let client = stage.client().await?;
    api::create(&client, &karpenter::node_class(NAME)).await?;
    api::create(&client, &karpenter::node_pool(NAME, NAME, ("instance-cpu", 9), "0s")).await?;
    let watch = Watch::start();
    api::create(&client, &cluster::deployment(NAME, PODS, "1", "1Gi")).await?;
    all_run(&client).await?;
    let up = watch.elapsed();
    let claims = all_initialized(&client).await?;
    let nodes = nodes(&client).await?;
    ensure!(nodes.len() == claims.len(), "{} nodes for {} claims", nodes.len(), claims.len());
    for object in claims.iter().chain(&nodes) {
        let finalizers = object.metadata.finalizers.clone().unwrap_or_default();
        ensure!(finalizers.iter().any(|f| f == FINALIZER), "{} has {finalizers:?}", api::name(object));
    }
    let mut types: Vec<&str> = nodes.iter().filter_map(instance_type).collect();
    types.sort_unstable();

    let watch = Watch::start();
    api::merge(&client, DEPLOYMENT, NAME, &json!({ "spec": { "replicas": 0 } })).await?;
    none_left(&client).await?;
    let down = watch.elapsed();
    api::delete(&client, DEPLOYMENT, NAME).await?;
    api::delete(&client, NODE_POOL, NAME).await?;
    api::delete(&client, NODE_CLASS, NAME).await?;
    gone(&client).await?;
    Ok(vec![
        format!("{PODS} pods ran after {:.1} s on {}: {}", up.as_secs_f64(), claims.len(), types.join(", ")),
        format!("no node, no claim {:.1} s after the last pod was wanted", down.as_secs_f64()),
    ])
}

async fn all_run(client: &Client) -> Result<()> {
    let run = async || {
        let pods = api::list(client, POD, &format!("app={NAME}")).await?;
        let running = pods.iter().filter(|pod| pod.data["status"]["phase"] == "Running").count();
        Ok(Seen::when(running == PODS as usize, || format!("{running} of {} pods run", pods.len())))
    };
    until("all pods to run", PATIENCE, run).await
}

async fn all_initialized(client: &Client) -> Result<Vec<DynamicObject>> {
    let initialized = async || {
        let claims = api::list(client, NODE_CLAIM, "").await?;
        let lags = |claim: &&DynamicObject| {
            !["Launched", "Registered", "Initialized"].iter().all(|kind| api::holds(claim, kind))
        };
        let lagging: Vec<&str> = claims.iter().filter(lags).map(api::name).collect();
        Ok(match claims.is_empty() || !lagging.is_empty() {
            true => Seen::NotYet(format!("{} claims, not yet {lagging:?}", claims.len())),
            false => Seen::Done(claims),
        })
    };
    until("every claim to be launched, registered and initialized", PATIENCE, initialized).await
}

/// The nodes of the pool.
async fn nodes(client: &Client) -> Result<Vec<DynamicObject>> {
    api::list(client, NODE, &format!("{POOL_LABEL}={NAME}")).await
}

async fn none_left(client: &Client) -> Result<()> {
    let left = async || {
        let (claims, nodes) = (api::list(client, NODE_CLAIM, "").await?.len(), nodes(client).await?.len());
        Ok(Seen::when(claims + nodes == 0, || format!("{claims} claims and {nodes} nodes are left")))
    };
    until("every node and claim to go", PATIENCE, left).await
}

/// Nothing holds the pool and its class back.
async fn gone(client: &Client) -> Result<()> {
    let (pools, classes) = (NODE_POOL.api(client), NODE_CLASS.api(client));
    let gone = async || {
        let held = [pools.get_opt(NAME).await?, classes.get_opt(NAME).await?];
        let finalizers: Vec<_> =
            held.iter().flatten().map(|object| object.metadata.finalizers.clone()).collect();
        Ok(Seen::when(finalizers.is_empty(), || format!("held by {finalizers:?}")))
    };
    until("the pool and its class to go", PATIENCE, gone).await
}

fn instance_type(node: &DynamicObject) -> Option<&str> {
    node.metadata.labels.as_ref()?.get("node.kubernetes.io/instance-type").map(String::as_str)
}
