//! ipamd's pool on one node: its start, and the ticks of its loop.
//!
//! Followed: aws/amazon-vpc-cni-k8s v1.23.1 `pkg/ipamd/ipamd.go` `nodeInit` (one growing step before pods are
//! served; a lack of addresses does not fail it, custom networking with an empty pool and any other error do),
//! `updateIPPoolIfRequired`, `decreaseDatastorePool`. One step at a time; a step is a chain of calls that ends with
//! the first that succeeds.

use addressing::vpc_cni::grow::Step;
use addressing::vpc_cni::{
    ASSIGN_MS, ATTACH_MS, DECREASE_INTERVAL_MS, Ipamd, POOL_LOOP_MS, Pool, SHORTAGE_BACK_OFF_MS, subnets,
};
use catalog::InstanceType;
use cluster::network::{EniCall, EniOutcome, SubnetId, VpcCniSettings};
use cluster::{Cluster, Node, Timestamp};

use crate::actors::address_queue::next_on_grid;
use crate::effect::{Effect, Effects};

/// From the start of the container to ipamd's first step; an estimate.
const START_MS: i64 = 2_000;
/// Calls in one step at the most.
const MAX_CALLS: usize = 200;
/// The taint of a cordoned node.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// What one look at a node goes by.
pub struct Turn<'a> {
    node: &'a Node,
    ipamd: Ipamd<'a>,
    candidates: Vec<Option<SubnetId>>,
    now: Timestamp,
    reaches_ec2: bool,
    frozen: bool,
}

impl<'a> Turn<'a> {
    /// A look at a node, now.
    pub fn new(
        cluster: &'a Cluster,
        node: &'a Node,
        settings: &'a VpcCniSettings,
        instance_type: Option<&InstanceType>,
        reaches_ec2: bool,
    ) -> Turn<'a> {
        let name = cluster.declared.profile.name.as_str();
        Turn {
            node,
            ipamd: Ipamd::of(node, instance_type, settings),
            candidates: subnets::candidates(node, settings, &cluster.subnets, name),
            now: cluster.now,
            reaches_ec2,
            frozen: node.unschedulable || node.taints.iter().any(|taint| taint.key == UNSCHEDULABLE),
        }
    }

    fn grow(&self, refused: &[(EniCall, EniOutcome)]) -> Step {
        self.ipamd.grow(&self.node.network, self.now, &self.candidates, refused)
    }
}

/// The state of ipamd on one node, beside what its interfaces say.
#[derive(Clone, Debug, Default)]
pub struct NodePool {
    /// Calls that EC2 has not answered.
    in_flight: u32,
    /// The calls of the growing step that is under way; `None` between steps.
    step: Option<Vec<(EniCall, EniOutcome)>>,
    /// The step under way has succeeded.
    grown: bool,
    /// The last step met an EC2 that could not be reached.
    failed: bool,
    /// The subnets refused a whole step: nothing is asked before one of them has more room.
    refused: bool,
    back_off_until: Option<Timestamp>,
    last_decrease: Option<Timestamp>,
    last_tick: Option<Timestamp>,
    /// The grid of the pool loop.
    serving_since: Option<Timestamp>,
}

impl NodePool {
    /// EC2 answered a call.
    pub fn answered(&mut self, call: &EniCall, outcome: EniOutcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(calls) = &mut self.step
            && matches!(call, EniCall::Attach { .. } | EniCall::Assign { .. })
        {
            if outcome == EniOutcome::Done {
                self.grown = true;
            } else {
                calls.push((call.clone(), outcome));
            }
        }
    }

    /// A subnet has more room than when it refused.
    pub fn try_again(&mut self) {
        self.refused = false;
    }

    /// Whether the subnets refused the last step.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Does what is due; when to look again.
    pub fn advance(
        &mut self,
        turn: &Turn<'_>,
        started: Timestamp,
        effects: &mut Effects,
    ) -> Option<Timestamp> {
        if self.in_flight > 0 {
            return None;
        }
        if !turn.node.network.cni_ready {
            return self.start(turn, started, effects);
        }
        if self.step.is_some() && self.go_on(turn, effects) {
            return None;
        }
        let start = *self.serving_since.get_or_insert(turn.now);
        let grows = self.grow_if_low(turn, start, effects);
        if self.in_flight > 0 {
            return None;
        }
        let shrinks = self.shrink_if_high(turn, start, effects);
        [grows, shrinks].into_iter().flatten().min()
    }

    /// `nodeInit`: one growing step, then the CNI's configuration is written.
    fn start(&mut self, turn: &Turn<'_>, started: Timestamp, effects: &mut Effects) -> Option<Timestamp> {
        let at = started.after_ms(START_MS);
        if turn.now < at {
            return Some(at);
        }
        if !turn.reaches_ec2 || self.refused {
            return None;
        }
        if !turn.frozen {
            self.step.get_or_insert_default();
        }
        if self.go_on(turn, effects) || self.failed || init_fails(turn) {
            return None;
        }
        self.refused = false;
        self.serving_since = Some(turn.now);
        effects.now(Effect::CniReady(turn.node.id, true));
        None
    }

    /// Makes the next call of the step under way; false when the step is over.
    fn go_on(&mut self, turn: &Turn<'_>, effects: &mut Effects) -> bool {
        let Some(calls) = &self.step else { return false };
        let unavailable = calls.iter().any(|(_, outcome)| *outcome == EniOutcome::Unavailable);
        if !self.grown && !unavailable && turn.reaches_ec2 && calls.len() < MAX_CALLS {
            match turn.grow(calls) {
                Step::Call(call) => {
                    self.request(turn, call, effects);
                    return true;
                }
                Step::Done { back_off } => {
                    self.refused = !calls.is_empty();
                    if back_off {
                        self.back_off_until = Some(turn.now.after_ms(SHORTAGE_BACK_OFF_MS));
                    }
                }
            }
        }
        self.failed = unavailable;
        self.step = None;
        self.grown = false;
        false
    }

    fn request(&mut self, turn: &Turn<'_>, call: EniCall, effects: &mut Effects) {
        let delay_ms = if matches!(call, EniCall::Attach { .. }) { ATTACH_MS } else { ASSIGN_MS };
        self.in_flight += 1;
        effects.after(delay_ms, Effect::CallEni(turn.node.id, call));
    }

    /// Begins a growing step if this is an instant for it; else says when the next is.
    fn grow_if_low(&mut self, turn: &Turn<'_>, start: Timestamp, effects: &mut Effects) -> Option<Timestamp> {
        if self.refused || turn.frozen || !turn.reaches_ec2 {
            return None;
        }
        let Step::Call(call) = turn.grow(&[]) else { return None };
        let at = self.next_tick(turn, start, self.back_off_until);
        if at > turn.now {
            return Some(at);
        }
        self.last_tick = Some(turn.now);
        self.step = Some(Vec::new());
        self.request(turn, call, effects);
        None
    }

    /// Gives back what is over the targets if this is an instant for it; else says when the next is.
    fn shrink_if_high(
        &mut self,
        turn: &Turn<'_>,
        start: Timestamp,
        effects: &mut Effects,
    ) -> Option<Timestamp> {
        if !turn.reaches_ec2 {
            return None;
        }
        let network = &turn.node.network;
        let mut next = Vec::new();
        let give_back = turn.ipamd.give_back(network, turn.now);
        if !give_back.is_empty() {
            let interval = self.last_decrease.map(|last| last.after_ms(DECREASE_INTERVAL_MS));
            let at = self.next_tick(turn, start, interval);
            if at > turn.now {
                next.push(at);
            } else {
                self.last_decrease = Some(turn.now);
                give_back.into_iter().for_each(|call| self.return_at_once(turn, call, effects));
            }
        }
        // An interface is judged after what the same tick gave back has gone: here one tick later.
        let keeps = turn.frozen || self.in_flight > 0;
        match if keeps { None } else { turn.ipamd.drop_interface(network, turn.now) } {
            Some(call) => {
                let at = self.next_tick(turn, start, None);
                if at > turn.now { next.push(at) } else { self.return_at_once(turn, call, effects) }
            }
            None if keeps => {}
            None => next.extend(turn.ipamd.next_droppable(network, turn.now)),
        }
        if self.in_flight > 0 {
            self.last_tick = Some(turn.now);
            return None;
        }
        if Pool::of(network, turn.now).cooling > 0 {
            next.extend(addressing::next_cooled(network, turn.now));
        }
        next.into_iter().min()
    }

    fn return_at_once(&mut self, turn: &Turn<'_>, call: EniCall, effects: &mut Effects) {
        self.in_flight += 1;
        effects.now(Effect::CallEni(turn.node.id, call));
    }

    /// The next instant of the loop's grid, not before `earliest`, and not one that has been used.
    fn next_tick(&self, turn: &Turn<'_>, start: Timestamp, earliest: Option<Timestamp>) -> Timestamp {
        let unused = match self.last_tick {
            Some(last) if last >= turn.now => last.after_ms(1),
            _ => turn.now,
        };
        next_on_grid(start, POOL_LOOP_MS, earliest.map_or(unused, |earliest| earliest.max(unused)))
    }
}

/// Whether what the first step left fails `nodeInit`: under custom networking an empty pool does.
fn init_fails(turn: &Turn<'_>) -> bool {
    turn.ipamd.settings.custom_networking && Pool::of(&turn.node.network, turn.now).total == 0
}
