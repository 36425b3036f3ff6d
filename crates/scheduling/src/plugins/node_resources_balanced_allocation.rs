//! `NodeResourcesBalancedAllocation`: prefers nodes whose CPU and memory use the pod brings closer together.
//!
//! Follows `plugins/noderesources/balanced_allocation.go` (v1.36: the gain in balance, not the balance). Upstream
//! computes in float64 and cuts off to an integer; the same operations in the same order give the same score.

use crate::room::Row;

/// 50 to 100: 75 where the pod changes nothing.
pub(crate) fn score(request: [i64; 2], row: &Row) -> i64 {
    let allocatable = [row.allocatable[0], row.allocatable[1]];
    let used = [row.used[0], row.used[1]];
    let with = [used[0].saturating_add(request[0]), used[1].saturating_add(request[1])];
    50 + (50 + balance(with, allocatable) - balance(used, allocatable)) / 2
}

/// `(1 - standard deviation of the used shares) × 100`.
fn balance(requested: [i64; 2], allocatable: [i64; 2]) -> i64 {
    let share =
        |i: usize| (allocatable[i] != 0).then(|| (requested[i] as f64 / allocatable[i] as f64).min(1.0));
    let deviation = match (share(0), share(1)) {
        (Some(cpu), Some(memory)) => ((cpu - memory) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - deviation) * 100.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balance_gained_scores_above_75_and_balance_lost_below() {
        let row = |used: [i64; 2]| Row {
            allocatable: [4000, 10_000, 0],
            used: [used[0], used[1], 0],
            ..Row::default()
        };
        assert_eq!(score([0, 0], &row([2000, 5000])), 75);
        // Shares 0.75 and 0.5 deviate by 0.125: 87 against 100 before.
        assert_eq!(score([3000, 5000], &row([0, 0])), 50 + (50 + 87 - 100) / 2);
        // Shares 0 and 0.5 become 0.5 and 0.5: 100 against 75.
        assert_eq!(score([2000, 0], &row([0, 5000])), 50 + (50 + 100 - 75) / 2);
        // Beyond the node counts as full.
        assert_eq!(balance([9000, 10_000], [4000, 10_000]), 100);
        assert_eq!(balance([1, 1], [0, 10]), 100);
    }
}
