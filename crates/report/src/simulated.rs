//! What `simulate` says besides the verdict: the nodes and what they cost, what each policy would buy, and why a pod
//! went where it went.
//!
//! Only counts what runs left behind; the tables are in [`crate::text`]. Prices are those of the catalog, or of the
//! profile where it states them.

use std::collections::BTreeMap;

use catalog::{Catalog, Prices};
use cluster::{Cluster, Node, NodeId, Resources};
use findings::Outcome;
use schemars::JsonSchema;
use serde::Serialize;
use verdict::{Provisioner, Trial, Why};

/// Hours of a month, as AWS counts them in its price lists.
pub const HOURS_A_MONTH: i64 = 730;

/// What `simulate` says besides the verdict.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Simulated {
    /// Whose decisions the provisioner made in the run that is told.
    #[schemars(with = "String", extend("enum" = ["karpenter", "plimsoll"]))]
    pub policy: &'static str,
    /// The region whose prices count.
    pub region: String,
    /// The day of the prices; those that the profile states have none.
    pub prices_date: &'static str,
    /// The nodes at the end of the run that is told.
    pub nodes: Vec<NodePrice>,
    /// What each policy comes to under the same assumption, the one that is told first. One entry when a policy was
    /// asked for; none when there is no NodePool.
    pub policies: Vec<Bought>,
    /// Why the pod in question went where it went; absent when none was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<WhyReport>,
}

/// A node and its price.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePrice {
    /// The node's name.
    pub node: String,
    /// The NodePool or node group that it belongs to; empty when neither is known.
    pub pool: String,
    /// Whether the provisioner bought it in this run.
    pub bought: bool,
    /// Its instance type; empty when unknown.
    pub instance_type: String,
    /// Its availability zone.
    pub zone: String,
    /// `on-demand`, `spot` or `reserved`.
    pub capacity_type: String,
    /// Pods on it, DaemonSets' among them.
    pub pods: usize,
    /// CPU that its pods request, in millicores.
    pub requested_cpu_millis: i64,
    /// CPU that pods can request, in millicores.
    pub allocatable_cpu_millis: i64,
    /// Memory that its pods request, in bytes.
    pub requested_memory_bytes: i64,
    /// Memory that pods can request, in bytes.
    pub allocatable_memory_bytes: i64,
    /// Its price in millionths of a US dollar an hour; absent when nobody knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_micro_usd: Option<i64>,
}

/// What a policy comes to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bought {
    /// Whose decisions the provisioner makes.
    #[schemars(with = "String", extend("enum" = ["karpenter", "plimsoll"]))]
    pub policy: &'static str,
    /// The outcome.
    #[schemars(with = "String", extend("enum" = ["converges", "deadlock", "starvation", "misconfiguration", "inconclusive"]))]
    pub outcome: Outcome,
    /// Pods wanted and not running.
    pub missing_pods: u32,
    /// Nodes that it has bought and that are there at the end.
    pub nodes: usize,
    /// How many of each type, in the order of their names.
    pub instance_types: BTreeMap<String, usize>,
    /// What they cost together, in millionths of a US dollar an hour.
    pub price_micro_usd: i64,
    /// Free addresses of the fullest subnet at its fullest; absent when the profile names no subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_free_addresses: Option<u32>,
    /// That subnet; absent likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fullest_subnet: Option<String>,
}

/// The last scheduling attempt of a pod.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhyReport {
    /// `namespace/name`.
    pub pod: String,
    /// When it was tried, in milliseconds of virtual time.
    pub at_ms: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// The node that it got; absent when it got none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// The message of its `FailedScheduling` event; absent when it got a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What kept it off every node before any was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub everywhere: Option<RefusalReport>,
    /// What each node said, in the order of their names.
    pub nodes: Vec<NodeAnswer>,
    /// Why each NodePool makes no node for it; empty when one does.
    pub pools: Vec<PoolAnswer>,
}

/// What a node said.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeAnswer {
    /// The node's name.
    pub node: String,
    /// Every filter that refused; empty when the pod fits.
    pub refusals: Vec<RefusalReport>,
    /// The sum of its scores; absent when it was not scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<i64>,
    /// Weighted scores by plugin.
    pub scores: BTreeMap<String, i64>,
}

/// A plugin that refused.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusalReport {
    /// The plugin.
    pub plugin: String,
    /// Why, in the scheduler's words.
    pub reasons: Vec<String>,
}

/// Why a pool makes no node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolAnswer {
    /// The pool.
    pub pool: String,
    /// Why.
    pub reason: String,
}

/// What the run that is told says, and the runs of other policies beside it.
pub fn of(told: (Provisioner, &Trial), others: &[(Provisioner, Trial)], catalog: &Catalog) -> Simulated {
    let (provisioner, trial) = told;
    let cluster = &trial.run.cluster;
    let profile = &cluster.declared.profile;
    let all = std::iter::once(told).chain(others.iter().map(|(who, trial)| (*who, trial)));
    let policies = all.map(|(who, trial)| bought(who, trial));
    Simulated {
        policy: policy_name(provisioner),
        region: profile.region.to_string(),
        prices_date: Catalog::EMBEDDED_PRICES_DATE,
        nodes: nodes(cluster, catalog),
        policies: if cluster.declared.node_pools.is_empty() { Vec::new() } else { policies.collect() },
        why: None,
    }
}

fn policy_name(provisioner: Provisioner) -> &'static str {
    match provisioner {
        Provisioner::Karpenter => "karpenter",
        Provisioner::Plimsoll => "plimsoll",
    }
}

fn nodes(cluster: &Cluster, catalog: &Catalog) -> Vec<NodePrice> {
    let mut on_node: BTreeMap<NodeId, (usize, Resources)> = BTreeMap::new();
    for pod in cluster.pods.iter().filter(|pod| pod.holds_node()) {
        let Some(node) = pod.node else { continue };
        let (pods, requests) = on_node.entry(node).or_default();
        *pods += 1;
        requests.add(&pod.template.requests);
    }
    let profile = &cluster.declared.profile;
    let prices = Prices::new(catalog, &profile.region, &profile.aws.prices);
    let of_node = |node: &Node| {
        let (pods, requests) = on_node.get(&node.id).cloned().unwrap_or_default();
        let capacity_type = capacity_type(node);
        let it = catalog.instance_type(&node.instance_type);
        let price = it.and_then(|it| prices.price(it, &node.zone, &capacity_type));
        NodePrice {
            node: node.name.to_string(),
            pool: pool_of(cluster, node),
            bought: node.claim.is_some(),
            instance_type: node.instance_type.to_string(),
            zone: node.zone.to_string(),
            capacity_type,
            pods,
            requested_cpu_millis: requests.cpu_millis,
            allocatable_cpu_millis: node.allocatable.cpu_millis,
            requested_memory_bytes: requests.memory_bytes,
            allocatable_memory_bytes: node.allocatable.memory_bytes,
            price_micro_usd: price.map(|price| price.micro_usd),
        }
    };
    cluster.live_nodes().map(of_node).collect()
}

fn capacity_type(node: &Node) -> String {
    let label = |key: &str| node.labels.get(key).map(|value| value.to_lowercase().replace('_', "-"));
    let known = label("karpenter.sh/capacity-type").or_else(|| label("eks.amazonaws.com/capacityType"));
    known.unwrap_or_else(|| "on-demand".to_owned())
}

fn pool_of(cluster: &Cluster, node: &Node) -> String {
    let claim = node.claim.and_then(|claim| cluster.claims.get(claim.0 as usize));
    let pool = claim.and_then(|claim| cluster.declared.pool_of(claim)).map(|pool| pool.name.to_string());
    let groups = &cluster.declared.profile.node_groups;
    let group =
        || node.group.and_then(|group| groups.get(group as usize)).map(|group| group.name.to_string());
    pool.or_else(group).unwrap_or_default()
}

fn bought(provisioner: Provisioner, trial: &Trial) -> Bought {
    let cluster = &trial.run.cluster;
    let mut instance_types: BTreeMap<String, usize> = BTreeMap::new();
    let (mut nodes, mut price) = (0, 0i64);
    for node in cluster.live_nodes() {
        let claim = node.claim.and_then(|claim| cluster.claims.get(claim.0 as usize));
        let Some(launched) = claim.and_then(|claim| claim.launched.as_ref()) else { continue };
        nodes += 1;
        price = price.saturating_add(launched.option.price_micro_usd);
        *instance_types.entry(launched.option.instance_type.to_string()).or_default() += 1;
    }
    let least = trial.run.peaks.subnet_free.iter().zip(&cluster.subnets).min_by_key(|(free, _)| **free);
    Bought {
        policy: policy_name(provisioner),
        outcome: trial.outcome,
        missing_pods: trial.missing(),
        nodes,
        instance_types,
        price_micro_usd: price,
        least_free_addresses: least.map(|(free, _)| *free),
        fullest_subnet: least.map(|(_, subnet)| subnet.name.to_string()),
    }
}

/// The answer about a pod, for a report.
pub fn why(why: &Why) -> WhyReport {
    let refusal = |refusal: &verdict::why::Refusal| RefusalReport {
        plugin: refusal.plugin.clone(),
        reasons: refusal.reasons.clone(),
    };
    let node = |node: &verdict::why::NodeWhy| NodeAnswer {
        node: node.node.to_string(),
        refusals: node.refusals.iter().map(refusal).collect(),
        score: node.total(),
        scores: node.scores.iter().map(|(plugin, score)| ((*plugin).to_owned(), *score)).collect(),
    };
    let pool = |(pool, reason): &(cluster::Name, String)| PoolAnswer {
        pool: pool.to_string(),
        reason: reason.clone(),
    };
    WhyReport {
        pod: why.pod.to_string(),
        at_ms: why.at.0,
        attempts: why.attempts,
        chosen: why.chosen.as_ref().map(ToString::to_string),
        message: why.message.clone(),
        everywhere: why.everywhere.as_ref().map(refusal),
        nodes: why.nodes.iter().map(node).collect(),
        pools: why.pools.iter().map(pool).collect(),
    }
}
