//! The Deployment controller's arithmetic: how large each ReplicaSet should be next. Numbers in, numbers out.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/deployment` `rolling.go`, `recreate.go`, `sync.go` (`scale`) and
//! `util/deployment_util.go`.

/// What a Deployment asks for, in pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goal {
    /// `spec.replicas`.
    pub replicas: i64,
    /// `strategy: Recreate`.
    pub recreate: bool,
    /// Resolved `maxSurge`; 0 for `Recreate`.
    pub max_surge: i64,
    /// Resolved `maxUnavailable`.
    pub max_unavailable: i64,
}

impl Goal {
    fn min_available(self) -> i64 {
        self.replicas - self.max_unavailable.min(self.replicas)
    }
}

/// One ReplicaSet, in pods. A slice of them is in the order of their creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// `spec.replicas`.
    pub desired: i64,
    /// `status.availableReplicas`.
    pub available: i64,
    /// Pods that are not finished, those that terminate included.
    pub pods: i64,
    /// Annotation `deployment.kubernetes.io/desired-replicas`.
    pub noted_replicas: i64,
    /// Annotation `deployment.kubernetes.io/max-replicas`.
    pub noted_max: i64,
}

/// One sync of the Deployment controller: resizes `sets`, and says whether it resized any. `new` is the index
/// of the ReplicaSet of the current template.
pub fn sync(goal: Goal, sets: &mut [Size], new: usize) -> bool {
    if new >= sets.len() {
        return false;
    }
    let before: Vec<i64> = sets.iter().map(|set| set.desired).collect();
    let scaling = sets.iter().any(|set| set.desired > 0 && set.noted_replicas != goal.replicas);
    if scaling {
        scale(goal, sets, new);
        sets.iter_mut().filter(|set| set.desired > 0).for_each(|set| note(goal, set));
    } else if goal.recreate {
        recreate(goal, sets, new);
    } else {
        roll(goal, sets, new);
    }
    sets.iter().zip(before).any(|(set, before)| set.desired != before)
}

/// One sync of a paused Deployment: it is only scaled. `new` is the set of the current template, else the latest.
pub fn sync_paused(goal: Goal, sets: &mut [Size], new: usize) -> bool {
    if new >= sets.len() {
        return false;
    }
    let before: Vec<i64> = sets.iter().map(|set| set.desired).collect();
    scale(goal, sets, new);
    sets.iter().zip(before).any(|(set, before)| set.desired != before)
}

fn note(goal: Goal, set: &mut Size) {
    set.noted_replicas = goal.replicas;
    set.noted_max = goal.replicas + goal.max_surge;
}

fn resize(goal: Goal, set: &mut Size, desired: i64) {
    set.desired = desired.max(0);
    note(goal, set);
}

/// `rolloutRolling`: grow the new set, or else shrink the old ones.
fn roll(goal: Goal, sets: &mut [Size], new: usize) {
    if sets[new].desired != goal.replicas {
        let grown = new_replicas(goal, sets, new);
        if grown != sets[new].desired {
            return resize(goal, &mut sets[new], grown);
        }
    }
    shrink_old(goal, sets, new);
}

/// `reconcileNewReplicaSet` with `NewRSNewReplicas`.
fn new_replicas(goal: Goal, sets: &[Size], new: usize) -> i64 {
    let desired = sets[new].desired;
    if desired > goal.replicas {
        return goal.replicas;
    }
    let total: i64 = sets.iter().map(|set| set.desired).sum();
    let room = goal.replicas + goal.max_surge - total;
    desired + room.min(goal.replicas - desired).max(0)
}

/// `reconcileOldReplicaSets`: unhealthy old pods first, then as many healthy ones as availability allows.
fn shrink_old(goal: Goal, sets: &mut [Size], new: usize) {
    let total: i64 = sets.iter().map(|set| set.desired).sum();
    let new_unavailable = sets[new].desired - sets[new].available;
    let mut cleanup = total - goal.min_available() - new_unavailable;
    if cleanup <= 0 {
        return;
    }
    for (_, set) in old_sets(sets, new) {
        let unhealthy = (set.desired - set.available).max(0).min(cleanup);
        if unhealthy > 0 {
            resize(goal, set, set.desired - unhealthy);
            cleanup -= unhealthy;
        }
    }
    let available: i64 = sets.iter().map(|set| set.available).sum();
    let mut spare = available - goal.min_available();
    for (_, set) in old_sets(sets, new) {
        let healthy = set.desired.min(spare).max(0);
        if healthy > 0 {
            resize(goal, set, set.desired - healthy);
            spare -= healthy;
        }
    }
}

/// `rolloutRecreate`: the new set only grows when no old pod is left.
fn recreate(goal: Goal, sets: &mut [Size], new: usize) {
    let mut shrunk = false;
    for (_, set) in old_sets(sets, new) {
        shrunk |= set.desired > 0;
        set.desired = 0;
    }
    let old_pods: i64 = old_sets(sets, new).map(|(_, set)| set.pods).sum();
    if !shrunk && old_pods == 0 {
        resize(goal, &mut sets[new], goal.replicas);
    }
}

fn old_sets(sets: &mut [Size], new: usize) -> impl Iterator<Item = (usize, &mut Size)> {
    sets.iter_mut().enumerate().filter(move |(index, _)| *index != new)
}

/// `scale`: `spec.replicas` changed; a roll-out in between is scaled in proportion.
fn scale(goal: Goal, sets: &mut [Size], new: usize) {
    let active: Vec<usize> = (0..sets.len()).filter(|index| sets[*index].desired > 0).collect();
    if active.len() <= 1 {
        let only = active.first().copied().unwrap_or(new);
        return resize(goal, &mut sets[only], goal.replicas);
    }
    let newest = sets[new];
    let saturated = newest.desired == goal.replicas
        && newest.noted_replicas == goal.replicas
        && newest.available == goal.replicas;
    if saturated {
        return old_sets(sets, new).for_each(|(_, set)| resize(goal, set, 0));
    }
    if !goal.recreate {
        scale_in_proportion(goal, sets, active);
    }
}

fn scale_in_proportion(goal: Goal, sets: &mut [Size], mut active: Vec<usize>) {
    let total: i64 = active.iter().map(|index| sets[*index].desired).sum();
    let allowed = if goal.replicas > 0 { goal.replicas + goal.max_surge } else { 0 };
    let to_add = allowed - total;
    // Larger sets first; of equal ones the newer first when growing, the older first when shrinking.
    if to_add > 0 {
        active.sort_by_key(|index| (-sets[*index].desired, -(*index as i64)));
    } else {
        active.sort_by_key(|index| (-sets[*index].desired, *index as i64));
    }
    let mut added = 0;
    let mut sizes = Vec::with_capacity(active.len());
    for index in &active {
        let share = proportion(goal, sets[*index], to_add, added, total);
        sizes.push(sets[*index].desired + share);
        added += share;
    }
    if let Some(largest) = sizes.first_mut() {
        *largest += to_add - added;
    }
    for (index, size) in active.into_iter().zip(sizes) {
        resize(goal, &mut sets[index], size);
    }
}

/// `GetReplicaSetProportion` with `getReplicaSetFraction`, rounding half away from zero.
fn proportion(goal: Goal, set: Size, to_add: i64, added: i64, total: i64) -> i64 {
    if to_add == 0 || to_add == added {
        return 0;
    }
    let fraction = if goal.replicas == 0 {
        -set.desired
    } else {
        let before = if set.noted_max > 0 { set.noted_max } else { total.max(1) };
        let scaled = set.desired.saturating_mul(goal.replicas + goal.max_surge);
        (scaled.saturating_mul(2) + before) / (before * 2) - set.desired
    };
    if to_add > 0 { fraction.min(to_add - added) } else { fraction.max(to_add - added) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rolling(replicas: i64, max_surge: i64, max_unavailable: i64) -> Goal {
        Goal { replicas, recreate: false, max_surge, max_unavailable }
    }

    fn set(desired: i64, available: i64, goal: Goal) -> Size {
        let mut set = Size { desired, available, pods: desired, ..Size::default() };
        note(goal, &mut set);
        set
    }

    fn desired(sets: &[Size]) -> Vec<i64> {
        sets.iter().map(|set| set.desired).collect()
    }

    /// Runs syncs until nothing changes, as the real controller is woken by its own updates.
    fn settle(goal: Goal, sets: &mut [Size], new: usize) {
        for _ in 0..50 {
            if !sync(goal, sets, new) {
                return;
            }
        }
        panic!("does not settle: {sets:?}");
    }

    #[test]
    fn a_roll_out_surges_first_and_removes_old_pods_as_new_ones_become_available() {
        let goal = rolling(4, 1, 0);
        let mut sets = [set(4, 4, goal), Size::default()];
        settle(goal, &mut sets, 1);
        assert_eq!(desired(&sets), [4, 1]);
        sets[1].available = 1;
        settle(goal, &mut sets, 1);
        assert_eq!(desired(&sets), [3, 2]);
    }

    #[test]
    fn max_unavailable_lets_old_pods_go_at_once() {
        let goal = rolling(10, 0, 3);
        let mut sets = [set(10, 10, goal), Size::default()];
        settle(goal, &mut sets, 1);
        assert_eq!(desired(&sets), [7, 3]);
    }

    /// `maxSurge: 25%` of 3 rounds up to 1, `maxUnavailable: 25%` rounds down to 0.
    #[test]
    fn unhealthy_old_pods_are_replaced_before_healthy_ones() {
        let goal = rolling(3, 1, 0);
        let mut sets = [set(3, 1, goal), Size::default()];
        settle(goal, &mut sets, 1);
        // 3 + 1 pods; at least 3 must stay counting 1 new that is not available yet: nothing may go.
        assert_eq!(desired(&sets), [3, 1]);
        sets[1].available = 1;
        sets[0].available = 1;
        settle(goal, &mut sets, 1);
        assert_eq!(desired(&sets), [2, 2]);
    }

    #[test]
    fn recreate_waits_until_the_last_old_pod_is_gone() {
        let goal = Goal { replicas: 3, recreate: true, max_surge: 0, max_unavailable: 0 };
        let mut sets = [set(3, 3, goal), Size::default()];
        settle(goal, &mut sets, 1);
        assert_eq!(desired(&sets), [0, 0]);
        sets[0].available = 0;
        sets[0].pods = 1;
        settle(goal, &mut sets, 1);
        assert_eq!(desired(&sets), [0, 0]);
        sets[0].pods = 0;
        settle(goal, &mut sets, 1);
        assert_eq!(desired(&sets), [0, 3]);
    }

    /// The case of `TestScale` "deployment surge pods" / proportional scaling: 10 → 30 during a roll-out.
    #[test]
    fn scaling_during_a_roll_out_is_proportional() {
        let before = rolling(10, 2, 0);
        let mut sets = [set(8, 8, before), set(4, 0, before)];
        let after = rolling(30, 2, 0);
        assert!(sync(after, &mut sets, 1));
        assert_eq!(desired(&sets), [21, 11]);
    }

    #[test]
    fn scaling_to_zero_in_a_roll_out_removes_all() {
        let before = rolling(10, 2, 0);
        let mut sets = [set(8, 8, before), set(4, 0, before)];
        assert!(sync(rolling(0, 0, 0), &mut sets, 1));
        assert_eq!(desired(&sets), [0, 0]);
    }

    proptest! {
        /// Whatever is available when: never above the surge, never below the availability that was there.
        #[test]
        fn a_roll_out_keeps_its_bounds_and_ends(
            replicas in 0i64..40, surge in 0i64..12, unavailable in 0i64..12, picks in prop::collection::vec(0u8..3, 200)
        ) {
            let unavailable = if surge == 0 { unavailable.max(1) } else { unavailable };
            let goal = rolling(replicas, surge, unavailable);
            let mut sets = [set(replicas, replicas, goal), Size::default()];
            for pick in picks {
                settle(goal, &mut sets, 1);
                let total: i64 = desired(&sets).iter().sum();
                prop_assert!(total <= replicas + surge);
                sets[0].available = sets[0].available.min(sets[0].desired);
                let available: i64 = sets.iter().map(|set| set.available).sum();
                prop_assert!(available >= goal.min_available().min(replicas));
                if pick > 0 && sets[1].available < sets[1].desired {
                    sets[1].available += 1;
                }
            }
            for _ in 0..200 {
                settle(goal, &mut sets, 1);
                sets[0].available = sets[0].available.min(sets[0].desired);
                sets[1].available = sets[1].desired;
            }
            prop_assert_eq!(desired(&sets), vec![0, replicas]);
        }
    }
}
