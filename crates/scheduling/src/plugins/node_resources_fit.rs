//! `NodeResourcesFit`: pods, CPU, memory, ephemeral storage and extended resources; scores by `LeastAllocated`.
//!
//! Follows `plugins/noderesources/{fit,least_allocated,resource_allocation}.go` with the default arguments (CPU and
//! memory weigh the same).

use cluster::rejection::FilterReason;

use crate::event::Event;
use crate::hints::Waiter;
use crate::placements::Placements;
use crate::room::{AMOUNT_NAMES, Request, Row};

/// Whether a node has no room.
pub(crate) fn refuses(index: &Placements, request: &Request, node: usize) -> bool {
    let row = &index.rows[node];
    if row.pods_used >= row.pods_allowed {
        return true;
    }
    (0..3).any(|i| lacks(request.amounts[i], row.used[i], row.allocatable[i]))
        || request.extended.iter().any(|(column, amount)| {
            let column = &index.columns[*column as usize];
            lacks(*amount, column.used[node], column.allocatable[node])
        })
}

fn lacks(amount: i64, used: i64, allocatable: i64) -> bool {
    amount > 0 && amount > allocatable.saturating_sub(used)
}

/// Everything that a node lacks.
pub(crate) fn reasons(index: &Placements, request: &Request, node: usize) -> Vec<FilterReason> {
    let row = &index.rows[node];
    let mut reasons = Vec::new();
    if row.pods_used >= row.pods_allowed {
        reasons.push(FilterReason::TooManyPods);
    }
    let mut check = |name: &str, requested, used, allocatable| {
        if lacks(requested, used, allocatable) {
            reasons.push(FilterReason::Insufficient { resource: name.into(), requested, used, allocatable });
        }
    };
    for (i, name) in AMOUNT_NAMES.iter().enumerate() {
        check(name, request.amounts[i], row.used[i], row.allocatable[i]);
    }
    for (column, amount) in &request.extended {
        let column = &index.columns[*column as usize];
        check(&column.name, *amount, column.used[node], column.allocatable[node]);
    }
    reasons
}

/// What a node lacks, one bit for each of [`reasons`], as far as bits suffice.
pub(crate) fn lacking(index: &Placements, request: &Request, node: usize) -> u64 {
    let row = &index.rows[node];
    let amounts = (0..3).map(|i| lacks(request.amounts[i], row.used[i], row.allocatable[i]));
    let extended = request.extended.iter().map(|(column, amount)| {
        let column = &index.columns[*column as usize];
        lacks(*amount, column.used[node], column.allocatable[node])
    });
    let lacks = std::iter::once(row.pods_used >= row.pods_allowed).chain(amounts).chain(extended);
    lacks.take(64).enumerate().fold(0, |bits, (bit, lacks)| bits | (u64::from(lacks) << bit))
}

/// Whether the node would be large enough if it were empty, for whatever it lacks now. A node that takes no pods
/// at all still counts as resolvable, as upstream has it.
pub(crate) fn is_resolvable(index: &Placements, request: &Request, node: usize) -> bool {
    let row = &index.rows[node];
    (0..3).all(|i| request.amounts[i] <= row.allocatable[i].max(0))
        && request
            .extended
            .iter()
            .all(|(column, amount)| *amount <= index.columns[*column as usize].allocatable[node].max(0))
}

/// `LeastAllocated`: the mean of the free shares of CPU and memory once the pod is there, 0 to 100.
pub(crate) fn least_allocated(request: [i64; 2], row: &Row) -> i64 {
    let (mut sum, mut weights) = (0, 0);
    for (i, asked) in request.iter().enumerate() {
        let allocatable = row.allocatable[i];
        if allocatable == 0 {
            continue;
        }
        let requested = row.scored[i].saturating_add(*asked);
        if requested <= allocatable {
            sum += share(allocatable.saturating_sub(requested), allocatable);
        }
        weights += 1;
    }
    if weights == 0 { 0 } else { sum / weights }
}

fn share(free: i64, allocatable: i64) -> i64 {
    free.checked_mul(100).map_or_else(
        || i64::try_from(i128::from(free) * 100 / i128::from(allocatable)).unwrap_or(0),
        |hundredfold| hundredfold / allocatable,
    )
}

/// A queueing hint: a pod left a node, or a node is large enough (and, if it was there, has grown).
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    let request = waiter.request();
    match event {
        Event::PodDeleted { .. } => true,
        Event::NodeAdded(node) => holds_when_empty(waiter.index, request, node.0 as usize),
        Event::NodeUpdated(before) => {
            let node = before.node.0 as usize;
            let row = &waiter.index.rows[node];
            let grown = row.pods_allowed > before.pods_allowed
                || (0..3).any(|i| request.amounts[i] > 0 && row.allocatable[i] > before.allocatable[i])
                || request.extended.iter().any(|(column, _)| {
                    let was = before.extended.get(*column as usize).copied().unwrap_or(0);
                    waiter.index.columns[*column as usize].allocatable[node] > was
                });
            grown && holds_when_empty(waiter.index, request, node)
        }
        _ => false,
    }
}

fn holds_when_empty(index: &Placements, request: &Request, node: usize) -> bool {
    index.rows[node].pods_allowed > 0 && is_resolvable(index, request, node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_allocated_equals_the_published_vectors() {
        // `plugins/noderesources/least_allocated_test.go`: requested 3000m / 5000, nodes 4000m / 10000 and 6000m / 10000.
        let row = |cpu, memory| Row { allocatable: [cpu, memory, 0], ..Row::default() };
        assert_eq!(least_allocated([3000, 5000], &row(4000, 10_000)), 37);
        assert_eq!(least_allocated([3000, 5000], &row(6000, 10_000)), 50);
        assert_eq!(least_allocated([0, 0], &row(4000, 10_000)), 100);
        assert_eq!(least_allocated([5000, 5000], &row(4000, 10_000)), 25);
        assert_eq!(least_allocated([1, 1], &row(0, 0)), 0);
    }
}
