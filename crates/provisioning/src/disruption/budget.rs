//! A NodePool's disruption budgets: how many of its nodes may be going at once.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/apis/v1/nodepool.go` (`GetAllowedDisruptionsByReason`, `IsActive`)
//! and `pkg/controllers/disruption/helpers.go` (`BuildDisruptionBudgetMapping`).

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cluster::node_pool::{Budget, BudgetNodes, DisruptionReason};
use cluster::{Cluster, Name, NodeId, NodePool};
use jiff::Zoned;

use crate::existing::View;

/// How many more nodes of each pool may be disrupted for a reason. `going` are nodes that a command has marked.
pub fn allowed(cluster: &Cluster, reason: DisruptionReason, going: &BTreeSet<NodeId>) -> BTreeMap<Name, u32> {
    let counts = counts(cluster, going);
    let unix_ms = cluster.declared.profile.now_unix_ms.saturating_add(cluster.now.0);
    let pools = cluster.declared.node_pools.iter();
    pools
        .map(|pool| {
            let (nodes, disrupting) = counts.get(&pool.name).copied().unwrap_or_default();
            (pool.name.clone(), allowed_of(pool, nodes, reason, unix_ms).saturating_sub(disrupting))
        })
        .collect()
}

/// How many nodes of each pool take up its budgets: those that go, are marked, or are not Ready.
pub fn disrupting(cluster: &Cluster, going: &BTreeSet<NodeId>) -> BTreeMap<Name, u32> {
    let counts = counts(cluster, going);
    let count = |pool: &NodePool| counts.get(&pool.name).map_or(0, |(_, disrupting)| *disrupting);
    cluster.declared.node_pools.iter().map(|pool| (pool.name.clone(), count(pool))).collect()
}

/// The nodes of each pool, and those of them that take up its budgets.
fn counts<'c>(cluster: &'c Cluster, going: &BTreeSet<NodeId>) -> BTreeMap<&'c Name, (u32, u32)> {
    let mut counts: BTreeMap<&Name, (u32, u32)> = BTreeMap::new();
    for view in cluster.live_nodes().map(|node| View::of_node(cluster, node)) {
        let (Some(node), Some(pool)) = (view.node, view.pool(cluster)) else { continue };
        if !view.is_initialized() {
            continue;
        }
        let (nodes, disrupting) = counts.entry(pool).or_default();
        *nodes += 1;
        *disrupting += u32::from(!node.ready || view.is_leaving() || going.contains(&node.id));
    }
    counts
}

/// How many of a pool's `nodes` may be disrupted for a reason at an instant: the least of its budgets in force.
pub fn allowed_of(pool: &NodePool, nodes: u32, reason: DisruptionReason, unix_ms: i64) -> u32 {
    let about =
        pool.budgets.iter().filter(|budget| budget.reasons.is_empty() || budget.reasons.contains(&reason));
    about.map(|budget| of_budget(budget, nodes, unix_ms)).min().unwrap_or(u32::MAX)
}

fn of_budget(budget: &Budget, nodes: u32, unix_ms: i64) -> u32 {
    match is_active(budget, unix_ms) {
        // A schedule that cannot be read blocks.
        None => 0,
        Some(false) => u32::MAX,
        Some(true) => match budget.nodes {
            BudgetNodes::Count(count) => count,
            BudgetNodes::Percent(percent) => {
                u32::try_from((u64::from(nodes) * u64::from(percent)).div_ceil(100)).unwrap_or(u32::MAX)
            }
        },
    }
}

/// Whether a budget is in force: its schedule struck within its duration. `None` when the schedule cannot be read.
fn is_active(budget: &Budget, unix_ms: i64) -> Option<bool> {
    let Some((schedule, duration_ms)) = &budget.schedule else { return Some(true) };
    let hit = next_hit_unix_ms(schedule, unix_ms.checked_sub(*duration_ms)?)?;
    Some(hit <= unix_ms)
}

/// When a pool's budgets change next, by themselves, in milliseconds since 1970.
pub fn next_change_unix_ms(pool: &NodePool, unix_ms: i64) -> Option<i64> {
    let scheduled = pool.budgets.iter().filter_map(|budget| budget.schedule.as_ref());
    let changes = scheduled.flat_map(|(schedule, duration_ms)| {
        let start = next_hit_unix_ms(schedule, unix_ms);
        let last = unix_ms.checked_sub(*duration_ms).and_then(|from| next_hit_unix_ms(schedule, from));
        let end = last.map(|hit| hit.saturating_add(*duration_ms).saturating_add(1));
        [start, end].into_iter().flatten()
    });
    changes.filter(|&at| at > unix_ms).min()
}

/// The schedule's first hit after an instant, in UTC; also for `@daily` and its like.
fn next_hit_unix_ms(schedule: &str, after_unix_ms: i64) -> Option<i64> {
    let cron = croner::Cron::from_str(schedule).ok()?;
    let after = jiff::Timestamp::from_millisecond(after_unix_ms).ok()?;
    let after = Zoned::new(after, jiff::tz::TimeZone::UTC);
    let hit = cron.find_next_occurrence(&after, false).ok()?;
    Some(hit.timestamp().as_millisecond())
}
