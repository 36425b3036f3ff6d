//! Planning for pending pods and creating the claims.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/provisioner.go` (`Schedule`, `Create`) and
//! `pkg/controllers/state/statenode.go` (nominations).

use std::collections::{BTreeMap, BTreeSet};

use cluster::change::ClaimOrNode;
use cluster::network::SubnetId;
use cluster::node_pool::DisruptionReason;
use cluster::{ClaimId, Cluster, Name, NodeClaim, PodId};
use provisioning::buffers::solve_with_room;
use provisioning::class::is_provisionable;
use provisioning::disruption::consolidation::pods_of_leaving;
use provisioning::disruption::pdb::PodBudgets;
use provisioning::{Input, PlannedClaim, Purpose, Solution, pool};

use crate::controller::{Autoscaler, Context};
use crate::effect::Effect;
use crate::policy;

/// The longest name of a claim.
const LONGEST_NAME: usize = 63;

/// Claims asked for, by name, until the API has them.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    run: Name,
    named: u32,
    asked: BTreeMap<Name, Asked>,
    created: Vec<(ClaimId, Asked)>,
}

/// What a claim was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The pods that it is for.
    pub pods: Vec<PodId>,
    /// The disruption command whose replacement it is.
    pub command: Option<u32>,
    /// The subnet that it was planned into.
    pub subnet: Option<SubnetId>,
}

impl Planned {
    /// Names claims so that those of another run are not met.
    pub fn of_run(run: Name) -> Planned {
        Planned { run, ..Planned::default() }
    }

    /// A name for the next claim of a pool. Claims that are there count, so that a value which starts anew in the
    /// same run goes on counting.
    fn next_name(&mut self, cluster: &Cluster, pool: &str) -> Name {
        let there = u32::try_from(cluster.claims.len()).unwrap_or(u32::MAX);
        let number = self.named.max(there);
        self.named = number.saturating_add(1);
        // The name is a label's value as well (the node's hostname): at most 63 letters.
        let suffix = format!("-{}{number:05}", self.run);
        let room = LONGEST_NAME.saturating_sub(suffix.len());
        let end = pool.char_indices().nth(room).map_or(pool.len(), |(end, _)| end);
        Name::from(format!("{}{suffix}", &pool[..end]))
    }

    /// The API has a claim; false if it was not asked for: somebody else made it.
    pub fn created(&mut self, claim: &NodeClaim) -> bool {
        let asked = self.asked.remove(&claim.name);
        let known = asked.is_some();
        self.created.extend(asked.map(|asked| (claim.id, asked)));
        known
    }

    /// The API will not have a claim that was asked for.
    pub fn not_created(&mut self, name: &Name) {
        self.asked.remove(name);
    }

    /// Whether the API has every claim that was asked for: before, a plan would not count with them.
    pub fn is_settled(&self) -> bool {
        self.asked.is_empty()
    }

    /// Claims that the API has since this was last asked.
    pub fn take_created(&mut self) -> Vec<(ClaimId, Asked)> {
        std::mem::take(&mut self.created)
    }
}

impl Autoscaler {
    /// What the claims were disrupted for that a claim which is asked for replaces.
    pub fn replaces(&self, claim: &Name) -> Option<DisruptionReason> {
        let asked = self.planned.asked.get(claim)?;
        self.disruption.reason(asked.command?)
    }

    /// The pods that a claim is for which is asked for.
    pub fn planned_for(&self, claim: &Name) -> &[PodId] {
        self.planned.asked.get(claim).map_or(&[], |asked| &asked.pods)
    }

    /// Goes on as if it had never asked for what it has asked for: nobody does it.
    pub fn withdraw(&mut self) {
        self.planned.asked.clear();
        self.disruption.withdraw();
    }

    /// How many pods the last plan had no place for and that still wait.
    pub fn refused_pods(&self) -> usize {
        self.refused.intersection(&self.pending).count()
    }

    /// Plans when the window closes.
    pub(crate) fn provision(&mut self, context: Context<'_>, effects: &mut Vec<Effect>) {
        let (cluster, now) = (context.cluster, context.cluster.now);
        for (claim, Asked { pods, command, subnet }) in self.planned.take_created() {
            self.disruption.replacement_created(command, claim);
            self.launches.submit(claim, subnet);
            for pod in pods.into_iter().filter(|pod| is_provisionable(cluster, cluster.pod(*pod))) {
                self.expect(pod, ClaimOrNode::Claim(claim), effects);
            }
        }
        self.batch.configure(&cluster.declared.karpenter);
        self.requeue(cluster);
        let due = self.batch.due().is_some_and(|at| at <= now);
        if due && self.is_settled() {
            self.batch.close(now);
            self.refresh_market(context);
            self.plan(context, effects);
        }
        self.launches.decide(cluster, self.reaches_cloud, effects);
        self.set_retry(cluster);
    }

    /// Pods that still wait are looked at again ten seconds after the last plan, if something changed.
    fn requeue(&mut self, cluster: &Cluster) {
        let due = self.retry_provisioning.is_some_and(|at| at <= cluster.now);
        if due && !self.batch.is_open() {
            if self.capacity_errors.expire(cluster.now) {
                self.market = None;
            }
            self.batch.open(cluster.now);
        }
        self.retry_provisioning = None;
    }

    /// When to look again: after a change at the next requeue; and when a capacity error that may stand in the way
    /// is forgotten.
    fn set_retry(&mut self, cluster: &Cluster) {
        if self.batch.is_open() {
            return;
        }
        self.pending.retain(|pod| is_provisionable(cluster, cluster.pod(*pod)));
        if self.pending.is_empty() && !self.moves_pods() {
            return;
        }
        let changed = self.batch.changed.then(|| self.batch.requeued_at(cluster.now));
        let refused = self.pending.iter().any(|pod| self.refused.contains(pod));
        let forgotten = self.capacity_errors.next_expiry().filter(|_| refused);
        let forgotten = forgotten.map(|at| at.max(cluster.now.after_ms(1)));
        self.retry_provisioning = [changed, forgotten].into_iter().flatten().min();
    }

    /// Whether pods of nodes that go need a place.
    fn moves_pods(&self) -> bool {
        !self.drains.is_empty() || self.disruption.is_running()
    }

    fn plan(&mut self, context: Context<'_>, effects: &mut Vec<Effect>) {
        let cluster = context.cluster;
        let Some(market) = self.market.take() else { return };
        let going = self.disruption.going();
        let budgets = PodBudgets::of(cluster);
        self.pending.retain(|pod| is_provisionable(cluster, cluster.pod(*pod)));
        let mut pods: Vec<PodId> = self.pending.iter().copied().collect();
        pods.extend(pods_of_leaving(cluster, &budgets, &going));
        self.nominated.replan();
        if !pods.is_empty() || self.buffers.are_planned_for(cluster) {
            let facts = self.provisioner.facts(cluster, context.catalog);
            let (solution, hosted) = solve_with_room(&Input {
                cluster,
                market: &market,
                pods: &pods,
                leaving: &going,
                settling: &BTreeSet::new(),
                policy: policy::policy(facts.as_ref()),
                purpose: Purpose::Provisioning,
            });
            // A node that keeps no room any more may be empty.
            self.disruption.changed |= self.buffers.planned(cluster, hosted, effects);
            self.carry_out(cluster, solution, effects);
        }
        self.market = Some(market);
    }

    fn carry_out(&mut self, cluster: &Cluster, solution: Solution, effects: &mut Vec<Effect>) {
        for (pod, place) in solution.on_existing {
            if let ClaimOrNode::Node(node) = place {
                self.nominated.note(cluster, node, pod);
            }
            if is_provisionable(cluster, cluster.pod(pod)) {
                self.expect(pod, place, effects);
            }
        }
        self.refused = solution.refused.iter().map(|(pod, _)| *pod).collect();
        for (pod, reasons) in solution.refused {
            let known = cluster.refusals.get(&pod).is_some_and(|refusal| refusal.pools == reasons);
            if is_provisionable(cluster, cluster.pod(pod)) && !known {
                self.expected.remove(&pod);
                effects.push(Effect::RefusePod(pod, reasons));
            }
        }
        for claim in solution.new_claims {
            self.create(cluster, claim, None, effects);
        }
    }

    /// Creates a claim unless the pool has gone since or its limits are passed already; true when it was asked for.
    pub(crate) fn create(
        &mut self,
        cluster: &Cluster,
        mut claim: PlannedClaim,
        command: Option<u32>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(pool) = claim.pool_in(&cluster.declared) else { return false };
        claim.pool = pool;
        if pool::limit_passed(cluster, pool).is_some() {
            return false;
        }
        let pool = &cluster.declared.node_pools[pool as usize].name;
        let name = self.planned.next_name(cluster, pool);
        let new = claim.new_claim(cluster, name.clone());
        self.planned.asked.insert(name, Asked { pods: claim.pods, command, subnet: claim.subnet });
        effects.push(Effect::CreateClaim(Box::new(new)));
        true
    }

    fn expect(&mut self, pod: PodId, place: ClaimOrNode, effects: &mut Vec<Effect>) {
        if self.expected.insert(pod, place) != Some(place) {
            effects.push(Effect::ExpectPod(pod, place));
        }
    }
}
