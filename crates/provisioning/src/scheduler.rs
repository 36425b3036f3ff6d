//! Placing pods: first fit, in Karpenter's order.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/{scheduler,queue}.go` and
//! `pkg/controllers/provisioning/provisioner.go` (`NewScheduler`, `Validate`).
//!
//! A pod is tried on nodes that are there, then on claims of this plan with the fewest pods first, then on a new
//! claim of each pool in turn; every failure gives up one of its preferences. Pods that fail go to the end of the
//! queue until a whole round changes nothing. Claims with equally many pods keep their order (Karpenter's sort is
//! not stable there).

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use cluster::change::ClaimOrNode;
use cluster::requirements::Undefined;
use cluster::{Effect, Name, Node, PodId, PodTemplate, Resources};

use crate::bits::Bits;
use crate::claim::{Bench, CompatibleTypes, Misfit, OpenClaim};
use crate::class::{ClassId, Classes, Constraints};
use crate::daemons::{self, Daemon, all_tolerated};
use crate::existing::{self, Existing, View};
use crate::input::{Input, Policy, Purpose, Solution};
use crate::plan::PlannedClaim;
use crate::plimsoll;
use crate::plimsoll::addresses::{self, ADDRESSES};
use crate::plimsoll::guide::{self, Margin, Ware};
use crate::pool::{self, PoolTemplate, Unusable};
use crate::refusal;
use crate::relax::relaxed;
use crate::reservations::Reservations;
use crate::sets::{SetId, Sets, hostname_agrees, split_hostname};
use crate::topology::{DomainSource, Ground, Place, Topology};
use crate::volumes::{self, Attached, VolumeIndex};
use crate::{ports, topology};

/// Where every pod goes.
pub fn solve(input: &Input<'_>) -> Solution {
    match input.policy {
        Policy::Karpenter => Scheduler::new(input).run(),
        Policy::Plimsoll(addresses) => plimsoll::solve(input, addresses),
    }
}

/// One plan in the making.
pub(crate) struct Scheduler<'a> {
    pub(crate) input: &'a Input<'a>,
    pub(crate) sets: Sets,
    pub(crate) classes: Classes,
    pub(crate) topology: Topology,
    pub(crate) ground: Ground<'a>,
    pub(crate) templates: Vec<PoolTemplate>,
    /// By template: its requirements, host name apart.
    pub(crate) template_sets: Vec<SetId>,
    /// In the order tried, with those that are not.
    pub(crate) pools: Vec<(u32, Result<usize, Unusable>)>,
    /// By template: what is left under `spec.limits`.
    pub(crate) remaining: Vec<Vec<(Name, i64)>>,
    pub(crate) types: CompatibleTypes,
    reservations: Reservations,
    nodes: Vec<Existing>,
    placed: Vec<(PodId, ClaimOrNode)>,
    claims: Vec<OpenClaim>,
    /// Claims by number of pods, fewest first.
    order: Vec<usize>,
    /// By class: nodes and claims that can never take such a pod.
    dead: Vec<(Bits, Bits)>,
    relaxations: Vec<Option<Option<ClassId>>>,
    tolerate_prefer_no_schedule: bool,
    /// Types that new claims of a class are led to, by template; empty when they are not led.
    favoured: Vec<BTreeMap<ClassId, Bits>>,
    requests: Vec<Waiting>,
    unplannable: Vec<PodId>,
}

/// A pod in the queue.
#[derive(Clone, Debug)]
struct Waiting {
    pod: PodId,
    class: ClassId,
    attached: Attached,
    pushed_at_len: usize,
}

impl<'a> Scheduler<'a> {
    fn new(input: &'a Input<'a>) -> Scheduler<'a> {
        let cluster = input.cluster;
        let mut daemon_sets = daemon_sets(input);
        let pools = prepare_pools(input, &mut daemon_sets);
        let tried = pools.iter().any(|(_, prepared)| prepared.is_ok());
        let daemon_sets: Vec<PodTemplate> =
            daemon_sets.into_iter().map(|daemon| daemon.for_nodes(tried)).collect();
        let daemon_sets: Vec<&PodTemplate> = daemon_sets.iter().collect();
        let volumes = VolumeIndex::of(cluster);
        let (mut sets, mut classes) = (Sets::default(), Classes::default());
        let (requests, unplannable) = queue(input, &volumes, &mut classes, &mut sets);
        let mut keys = classes.keys();
        // Pods that run keep others away by these.
        let running = cluster.pods.iter().filter(|pod| pod.holds_node());
        let terms = running.flat_map(|pod| &pod.template.pod_anti_affinity.required);
        keys.extend(terms.map(|term| term.topology_key.clone()));
        let nodes = existing::existing(input, &keys, &daemon_sets, &volumes, &mut sets);
        let tracked = requests.iter().filter(|waiting| !classes.get(waiting.class).constraints.untracked);
        let moving: Bits = tracked.map(|waiting| waiting.pod.0 as usize).collect();
        let hosts = nodes.iter().enumerate().filter_map(|(host, node)| match node.id {
            ClaimOrNode::Node(id) => Some((id, host)),
            ClaimOrNode::Claim(_) => None,
        });
        let ground = Ground::new(cluster, &moving, domain_sources(input), hosts.collect());
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
            remaining: Vec::new(),
            types: CompatibleTypes::default(),
            reservations: Reservations::of(input, &pool::in_order(input)),
            nodes,
            placed: Vec::new(),
            claims: Vec::new(),
            order: Vec::new(),
            dead: Vec::new(),
            relaxations: Vec::new(),
            tolerate_prefer_no_schedule: false,
            favoured: Vec::new(),
            requests,
            unplannable,
        };
        scheduler.adopt_pools(pools);
        scheduler
    }

    /// A plan whose new claims are led to types that are cheap for the pods.
    pub(crate) fn guided(input: &'a Input<'a>, margin: Option<Margin>) -> Scheduler<'a> {
        let mut scheduler = Scheduler::new(input);
        if let Some(margin) = margin {
            scheduler.favoured = (0..scheduler.templates.len())
                .map(|template| scheduler.favoured_of(template, margin))
                .collect();
        }
        scheduler
    }

    /// By class, the favoured types of a template. Classes that can use the same types are weighed together.
    fn favoured_of(&mut self, template: usize, margin: Margin) -> BTreeMap<ClassId, Bits> {
        let mut demands: Vec<(Bits, Resources, Vec<ClassId>)> = Vec::new();
        for waiting in &self.requests {
            let class = self.classes.get(waiting.class);
            if let Some(known) = demands.iter_mut().find(|(_, _, classes)| classes.contains(&waiting.class)) {
                known.1.add(&class.constraints.requests);
                continue;
            }
            let narrowed =
                self.sets.narrow(self.template_sets[template], class.wanted, Undefined::WellKnownAllowed);
            let Ok(set) = narrowed else { continue };
            let pool = &self.templates[template];
            let types = self.types.of(template, pool, set, &self.sets).and(&pool.holds_daemons);
            match demands.iter_mut().find(|(known, _, _)| *known == types) {
                Some((_, demand, classes)) => {
                    demand.add(&class.constraints.requests);
                    classes.push(waiting.class);
                }
                None => demands.push((types, class.constraints.requests.clone(), vec![waiting.class])),
            }
        }
        let pool = &self.templates[template];
        let mut favoured = BTreeMap::new();
        for (types, demand, classes) in demands {
            let ware = |index: usize| {
                let price_micro_usd = pool.types[index].cheapest_micro_usd(&pool.requirements)?;
                Some(Ware { index, room: &pool.room[index], price_micro_usd })
            };
            let wares: Vec<Ware<'_>> = types.iter().filter_map(ware).collect();
            let types = guide::favoured(&wares, &demand, margin);
            favoured.extend(classes.into_iter().map(|class| (class, types.clone())));
        }
        favoured
    }

    /// The types that a claim may become: when it was led to some, all that hold it.
    pub(crate) fn possible_types(&self, claim: &OpenClaim) -> Bits {
        let pool = &self.templates[claim.template];
        let led = !self.favoured.is_empty() && self.remaining[claim.template].is_empty();
        if !led || !claim.ports.is_empty() {
            return claim.alive.clone();
        }
        let compatible = pool.compatible(self.sets.get(claim.set)).and(&pool.holds_daemons);
        compatible.iter().filter(|&index| claim.requests.exceeds(&pool.room[index]).is_none()).collect()
    }

    fn adopt_pools(&mut self, pools: Vec<(u32, Result<PoolTemplate, Unusable>)>) {
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
                self.remaining.push(declared.limits.iter().map(left).collect());
                let (set, _) = split_hostname(template.requirements.clone());
                self.template_sets.push(self.sets.intern(set));
                self.templates.push(template);
                self.templates.len() - 1
            });
            self.pools.push((pool, outcome));
        }
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
                    let reasons = refusal::explain(&mut self, last);
                    explained.insert(waiting.class, reasons.clone());
                    reasons
                }
            };
            refused.push((waiting.pod, reasons));
        }
        for pod in &self.unplannable {
            refused.push((*pod, refusal::volumes_unusable(&self)));
        }
        refused.sort_by_key(|(pod, _)| *pod);
        let claims = std::mem::take(&mut self.claims);
        let mut new_claims = Vec::new();
        for claim in claims {
            let (planned, dropped) = PlannedClaim::of(&self, claim);
            new_claims.extend(planned);
            refused.extend(dropped);
        }
        Solution { on_existing: self.placed, new_claims, refused }
    }

    /// Makes a class known to topology and to the bookkeeping.
    fn learn(&mut self, id: ClassId) {
        self.topology.add_class(id, self.classes.get(id), &self.ground);
        let len = self.classes.len();
        self.dead.resize_with(len, Default::default);
        self.relaxations.resize(len, None);
    }

    /// Places a pod, giving up its preferences one by one.
    fn place(&mut self, waiting: &Waiting) -> bool {
        let mut class = waiting.class;
        loop {
            match self.add(waiting, class) {
                Ok(()) => return true,
                Err(Misfit::Reserved) => return false,
                Err(Misfit::Never | Misfit::NotNow) => {}
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
        if let Some(known) = self.relaxations.get(id.0 as usize).copied().flatten() {
            return known;
        }
        let next = relaxed(&self.classes.get(id).constraints, self.tolerate_prefer_no_schedule)
            .map(|constraints| self.classes.intern(constraints, &mut self.sets));
        next.into_iter().for_each(|next| self.learn(next));
        self.relaxations[id.0 as usize] = Some(next);
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
        if self.add_to_node(waiting, class) || self.add_to_open_claim(waiting, class) {
            return Ok(());
        }
        self.add_to_new_claim(waiting, class)
    }

    fn add_to_node(&mut self, waiting: &Waiting, id: ClassId) -> bool {
        let movable = self.input.purpose == Purpose::Provisioning || {
            let pod = self.input.cluster.pod(waiting.pod);
            let leaving = |node: cluster::NodeId| {
                View::of_node(self.input.cluster, self.input.cluster.node(node)).is_leaving()
            };
            pod.stage == cluster::pod::Stage::Pending || pod.node.is_none_or(leaving)
        };
        for index in 0..self.nodes.len() {
            if self.dead[id.0 as usize].0.has(index) || self.nodes[index].settling && !movable {
                continue;
            }
            match self.fits_node(index, id, &waiting.attached) {
                Ok(set) => {
                    self.settle_on_node(index, waiting, id, set);
                    return true;
                }
                Err(Misfit::Never) => self.dead[id.0 as usize].0.insert(index),
                Err(Misfit::NotNow | Misfit::Reserved) => {}
            }
        }
        false
    }

    fn fits_node(&mut self, index: usize, id: ClassId, attached: &Attached) -> Result<SetId, Misfit> {
        let (node, class) = (&self.nodes[index], self.classes.get(id));
        let constraints = &class.constraints;
        if node.overdrawn
            || constraints.requests.exceeds(&node.room).is_some()
            || !all_tolerated(&node.taints, &constraints.tolerations)
            || !hostname_agrees(class.wanted_host.as_ref(), &node.hostname)
            || ports::any_taken(&constraints.host_ports, &node.ports)
        {
            return Err(Misfit::Never);
        }
        if volumes::over_limit(&node.attached, attached, &node.volume_limits) {
            // Depends on the pod's own claims, not on its class.
            return Err(Misfit::NotNow);
        }
        let base = self.sets.narrow(node.set, class.wanted, Undefined::Denied)?;
        let place = Place { host: index, hostname: &node.hostname, taints: &node.taints };
        if class.volumes.is_empty() {
            return narrowed_by_topology(&mut self.sets, &self.topology, id, class, &place, base);
        }
        let mut worst = Misfit::Never;
        for (volume, host) in &class.volumes {
            if !hostname_agrees(host.as_ref(), &node.hostname) {
                continue;
            }
            let set = self.sets.narrow(base, *volume, Undefined::Denied);
            let fit = set
                .map_err(Misfit::from)
                .and_then(|set| narrowed_by_topology(&mut self.sets, &self.topology, id, class, &place, set));
            match fit {
                Ok(set) => return Ok(set),
                Err(Misfit::Never) => {}
                Err(misfit) => worst = misfit,
            }
        }
        Err(worst)
    }

    fn settle_on_node(&mut self, index: usize, waiting: &Waiting, id: ClassId, set: SetId) {
        let constraints = std::sync::Arc::clone(&self.classes.get(id).constraints);
        let node = &mut self.nodes[index];
        node.room.subtract(&constraints.requests);
        node.set = set;
        node.ports.extend(constraints.host_ports.iter().cloned());
        for (driver, claims) in &waiting.attached {
            node.attached.entry(driver.clone()).or_default().extend(claims.iter().cloned());
        }
        self.placed.push((waiting.pod, node.id));
        let place = Place { host: index, hostname: &node.hostname, taints: &node.taints };
        self.topology.record(id, &place, self.sets.get(set));
    }

    fn add_to_open_claim(&mut self, waiting: &Waiting, id: ClassId) -> bool {
        for position in 0..self.order.len() {
            let index = self.order[position];
            if self.dead[id.0 as usize].1.has(index) {
                continue;
            }
            let class = self.classes.get(id);
            let mut bench = Bench {
                templates: &self.templates,
                sets: &mut self.sets,
                types: &mut self.types,
                topology: &self.topology,
                reservations: &self.reservations,
                lower_min_values: false,
            };
            match bench.fit(&self.claims[index], id, class) {
                Ok(fit) => {
                    let claim = &mut self.claims[index];
                    self.reservations.exchange(claim.host, &claim.reserved, &fit.reserved);
                    claim.add(waiting.pod, class, fit, &self.templates[claim.template]);
                    self.record_claim(index, id);
                    self.reorder(position);
                    return true;
                }
                Err(Misfit::Never) => self.dead[id.0 as usize].1.insert(index),
                Err(Misfit::NotNow | Misfit::Reserved) => {}
            }
        }
        false
    }

    fn add_to_new_claim(&mut self, waiting: &Waiting, id: ClassId) -> Result<(), Misfit> {
        for template in 0..self.templates.len() {
            let Some(types) = self.types_under_limits(template) else { continue };
            let led =
                self.favoured.get(template).and_then(|favoured| favoured.get(&id)).map(|few| types.and(few));
            let claim = led.and_then(|few| self.new_claim(template, few, waiting.pod, id).ok());
            let claim = match claim.map_or_else(|| self.new_claim(template, types, waiting.pod, id), Ok) {
                Ok(claim) => claim,
                // Pools of less weight are no way around reserved capacity that is taken for now.
                Err(Misfit::Reserved) => return Err(Misfit::Reserved),
                Err(Misfit::Never | Misfit::NotNow) => continue,
            };
            self.reservations.exchange(claim.host, &[], &claim.reserved);
            let pool = &self.templates[template];
            for (name, left) in &mut self.remaining[template] {
                let most = claim.alive.iter().map(|index| pool.types[index].capacity.get(name)).max();
                *left = left.saturating_sub(most.unwrap_or(0));
            }
            let host = self.topology.add_host(claim.hostname.clone());
            debug_assert_eq!(host, claim.host);
            self.claims.push(claim);
            let index = self.claims.len() - 1;
            self.record_claim(index, id);
            let at = self.order.partition_point(|&other| self.claims[other].pods.len() <= 1);
            self.order.insert(at, index);
            return Ok(());
        }
        Err(Misfit::NotNow)
    }

    /// Types of a template that the pool's limits leave; `None` when they leave none.
    pub(crate) fn types_under_limits(&self, template: usize) -> Option<Bits> {
        let (pool, remaining) = (&self.templates[template], &self.remaining[template]);
        if remaining.iter().any(|(name, left)| name == "nodes" && *left == 0) {
            return None;
        }
        let within = |index: &usize| {
            let capacity = &pool.types[*index].capacity;
            remaining.iter().all(|(name, left)| capacity.get(name) <= *left)
        };
        let types: Bits = pool.usable.iter().filter(within).collect();
        (!types.is_empty()).then_some(types)
    }

    fn new_claim(
        &mut self,
        template: usize,
        types: Bits,
        pod: PodId,
        id: ClassId,
    ) -> Result<OpenClaim, Misfit> {
        let pool = &self.templates[template];
        let host = self.nodes.len() + self.claims.len();
        let mut claim = OpenClaim::new(template, pool, self.template_sets[template], types, host);
        let class = self.classes.get(id);
        let mut bench = Bench {
            templates: &self.templates,
            sets: &mut self.sets,
            types: &mut self.types,
            topology: &self.topology,
            reservations: &self.reservations,
            lower_min_values: self.input.cluster.declared.karpenter.min_values_best_effort,
        };
        let fit = bench.fit(&claim, id, class)?;
        claim.add(pod, class, fit, pool);
        Ok(claim)
    }

    fn record_claim(&mut self, index: usize, id: ClassId) {
        let claim = &self.claims[index];
        let taints = &self.templates[claim.template].taints;
        let place = Place { host: claim.host, hostname: &claim.hostname, taints };
        self.topology.record(id, &place, self.sets.get(claim.set));
    }

    /// The claim at `position` has one pod more: it moves behind those that have as few as it had.
    fn reorder(&mut self, position: usize) {
        let pods = self.claims[self.order[position]].pods.len();
        let rest = &self.order[position + 1..];
        let fewer = rest.partition_point(|&other| self.claims[other].pods.len() < pods);
        self.order[position..=position + fewer].rotate_left(1);
    }

    /// The host index that the next claim would have.
    pub(crate) fn next_host(&self) -> usize {
        self.nodes.len() + self.claims.len()
    }
}

fn narrowed_by_topology(
    sets: &mut Sets,
    topology: &topology::Topology,
    id: ClassId,
    class: &crate::class::Class,
    place: &Place<'_>,
    set: SetId,
) -> Result<SetId, Misfit> {
    if !topology.binds(id) {
        return Ok(set);
    }
    let narrowing = topology
        .narrowing(id, class, place, sets.get(set))
        .map_err(|refused| if refused.final_for_place { Misfit::Never } else { Misfit::NotNow })?;
    if narrowing.is_empty() {
        return Ok(set);
    }
    let narrowing = sets.intern(narrowing);
    sets.narrow(set, narrowing, Undefined::Denied).map_err(|_| Misfit::NotNow)
}

/// The pods to place, largest first, and those that Karpenter does not plan for because of their volumes.
fn queue(
    input: &Input<'_>,
    volumes: &VolumeIndex<'_>,
    classes: &mut Classes,
    sets: &mut Sets,
) -> (Vec<Waiting>, Vec<PodId>) {
    let ignore_preferences = input.cluster.declared.karpenter.ignore_preferences;
    let (mut queue, mut unplannable) = (Vec::new(), Vec::new());
    for &id in input.pods {
        let pod = input.cluster.pod(id);
        let pending = pod.node.is_none();
        let alternatives = volumes.alternatives(input.cluster, pod, pending);
        if alternatives.is_none() && pending {
            unplannable.push(id);
            continue;
        }
        let untracked = alternatives.is_none();
        let mut constraints = Constraints::of(pod, alternatives.unwrap_or_default(), ignore_preferences);
        constraints.untracked = untracked;
        if matches!(input.policy, Policy::Plimsoll(_)) {
            ask_for_address(&mut constraints.requests, &pod.template);
        }
        let class = classes.intern(constraints, sets);
        let attached = volumes.attached(input.cluster, pod);
        queue.push(Waiting { pod: id, class, attached, pushed_at_len: 0 });
    }
    queue.sort_by_key(|waiting| {
        let pod = input.cluster.pod(waiting.pod);
        let requests = &pod.template.requests;
        // Creation times have a resolution of one second.
        (-requests.cpu_millis, -requests.memory_bytes, pod.created.0.div_euclid(1000), waiting.pod)
    });
    (queue, unplannable)
}

/// The DaemonSets' templates, as the policy counts them.
fn daemon_sets<'a>(input: &Input<'a>) -> Vec<Daemon<'a>> {
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

fn ask_for_address(requests: &mut Resources, template: &PodTemplate) {
    if addresses::wants_address(template) {
        requests.set(ADDRESSES, 1);
    }
}

fn prepare_pools(
    input: &Input<'_>,
    daemon_sets: &mut [Daemon<'_>],
) -> Vec<(u32, Result<PoolTemplate, Unusable>)> {
    let prepare = |pool: u32| (pool, PoolTemplate::prepare(input, pool, daemon_sets));
    pool::in_order(input).into_iter().map(prepare).collect()
}

fn domain_sources(input: &Input<'_>) -> Vec<DomainSource> {
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
