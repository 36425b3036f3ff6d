//! What a pool's `spec.limits` leave while a plan is made, and the instance types within that.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/scheduler.go`
//! (`filterByRemainingResources`, `subtractMax`): a new claim takes the most that any of its types has.

use cluster::Name;

use crate::bits::Bits;
use crate::pool::PoolTemplate;

/// What is left of a pool's limits.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    left: Vec<(Name, i64)>,
    /// Types whose capacity is within.
    within: Bits,
    /// By limit: the most that any of them has.
    most: Vec<i64>,
    /// The types of the last claim, and the most that any of them has.
    last: (Bits, Vec<i64>),
}

impl Limits {
    /// With so much left.
    pub(super) fn new(left: Vec<(Name, i64)>, pool: &PoolTemplate) -> Limits {
        let most = most(&left, &pool.usable, pool);
        let mut limits = Limits { left, within: pool.usable.clone(), most, last: Default::default() };
        limits.narrow(pool);
        limits
    }

    /// What is left, by resource.
    pub(crate) fn left(&self) -> &[(Name, i64)] {
        &self.left
    }

    /// Types that can still be bought; `None` when there are none.
    pub(crate) fn types(&self) -> Option<&Bits> {
        let no_nodes = self.left.iter().any(|(name, left)| name == "nodes" && *left == 0);
        Some(&self.within).filter(|types| !no_nodes && !types.is_empty())
    }

    /// Takes a claim's part, which may become any of these types.
    pub(super) fn take(&mut self, types: &Bits, pool: &PoolTemplate) {
        if self.left.is_empty() {
            return;
        }
        if self.last.0 != *types || self.last.1.is_empty() {
            self.last = (types.clone(), most(&self.left, types, pool));
        }
        for ((_, left), most) in self.left.iter_mut().zip(&self.last.1) {
            *left = left.saturating_sub(*most);
        }
        self.narrow(pool);
    }

    /// Limits only shrink, so types only go.
    fn narrow(&mut self, pool: &PoolTemplate) {
        if self.left.iter().zip(&self.most).all(|((_, left), most)| most <= left) {
            return;
        }
        let within = |index: &usize| {
            let capacity = &pool.types[*index].capacity;
            self.left.iter().all(|(name, left)| capacity.get(name) <= *left)
        };
        self.within = self.within.iter().filter(within).collect();
        self.most = most(&self.left, &self.within, pool);
    }
}

fn most(limits: &[(Name, i64)], types: &Bits, pool: &PoolTemplate) -> Vec<i64> {
    let of = |name: &Name| types.iter().map(|index| pool.types[index].capacity.get(name)).max();
    limits.iter().map(|(name, _)| of(name).unwrap_or(0)).collect()
}
