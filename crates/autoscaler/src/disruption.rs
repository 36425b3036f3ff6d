//! Disruption: looking for nodes that can go, checking a command again after 15 seconds, and carrying it out.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/disruption/{controller,validation,queue}.go`. Not
//! modelled: node repair.

use std::collections::{BTreeMap, BTreeSet};

use cluster::change::NodePatch;
use cluster::node_claim::ClaimStage;
use cluster::{ClaimId, Cluster, NodeId, Timestamp};
use provisioning::Market;
use provisioning::disruption::candidate::{Held, consolidatable_at};
use provisioning::disruption::{self, Command, budget, consolidation, pods};
use provisioning::existing::View;

use crate::controller::{Autoscaler, Context};
use crate::effect::Effect;
use crate::nominations::Nominations;
use crate::policy;

/// Between two looks.
const POLL_MS: i64 = 10_000;
/// A command is checked again after this.
const VALIDATION_MS: i64 = 15_000;
/// A command whose replacement is not initialized by then is given up.
const RETRY_MAX_MS: i64 = 10 * 60_000;

/// Commands found, checked and carried out.
#[derive(Clone, Debug, Default)]
pub struct Disruption {
    /// Something changed since the last look.
    pub changed: bool,
    looked: Option<Timestamp>,
    pending: Option<(Command, Timestamp)>,
    running: BTreeMap<u32, Running>,
    last_id: u32,
    next_due: Option<Timestamp>,
    budget_change: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Running {
    nodes: Vec<NodeId>,
    reason: cluster::node_pool::DisruptionReason,
    /// Those that the API has, of so many.
    replacements: (Vec<ClaimId>, usize),
    started: Timestamp,
}

/// A command that is being carried out, for whoever counts and tells.
#[derive(Clone, Copy, Debug)]
pub struct Begun<'a> {
    /// Its number; later ones have higher ones.
    pub id: u32,
    /// The nodes that go.
    pub nodes: &'a [NodeId],
    /// Why.
    pub reason: cluster::node_pool::DisruptionReason,
    /// How many claims replace them.
    pub replacements: usize,
}

impl Disruption {
    /// Why a command takes nodes away.
    pub fn reason(&self, command: u32) -> Option<cluster::node_pool::DisruptionReason> {
        self.running.get(&command).map(|running| running.reason)
    }

    /// Nodes that a command is about: their room does not count.
    pub fn going(&self) -> BTreeSet<NodeId> {
        self.running.values().flat_map(|command| command.nodes.iter().copied()).collect()
    }

    /// The API has the replacement of a command.
    pub fn replacement_created(&mut self, command: Option<u32>, claim: ClaimId) {
        if let Some(running) = command.and_then(|id| self.running.get_mut(&id)) {
            running.replacements.0.push(claim);
        }
    }

    /// No command is being carried out.
    pub(crate) fn withdraw(&mut self) {
        self.running.clear();
    }

    /// Whether a command is being carried out.
    pub fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// When to look again without a change. While a launch is not answered, that answer is what is waited for.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let timeouts = self.running.values().map(|command| command.started.after_ms(RETRY_MAX_MS));
        let checked = self.pending.as_ref().map(|(_, at)| *at);
        timeouts.chain(checked).chain(self.next_due).min()
    }

    /// When a budget comes into force or ends: goes on for ever.
    pub fn next_budget_change(&self) -> Option<Timestamp> {
        self.budget_change
    }
}

impl Autoscaler {
    /// The commands after the one with this number that are being carried out.
    pub fn commands_after(&self, id: u32) -> impl Iterator<Item = Begun<'_>> {
        self.disruption.running.range(id.saturating_add(1)..).map(|(id, running)| Begun {
            id: *id,
            nodes: &running.nodes,
            reason: running.reason,
            replacements: running.replacements.1,
        })
    }

    /// Nodes of a command that was found and is not checked yet, and why they would go.
    pub fn proposed(&self) -> Option<(&[NodeId], cluster::node_pool::DisruptionReason)> {
        self.disruption.pending.as_ref().map(|(command, _)| (command.nodes.as_slice(), command.reason))
    }

    /// Nodes that commands are about.
    pub fn going(&self) -> BTreeSet<NodeId> {
        self.disruption.going()
    }

    pub(crate) fn disrupt(&mut self, context: Context<'_>, effects: &mut Vec<Effect>) {
        let (cluster, now) = (context.cluster, context.cluster.now);
        self.follow_commands(cluster, effects);
        let checks = self.disruption.pending.as_ref().is_some_and(|(_, at)| *at <= now);
        let budgets = self.disruption.budget_change.is_some_and(|at| at <= now);
        let looks =
            self.disruption.changed || budgets || self.disruption.next_due.is_some_and(|at| at <= now);
        if now < Timestamp::ZERO {
            // What exists at the start has its time from the start of the run.
            self.disruption.next_due = Some(Timestamp::ZERO);
            return;
        }
        if !checks && !looks || !self.is_settled() {
            return;
        }
        self.disruption.changed |= budgets;
        match self.disruption.pending.take() {
            Some((command, at)) if at <= now => self.check(context, command, effects),
            Some(later) => self.disruption.pending = Some(later),
            None => self.look(context, effects),
        }
    }

    /// Looks for a command when something changed or became due.
    fn look(&mut self, context: Context<'_>, effects: &mut Vec<Effect>) {
        let (cluster, now) = (context.cluster, context.cluster.now);
        let due = self.disruption.next_due.is_some_and(|at| at <= now);
        if !self.disruption.changed && !due {
            return;
        }
        let next_poll = self.disruption.looked.map_or(now, |at| at.after_ms(POLL_MS));
        if now < next_poll {
            self.disruption.next_due = Some(next_poll);
            return;
        }
        self.disruption.changed = false;
        if self.take_taints_back(cluster, effects) {
            self.disruption.next_due = Some(now.after_ms(POLL_MS));
            return;
        }
        self.disruption.looked = Some(now);
        if !has_managed_nodes(cluster) {
            (self.disruption.next_due, self.disruption.budget_change) = (None, None);
            return;
        }
        let found = self.ask(context, |market, held| disruption::commands(cluster, market, held));
        for command in found.unwrap_or_default() {
            if !command.is_final() {
                self.disruption.pending = Some((command, now.after_ms(VALIDATION_MS)));
                continue;
            }
            // A replacement that nobody sells would be given up at once.
            if command.replacements.iter().all(|claim| !claim.options.is_empty()) {
                self.start(cluster, command, effects);
                self.disruption.changed = true;
            }
        }
        self.disruption.next_due = next_due(cluster, &self.nominated);
        self.disruption.budget_change = next_budget_change(cluster);
    }

    /// Nodes that a command has tainted which nobody carries out any more: its controller was killed, or gave it up
    /// before it saw the taint. Nothing else is begun before they are free, or there would be more of them than budgets
    /// allow (`controller.go`, `Reconcile`).
    fn take_taints_back(&self, cluster: &Cluster, effects: &mut Vec<Effect>) -> bool {
        let going = self.disruption.going();
        let stays = |node: &&cluster::Node| {
            node.claim.is_some() && !going.contains(&node.id) && !View::of_node(cluster, node).is_leaving()
        };
        let before = effects.len();
        let staying = cluster.live_nodes().filter(|node| node.deleted.is_none()).filter(stays);
        staying.for_each(|node| set_taint(cluster, node.id, false, effects));
        effects.len() > before
    }

    /// A command that still holds after 15 seconds is carried out.
    fn check(&mut self, context: Context<'_>, command: Command, effects: &mut Vec<Effect>) {
        let cluster = context.cluster;
        let is_valid =
            |market: &Market, held: Held<'_>| consolidation::is_still_valid(cluster, market, held, &command);
        let valid = self.ask(context, is_valid);
        self.disruption.changed = true;
        self.disruption.next_due = Some(cluster.now.after_ms(POLL_MS));
        if valid == Some(true) {
            self.start(cluster, command, effects);
        }
    }

    /// Asks something of what can be bought now, and of what must not be touched.
    fn ask<T>(&mut self, context: Context<'_>, ask: impl FnOnce(&Market, Held<'_>) -> T) -> Option<T> {
        self.refresh_market(context);
        let going = self.disruption.going();
        let facts = self.provisioner.facts(context.cluster, context.catalog);
        let policy = policy::policy(facts.as_ref());
        self.nominated.renew(context.cluster, &going);
        let (nominated, buffered) = (self.nominated.until(), self.buffers.hosts());
        let held = Held { going: &going, nominated, buffered, policy };
        self.market.as_ref().map(|market| ask(market, held))
    }

    /// Taints the nodes and creates the replacement; without one the nodes go at once.
    fn start(&mut self, cluster: &Cluster, command: Command, effects: &mut Vec<Effect>) {
        self.disruption.last_id += 1;
        let id = self.disruption.last_id;
        let Command { nodes, reason, replacements } = command;
        let wanted = replacements.len();
        let mut replacements = replacements.into_iter();
        if !replacements.all(|claim| self.create(cluster, claim, Some(id), effects)) {
            return;
        }
        nodes.iter().for_each(|node| set_taint(cluster, *node, true, effects));
        let running = Running { nodes, reason, replacements: (Vec::new(), wanted), started: cluster.now };
        if wanted == 0 {
            delete(cluster, &running, effects);
        }
        self.disruption.running.insert(id, running);
        // Pods of nodes that go need a place: the node's taint triggers a plan.
        self.batch.open(cluster.now);
    }

    /// Commands whose replacement is ready, failed, or took too long; and those whose nodes are gone.
    fn follow_commands(&mut self, cluster: &Cluster, effects: &mut Vec<Effect>) {
        let mut ended = Vec::new();
        for (id, running) in &self.disruption.running {
            let deleted = running.nodes.iter().all(|node| {
                let node = cluster.node(*node);
                !node.exists() || View::of_node(cluster, node).is_leaving()
            });
            let (created, wanted) = &running.replacements;
            let claims = || created.iter().map(|claim| cluster.claim(*claim));
            let failed = claims().any(|claim| claim.stage == ClaimStage::Gone || claim.deleted.is_some());
            let ready = claims().filter(|claim| claim.stage == ClaimStage::Initialized).count();
            let late = cluster.now.since_ms(running.started) >= RETRY_MAX_MS;
            if deleted {
                ended.push(*id);
            } else if *wanted > 0 && ready == *wanted && !failed {
                delete(cluster, running, effects);
            } else if failed || late {
                running.nodes.iter().for_each(|node| set_taint(cluster, *node, false, effects));
                ended.push(*id);
            }
        }
        for id in ended {
            self.disruption.running.remove(&id);
        }
    }
}

fn delete(cluster: &Cluster, running: &Running, effects: &mut Vec<Effect>) {
    for node in running.nodes.iter().map(|node| cluster.node(*node)).filter(|node| node.exists()) {
        node.claim
            .into_iter()
            .for_each(|claim| effects.push(Effect::DeleteClaim(claim, Some(running.reason))));
    }
}

fn set_taint(cluster: &Cluster, node: NodeId, on: bool, effects: &mut Vec<Effect>) {
    let node = cluster.node(node);
    let taint = pods::disrupted_taint();
    if !node.exists() || node.taints.contains(&taint) == on {
        return;
    }
    let patch = if on { NodePatch::with([taint]) } else { NodePatch::without([&taint]) };
    effects.push(Effect::PatchNode(node.id, Box::new(patch)));
}

fn has_managed_nodes(cluster: &Cluster) -> bool {
    cluster.live_nodes().any(|node| node.claim.is_some())
}

/// When a node leaves `consolidateAfter` or its nomination, or a pod its protection.
fn next_due(cluster: &Cluster, nominated: &Nominations) -> Option<Timestamp> {
    let now = cluster.now;
    let views =
        cluster.live_nodes().filter(|node| node.claim.is_some()).map(|node| View::of_node(cluster, node));
    let consolidatable = views.filter_map(|view| consolidatable_at(cluster, &view));
    let released = nominated.ends();
    let on_managed = |pod: &&cluster::Pod| {
        pod.holds_node() && pod.node.is_some_and(|node| cluster.node(node).claim.is_some())
    };
    let unprotected =
        cluster.pods.iter().filter(on_managed).filter_map(|pod| match pods::protected_until(pod) {
            Some(pods::Protection::Until(at)) => Some(at),
            _ => None,
        });
    consolidatable.chain(released).chain(unprotected).filter(|at| *at > now).min()
}

fn next_budget_change(cluster: &Cluster) -> Option<Timestamp> {
    let start = cluster.declared.profile.now_unix_ms;
    let unix_ms = start.saturating_add(cluster.now.0);
    let pools = cluster.declared.node_pools.iter();
    let change = pools.filter_map(|pool| budget::next_change_unix_ms(pool, unix_ms)).min()?;
    Some(Timestamp(change.saturating_sub(start)))
}
