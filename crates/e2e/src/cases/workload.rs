//! A Deployment with a pool and a node class of its own, and what must become of them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use kube::Client;
use kube::api::DynamicObject;
use serde_json::json;

use crate::api::{self, Kind};
use crate::cluster;
use crate::karpenter::{self, FINALIZER, NODE_CLAIM, NODE_CLASS, NODE_POOL, POOL_LABEL};
use crate::wait::{Seen, until};

/// Batch window, launch and registration take seconds; draining nodes one by one takes tens of them, and so does taking
/// over a lease from one that was killed.
const PATIENCE: Duration = Duration::from_secs(180);
const POD: Kind<'_> = Kind { api_version: "v1", kind: "Pod", namespace: Some("default") };
const NODE: Kind<'_> = Kind { api_version: "v1", kind: "Node", namespace: None };
const DEPLOYMENT: Kind<'_> = Kind { api_version: "apps/v1", kind: "Deployment", namespace: Some("default") };

/// Pods of 1 CPU and 1 GiB, and nodes of at most 8 CPUs for them.
pub struct Workload {
    client: Client,
    name: &'static str,
    pods: u32,
}

impl Workload {
    /// Creates everything; the Deployment last.
    pub async fn create(client: Client, name: &'static str, pods: u32) -> Result<Workload> {
        api::create(&client, &karpenter::node_class(name)).await?;
        let mut pool = karpenter::node_pool(name, name, ("instance-cpu", 9), "0s");
        // All at once: the usual tenth is one node after the other here.
        pool["spec"]["disruption"]["budgets"] = json!([{ "nodes": "100%" }]);
        api::create(&client, &pool).await?;
        api::create(&client, &cluster::deployment(name, pods, "1", "1Gi")).await?;
        Ok(Workload { client, name, pods })
    }

    /// Waits until every pod runs.
    pub async fn all_run(&self) -> Result<()> {
        let run = async || {
            let pods = api::list(&self.client, POD, &format!("app={}", self.name)).await?;
            let running = pods.iter().filter(|pod| pod.data["status"]["phase"] == "Running").count();
            Ok(Seen::when(running == self.pods as usize, || format!("{running} of {} pods run", pods.len())))
        };
        until("all pods to run", PATIENCE, run).await
    }

    /// Waits until every claim is what it should be; the claims.
    pub async fn all_initialized(&self) -> Result<Vec<DynamicObject>> {
        let initialized = async || {
            let claims = self.claims().await?;
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

    /// Claims and nodes, once all pods run: each claim has one node, each node one claim and a pod, both their finalizer.
    pub async fn one_node_a_claim(&self) -> Result<(Vec<DynamicObject>, Vec<DynamicObject>)> {
        let claims = self.all_initialized().await?;
        let nodes = self.nodes().await?;
        let of_claims: BTreeSet<&str> =
            claims.iter().filter_map(|claim| claim.data["status"]["nodeName"].as_str()).collect();
        let there: BTreeSet<&str> = nodes.iter().map(api::name).collect();
        ensure!(
            of_claims == there && there.len() == claims.len(),
            "{of_claims:?} of claims, nodes {there:?}"
        );
        let pods = api::list(&self.client, POD, &format!("app={}", self.name)).await?;
        let used: BTreeSet<&str> =
            pods.iter().filter_map(|pod| pod.data["spec"]["nodeName"].as_str()).collect();
        ensure!(used == there, "pods on {used:?}, nodes {there:?}");
        for object in claims.iter().chain(&nodes) {
            let finalizers = object.metadata.finalizers.clone().unwrap_or_default();
            ensure!(finalizers.iter().any(|f| f == FINALIZER), "{} has {finalizers:?}", api::name(object));
        }
        Ok((claims, nodes))
    }

    /// No pod is wanted any more.
    pub async fn scale_to_none(&self) -> Result<()> {
        api::merge(&self.client, DEPLOYMENT, self.name, &json!({ "spec": { "replicas": 0 } })).await
    }

    /// Waits until there is at least one claim.
    pub async fn a_claim(&self) -> Result<()> {
        let some = async || Ok(Seen::when(!self.claims().await?.is_empty(), || "none".into()));
        until("a claim to be created", PATIENCE, some).await
    }

    /// Waits until at least one claim was asked to go.
    pub async fn a_claim_that_goes(&self) -> Result<()> {
        let goes = async || {
            let claims = self.claims().await?;
            let going = claims.iter().filter(|claim| claim.metadata.deletion_timestamp.is_some()).count();
            Ok(Seen::when(going > 0, || format!("{} claims, none goes", claims.len())))
        };
        until("a claim to be deleted", PATIENCE, goes).await
    }

    /// Waits until no node and no claim is left.
    pub async fn none_left(&self) -> Result<()> {
        let left = async || {
            let (claims, nodes) = (self.claims().await?.len(), self.nodes().await?.len());
            Ok(Seen::when(claims + nodes == 0, || format!("{claims} claims and {nodes} nodes are left")))
        };
        until("every node and claim to go", PATIENCE, left).await
    }

    /// Removes everything, and waits until nothing holds the pool and its class back.
    pub async fn remove(self) -> Result<()> {
        let Workload { client, name, .. } = self;
        api::delete(&client, DEPLOYMENT, name).await?;
        api::delete(&client, NODE_POOL, name).await?;
        api::delete(&client, NODE_CLASS, name).await?;
        let (pools, classes) = (NODE_POOL.api(&client), NODE_CLASS.api(&client));
        let gone = async || {
            let held = [pools.get_opt(name).await?, classes.get_opt(name).await?];
            let finalizers: Vec<_> =
                held.iter().flatten().map(|object| object.metadata.finalizers.clone()).collect();
            Ok(Seen::when(finalizers.is_empty(), || format!("held by {finalizers:?}")))
        };
        until("the pool and its class to go", PATIENCE, gone).await
    }

    async fn claims(&self) -> Result<Vec<DynamicObject>> {
        api::list(&self.client, NODE_CLAIM, "").await
    }

    /// The nodes of the pool.
    async fn nodes(&self) -> Result<Vec<DynamicObject>> {
        api::list(&self.client, NODE, &format!("{POOL_LABEL}={}", self.name)).await
    }
}
