//! NodePools: limits, what is used of them, what they cost, and what may be disrupted.
//!
//! `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/metrics/nodepool/controller.go` and
//! `pkg/controllers/disruption/{helpers,metrics,queue}.go`.

use std::collections::BTreeMap;

use autoscaler::Autoscaler;
use cluster::node_pool::DisruptionReason;
use cluster::{Cluster, Name, Resources};
use provisioning::disruption::budget;
use provisioning::existing::View;
use provisioning::market::{CAPACITY_TYPE, INSTANCE_TYPE, Offers, ZONE};

use super::claims;
use super::family::Family;
use super::nodes::label;
use super::registry::{Number, Registry};

pub(super) static LIMIT: Family =
    Family::gauge("karpenter_nodepools_limit", &["resource_type", "nodepool"], "The limits of a pool.");
pub(super) static USAGE: Family = Family::gauge(
    "karpenter_nodepools_usage",
    &["resource_type", "nodepool"],
    "What the nodes and launched claims of a pool have, which counts towards its limits.",
);
pub(super) static COST: Family = Family::gauge(
    "karpenter_nodepools_cost_total",
    &["nodepool"],
    "What the nodes and launched claims of a pool cost an hour, by the provider's prices.",
);
pub(super) static ALLOWED: Family = Family::gauge(
    "karpenter_nodepools_allowed_disruptions",
    &["nodepool", "reason"],
    "How many more nodes of a pool its budgets allow to be disrupted at the moment.",
);
pub(super) static CONSUMING: Family = Family::gauge(
    "karpenter_nodepools_nodes_consuming_budgets",
    &["nodepool", "reason"],
    "How many nodes of a pool take up its budgets: those that go, and those that are not ready.",
);
pub(super) static DECISIONS: Family = Family::counter(
    "karpenter_voluntary_disruption_decisions_total",
    &["decision", "reason", "consolidation_type"],
    "Decisions to take nodes away that were begun.",
);
pub(super) static DECISIONS_BY_POOL: Family = Family::counter(
    "karpenter_voluntary_disruption_decisions_by_nodepool_total",
    &["nodepool", "decision", "reason", "consolidation_type"],
    "Decisions to take nodes away that were begun, once for each pool that has some of the nodes.",
);
pub(super) static TIMEOUTS: Family = Family::counter(
    "karpenter_voluntary_disruption_consolidation_timeouts_total",
    &["consolidation_type"],
    "Searches for consolidations that were given up for want of time: plimsoll's have no time-out, it stays 0.",
);

pub(super) static ALL: &[&Family] =
    &[&LIMIT, &USAGE, &COST, &ALLOWED, &CONSUMING, &DECISIONS, &DECISIONS_BY_POOL, &TIMEOUTS];

/// Counts commands that were begun after the one with this number; the number of the last.
pub(super) fn count_commands(
    cluster: &Cluster,
    mind: &Autoscaler,
    after: u32,
    counted: &mut Registry,
) -> u32 {
    let mut last = after;
    for command in mind.commands_after(after) {
        last = last.max(command.id);
        let decision = if command.replacements > 0 { "replace" } else { "delete" };
        let reason = claims::label(command.reason);
        let kind = match (command.reason, command.nodes.len()) {
            (DisruptionReason::Empty, _) => "empty",
            (DisruptionReason::Underutilized, 0 | 1) => "single",
            (DisruptionReason::Underutilized, _) => "multi",
            _ => "",
        };
        counted.count(&DECISIONS, &[decision, reason, kind]);
        let mut pools: Vec<&Name> =
            command.nodes.iter().filter_map(|node| cluster.node(*node).node_pool()).collect();
        pools.sort_unstable();
        pools.dedup();
        for pool in pools {
            counted.count(&DECISIONS_BY_POOL, &[pool, decision, reason, kind]);
        }
    }
    last
}

/// Everything about pools at the moment.
pub(super) fn scrape(cluster: &Cluster, mind: &Autoscaler, offers: &Offers, now: &mut Registry) {
    ["multi", "single"].iter().for_each(|kind| now.set(&TIMEOUTS, &[kind], Number::whole(0)));
    let mut used: BTreeMap<&Name, (Resources, i64)> = BTreeMap::new();
    for view in View::all(cluster) {
        let Some(pool) = view.pool(cluster) else { continue };
        let (resources, price) = used.entry(pool).or_default();
        resources.add(&view.capacity());
        resources.set("nodes", resources.get("nodes").saturating_add(1));
        *price = price.saturating_add(price_micro_usd(&view, offers));
    }
    let none = (Resources::ZERO, 0);
    for pool in &cluster.declared.node_pools {
        let (resources, price) = used.get(&pool.name).unwrap_or(&none);
        now.set(&COST, &[&pool.name], Number::millionths(*price));
        for (resource, limit) in &pool.limits {
            now.set(&LIMIT, &[&label(resource), &pool.name], Number::amount(resource, *limit));
        }
        for (resource, amount) in resources.iter() {
            now.set(&USAGE, &[&label(resource), &pool.name], Number::amount(resource, amount));
        }
    }
    let going = mind.going();
    let disrupting = budget::disrupting(cluster, &going);
    for reason in [DisruptionReason::Empty, DisruptionReason::Underutilized, DisruptionReason::Drifted] {
        let name = reason.as_str();
        for (pool, allowed) in budget::allowed(cluster, reason, &going) {
            now.set(&ALLOWED, &[&pool, name], Number::whole(allowed));
        }
        for (pool, count) in &disrupting {
            now.set(&CONSUMING, &[pool, name], Number::whole(*count));
        }
    }
}

/// What a node costs an hour; nothing when nobody sells such a one (any more).
fn price_micro_usd(view: &View<'_>, offers: &Offers) -> i64 {
    let labels = view.labels();
    let of = |key: &str| claims::of(&labels, key);
    let offered = offers.iter().find(|offered| offered.name == of(INSTANCE_TYPE));
    let offerings = offered.into_iter().flat_map(|offered| &offered.offerings);
    let mut own = offerings.filter(|own| own.zone == of(ZONE) && own.capacity_type == of(CAPACITY_TYPE));
    own.next().map_or(0, |own| own.price_micro_usd)
}
