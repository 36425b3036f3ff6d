//! Placing pods: first fit, in Karpenter's order.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/scheduler.go`.
//!
//! A pod is tried on nodes that are there, then on claims of this plan with the fewest pods first, then on a new
//! claim of each pool in turn; every failure gives up one of its preferences. Pods that fail go to the end of the
//! queue until a whole round changes nothing. Claims with equally many pods keep their order (Karpenter's sort is
//! not stable there).

mod claims;
mod guided;
mod limits;
mod memory;
mod nodes;
mod order;
pub(crate) mod pools;
mod queue;
mod stretches;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use cluster::PodId;
use cluster::change::ClaimOrNode;
use cluster::rejection::PoolReason;

use crate::bits::Bits;
use crate::claim::{CompatibleTypes, Misfit, OpenClaim};
use crate::class::{ClassId, Classes, Constraints};
use crate::existing::Existing;
use crate::input::{Input, Policy, Solution};
use crate::plan::{ByPrice, PlannedClaim};
use crate::plimsoll;
use crate::pool::{self, PoolTemplate, Unusable};
use crate::refusal;
use crate::relax::relaxed;
use crate::reservations::Reservations;
use crate::sets::{SetId, Sets};
use crate::survey::Survey;
use crate::topology::{Ground, Topology};
use limits::Limits;
use memory::{Barred, Memory};
use order::Order;
use queue::{Waiting, queue};

/// Where every pod goes.
pub fn solve(input: &Input<'_>) -> Solution {
    solve_on(input, &Survey::of(input))
}

/// The same, with what is known of the cluster already; `survey` is of the same cluster, market and policy.
pub(crate) fn solve_on(input: &Input<'_>, survey: &Survey<'_>) -> Solution {
    match input.policy {
        Policy::Karpenter => Scheduler::new(input, survey).run(),
        Policy::Plimsoll(addresses) => plimsoll::solve(input, survey, addresses),
    }
}

/// One plan in the making.
pub(crate) struct Scheduler<'a> {
    pub(crate) input: &'a Input<'a>,
    pub(crate) sets: Sets,
    pub(crate) classes: Classes,
    pub(crate) topology: Topology,
    pub(crate) ground: Ground<'a>,
    pub(crate) templates: Vec<Rc<PoolTemplate>>,
    /// By template: its requirements, host name apart.
    pub(crate) template_sets: Vec<SetId>,
    /// In the order tried, with those that are not.
    pub(crate) pools: Vec<(u32, Result<usize, Unusable>)>,
    /// By template: what is left under `spec.limits`.
    pub(crate) limits: Vec<Limits>,
    pub(crate) types: CompatibleTypes,
    reservations: Reservations,
    nodes: Vec<Existing>,
    placed: Vec<(PodId, ClaimOrNode)>,
    claims: Vec<OpenClaim>,
    order: Order,
    /// By template: the last claim that was begun, without its pod.
    blanks: Vec<Option<(Bits, OpenClaim)>>,
    /// By class.
    memory: Vec<Memory>,
    /// By [`Topology::host_rules`].
    barred: Vec<Barred>,
    tolerate_prefer_no_schedule: bool,
    /// Types that new claims of a class are led to, by template; empty when they are not led.
    favoured: Vec<BTreeMap<ClassId, Bits>>,
    requests: Vec<Waiting>,
    unplannable: Vec<(PodId, PoolReason)>,
}

impl<'a> Scheduler<'a> {
    fn new(input: &'a Input<'a>, survey: &Survey<'a>) -> Scheduler<'a> {
        let (mut sets, mut classes) = (Sets::default(), Classes::default());
        let (requests, unplannable) = queue(input, &survey.volumes, &mut classes, &mut sets);
        let mut keys = classes.keys();
        keys.extend(survey.keys.iter().cloned());
        let nodes = survey.staying(input, &keys, &mut sets);
        let tracked = requests.iter().filter(|waiting| !classes.get(waiting.class).constraints.untracked);
        let moving = tracked.map(|waiting| waiting.pod);
        let hosts = nodes.iter().enumerate().filter_map(|(host, node)| Some((node.node()?, host)));
        let (running, sources) = (Rc::clone(&survey.running), Rc::clone(&survey.sources));
        let ground = Ground::new(input.cluster, moving, running, sources, hosts.collect());
        let hostnames = nodes.iter().map(|node| node.hostname.clone()).collect();
        let topology = Topology::of_running_pods(&ground, hostnames);
        let mut scheduler = Scheduler {
            input,
            sets,
            classes,
            topology,
            ground,
            templates: Vec::new(),
            template_sets: Vec::new(),
            pools: Vec::new(),
            limits: Vec::new(),
            types: CompatibleTypes::default(),
            reservations: Reservations::of(input, &pool::in_order(input)),
            nodes,
            placed: Vec::new(),
            claims: Vec::new(),
            order: Order::default(),
            blanks: Vec::new(),
            memory: Vec::new(),
            barred: Vec::new(),
            tolerate_prefer_no_schedule: false,
            favoured: Vec::new(),
            requests,
            unplannable,
        };
        scheduler.adopt_pools(survey);
        scheduler
    }

    pub(crate) fn run(mut self) -> Solution {
        let mut queue: VecDeque<Waiting> = std::mem::take(&mut self.requests).into();
        // Pods of the queue are known to topology from the start.
        let initial: Vec<ClassId> = queue.iter().map(|waiting| waiting.class).collect();
        initial.into_iter().for_each(|class| self.learn(class));
        let mut failed: Vec<Waiting> = Vec::new();
        if self.pools.iter().all(|(_, outcome)| matches!(outcome, Err(Unusable::NotReady(_)))) {
            // Without a pool to create claims from, Karpenter makes no plan at all, not even for nodes that are there.
            failed.extend(queue.drain(..));
        }
        while let Some(mut waiting) = queue.pop_front() {
            if waiting.pushed_at_len == queue.len() + 1 {
                failed.push(waiting);
                failed.extend(queue);
                break;
            }
            if !self.place(&waiting) {
                waiting.class = self.tracked(waiting.class);
                waiting.pushed_at_len = queue.len() + 1;
                queue.push_back(waiting);
            }
        }
        self.finish(&failed)
    }

    fn finish(mut self, failed: &[Waiting]) -> Solution {
        let mut refused: Vec<(PodId, Vec<cluster::rejection::PoolRejection>)> = Vec::new();
        let mut explained: BTreeMap<ClassId, Vec<cluster::rejection::PoolRejection>> = BTreeMap::new();
        for waiting in failed {
            let reasons = match explained.get(&waiting.class) {
                Some(reasons) => reasons.clone(),
                None => {
                    let last = self.fully_relaxed(waiting.class);
                    let reasons = refusal::explain(&self, last);
                    explained.insert(waiting.class, reasons.clone());
                    reasons
                }
            };
            refused.push((waiting.pod, reasons));
        }
        for (pod, reason) in &self.unplannable {
            refused.push((*pod, refusal::of_every_pool(&self, reason)));
        }
        refused.sort_by_key(|(pod, _)| *pod);
        let claims = std::mem::take(&mut self.claims);
        let (mut new_claims, mut by_price) = (Vec::with_capacity(claims.len()), ByPrice::of(claims.len()));
        for claim in claims {
            let (planned, dropped) = PlannedClaim::of(&mut self, &mut by_price, claim);
            new_claims.extend(planned);
            refused.extend(dropped);
        }
        Solution { on_existing: self.placed, new_claims, refused }
    }

    /// Makes a class known to topology and to the bookkeeping.
    fn learn(&mut self, id: ClassId) {
        self.topology.add_class(id, self.classes.get(id), &self.ground);
        self.memory.resize_with(self.classes.len(), Memory::default);
    }

    /// Places a pod, giving up its preferences one by one.
    fn place(&mut self, waiting: &Waiting) -> bool {
        let mut class = waiting.class;
        loop {
            match self.add(waiting, class) {
                Ok(()) => return true,
                Err(Misfit::Reserved) => return false,
                Err(Misfit::Never | Misfit::Barred | Misfit::NotNow) => {}
            }
            match self.relax(class) {
                Some(next) => class = next,
                None => return false,
            }
        }
    }

    /// The class with its topology rules known.
    fn tracked(&mut self, id: ClassId) -> ClassId {
        let constraints = &self.classes.get(id).constraints;
        if !constraints.untracked {
            return id;
        }
        let tracked = Constraints { untracked: false, ..Constraints::clone(constraints) };
        let tracked = self.classes.intern(tracked, &mut self.sets);
        self.learn(tracked);
        tracked
    }

    fn relax(&mut self, id: ClassId) -> Option<ClassId> {
        if let Some(known) = self.memory.get(id.0 as usize).and_then(|memory| memory.relaxed) {
            return known;
        }
        let next = relaxed(&self.classes.get(id).constraints, self.tolerate_prefer_no_schedule)
            .map(|constraints| self.classes.intern(constraints, &mut self.sets));
        next.into_iter().for_each(|next| self.learn(next));
        self.memory[id.0 as usize].relaxed = Some(next);
        next
    }

    fn fully_relaxed(&mut self, id: ClassId) -> ClassId {
        let mut last = id;
        while let Some(next) = self.relax(last) {
            last = next;
        }
        last
    }

    fn add(&mut self, waiting: &Waiting, class: ClassId) -> Result<(), Misfit> {
        self.topology.refresh(class, &self.classes.get(class).constraints);
        let version = self.topology.version(class);
        self.memory[class.0 as usize].prospects.renew(version);
        if self.add_to_node(waiting, class) || self.add_to_open_claim(waiting, class) {
            return Ok(());
        }
        self.add_to_new_claim(waiting, class)
    }
}
