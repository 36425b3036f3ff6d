//! What a plan starts from besides its pods: pools that can be tried, DaemonSets, domains, and what limits leave.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/provisioner.go` (`NewScheduler`). No pod is looked at.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cluster::{Effect, Name, Node, PodTemplate, Resources};

use super::Scheduler;
use super::limits::Limits;
use super::queue::ask_for_address;
use crate::daemons::{self, Daemon};
use crate::existing::View;
use crate::input::{Input, Policy};
use crate::pool::{self, PoolTemplate, Unusable};
use crate::sets::split_hostname;
use crate::topology::DomainSource;

impl Scheduler<'_> {
    pub(super) fn adopt_pools(&mut self, pools: Vec<(u32, Result<PoolTemplate, Unusable>)>) {
        let used = used_by_pool(self.input);
        for (pool, prepared) in pools {
            let declared = &self.input.cluster.declared.node_pools[pool as usize];
            let ready = !matches!(prepared, Err(Unusable::NotReady(_)));
            self.tolerate_prefer_no_schedule |=
                ready && declared.taints.iter().any(|taint| taint.effect == Effect::PreferNoSchedule);
            let outcome = prepared.map(|template| {
                let taken = used.get(&declared.name).cloned().unwrap_or_default();
                let left =
                    |(name, limit): &(Name, i64)| (name.clone(), limit.saturating_sub(taken.get(name)));
                self.limits.push(Limits::new(declared.limits.iter().map(left).collect(), &template));
                let (set, _) = split_hostname(template.requirements.clone());
                self.template_sets.push(self.sets.intern(set));
                self.templates.push(template);
                self.templates.len() - 1
            });
            self.pools.push((pool, outcome));
        }
    }
}

/// The DaemonSets' templates, as the policy counts them.
pub(super) fn daemon_sets<'a>(input: &Input<'a>) -> Vec<Daemon<'a>> {
    let forgets = matches!(input.policy, Policy::Karpenter);
    let counted = |template: &'a PodTemplate| match input.policy {
        Policy::Karpenter => Cow::Borrowed(template),
        Policy::Plimsoll(_) => {
            let mut template = template.clone();
            let original = template.clone();
            ask_for_address(&mut template.requests, &original);
            Cow::Owned(template)
        }
    };
    let all = daemons::daemon_sets(input.cluster).into_iter();
    all.map(|template| Daemon::new(counted(template), forgets)).collect()
}

pub(super) fn prepare_pools(
    input: &Input<'_>,
    daemon_sets: &mut [Daemon<'_>],
) -> Vec<(u32, Result<PoolTemplate, Unusable>)> {
    let prepare = |pool: u32| (pool, PoolTemplate::prepare(input, pool, daemon_sets));
    pool::in_order(input).into_iter().map(prepare).collect()
}

pub(super) fn domain_sources(input: &Input<'_>) -> Vec<DomainSource> {
    let ready = pool::in_order(input).into_iter().filter_map(|index| {
        let market = input.market.pools.get(index as usize)?;
        market.not_ready.is_none().then_some((index, market))
    });
    ready
        .map(|(index, market)| {
            let pool = &input.cluster.declared.node_pools[index as usize];
            let mut requirements = cluster::requirements::Requirements::of_selectors(&pool.requirements);
            requirements.add_all(&cluster::requirements::Requirements::of_labels(&pool.labels));
            DomainSource {
                requirements,
                taints: pool.taints.clone(),
                types: std::sync::Arc::clone(&market.types),
            }
        })
        .collect()
}

/// What the nodes of each pool have, those that go apart.
fn used_by_pool(input: &Input<'_>) -> BTreeMap<Name, Resources> {
    let mut used: BTreeMap<Name, Resources> = BTreeMap::new();
    for view in View::all(input.cluster) {
        let leaves = view.node.is_some_and(|node: &Node| input.leaving.contains(&node.id));
        let Some(pool) = view.pool(input.cluster).filter(|_| !leaves && !view.is_leaving()) else { continue };
        let total = used.entry(pool.clone()).or_default();
        total.add(&view.capacity());
        total.set("nodes", total.get("nodes").saturating_add(1));
    }
    used
}
