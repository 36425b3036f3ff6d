//! Keeping static pools at their replicas: creating the claims that they lack, deleting those that are too many.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/static`: both of its controllers run with the feature gate
//! `StaticCapacity` only. Which claims, and how many, is `provisioning::static_pools`'s to say. Karpenter asks for
//! nodes that nobody sells again and again; here the next try is when a capacity error is forgotten.

use cluster::Timestamp;
use provisioning::static_pools;

use crate::controller::{Autoscaler, Context};
use crate::effect::Effect;

/// What keeps static pools short.
#[derive(Clone, Debug, Default)]
pub struct StaticPools {
    retry: Option<Timestamp>,
}

impl StaticPools {
    /// When what a pool lacks may be on offer again: goes on for ever where it never is.
    pub fn next_retry(&self) -> Option<Timestamp> {
        self.retry
    }
}

impl Autoscaler {
    /// Brings every static pool to its replicas.
    pub(crate) fn keep_replicas(&mut self, context: Context<'_>, effects: &mut Vec<Effect>) {
        let cluster = context.cluster;
        let retries = self.static_pools.retry.take().is_some_and(|at| at <= cluster.now);
        if !cluster.declared.karpenter.static_capacity || !self.planned.is_settled() {
            return;
        }
        // A drifted node may be replaceable now.
        self.disruption.changed |= retries;
        let going = self.disruption.going();
        let mut sold_out = false;
        for (pool, _) in static_pools::all(cluster) {
            let surplus = static_pools::surplus(cluster, pool, &going);
            surplus.into_iter().for_each(|claim| effects.push(Effect::DeleteClaim(claim, None)));
            let lacking = static_pools::lacking(cluster, pool, &going);
            if lacking == 0 {
                continue;
            }
            self.refresh_market(context);
            let market = self.market.as_ref();
            let Some(claim) = market.and_then(|market| static_pools::claim(cluster, market, pool)) else {
                continue;
            };
            sold_out |= claim.options.is_empty();
            for _ in (0..lacking).take_while(|_| !claim.options.is_empty()) {
                self.create(cluster, claim.clone(), None, effects);
            }
        }
        let forgotten = self.capacity_errors.next_expiry().filter(|_| sold_out);
        self.static_pools.retry = forgotten.map(|at| at.max(cluster.now.after_ms(1)));
    }
}
