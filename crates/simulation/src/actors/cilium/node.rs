//! One node under Cilium's ENI mode: the operator's passes over it, and the start of its agent.

use addressing::cilium::allocate::subnet_for_interface;
use addressing::cilium::{AGENT_POLL_MS, OPERATOR_STEP_MS, Operator, RELEASE_DELAY_MS};
use addressing::vpc_cni::{ASSIGN_MS, ATTACH_MS};
use cluster::network::{EniCall, EniOutcome};
use cluster::{Cluster, Node, Timestamp};

use crate::actors::address_queue::next_on_grid;
use crate::effect::{Effect, Effects};

/// An agent writes its node's used addresses at most this often.
const REPORT_MS: i64 = 15_000;

/// What one look at a node goes by.
pub struct Turn<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The node.
    pub node: &'a Node,
    /// The operator's rules for it.
    pub operator: Operator<'a>,
    /// Its pods without an address.
    pub pending: u32,
    /// Whether the operator runs and can call EC2.
    pub allocates: bool,
}

/// The state of one node, beside what its interfaces say.
#[derive(Clone, Debug, Default)]
pub struct CiliumNode {
    /// The agent has run: there is a CiliumNode object, and the operator allocates for it.
    known: bool,
    in_flight: bool,
    /// The calls that were refused in the pass under way.
    calls: Vec<(EniCall, EniOutcome)>,
    /// The subnets refused a whole pass.
    refused: bool,
    /// When the last pass ended.
    last_pass: Option<Timestamp>,
    /// Since when there is an excess to release.
    excess_since: Option<Timestamp>,
}

impl CiliumNode {
    /// EC2 answered a call.
    pub fn answered(&mut self, call: &EniCall, outcome: EniOutcome, now: Timestamp) {
        self.in_flight = false;
        if outcome == EniOutcome::Done || outcome == EniOutcome::Unavailable {
            self.calls.clear();
            self.last_pass = Some(now);
        } else {
            self.calls.push((call.clone(), outcome));
        }
    }

    /// A subnet has more room than when it refused.
    pub fn try_again(&mut self) {
        self.refused = false;
    }

    /// Whether the subnets refused the last pass.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Does what is due; when to look again.
    pub fn advance(
        &mut self,
        turn: &Turn<'_>,
        agent: Option<Timestamp>,
        effects: &mut Effects,
    ) -> Option<Timestamp> {
        self.known |= agent.is_some();
        let starts = agent.and_then(|since| start_agent(turn, since, effects));
        if self.in_flight || !self.known || !turn.allocates || self.refused {
            return starts;
        }
        [starts, self.allocate(turn, effects)].into_iter().flatten().min()
    }

    fn allocate(&mut self, turn: &Turn<'_>, effects: &mut Effects) -> Option<Timestamp> {
        let (cluster, node, now) = (turn.cluster, turn.node, turn.cluster.now);
        let subnet = subnet_for_interface(node, &turn.operator, &cluster.subnets);
        let next = turn.operator.allocate(&node.network, &cluster.subnets, turn.pending, subnet, &self.calls);
        let Some(call) = next else {
            self.refused = !self.calls.is_empty();
            self.calls.clear();
            return self.release(turn, effects);
        };
        let at = self.pass_at(node, now);
        if self.calls.is_empty() && at > now {
            return Some(at);
        }
        self.in_flight = true;
        let delay_ms = if matches!(call, EniCall::Attach { .. }) { ATTACH_MS } else { ASSIGN_MS };
        effects.after(delay_ms, Effect::CallEni(node.id, call));
        None
    }

    /// A pass comes a second after the one before; once the agent serves pods, its reports set the pace.
    fn pass_at(&self, node: &Node, now: Timestamp) -> Timestamp {
        let pace_ms = if node.network.cni_ready { REPORT_MS } else { OPERATOR_STEP_MS };
        self.last_pass.map_or(now, |last| last.after_ms(pace_ms).max(now))
    }

    /// `aws-release-excess-ips`: an excess that lasts is released.
    fn release(&mut self, turn: &Turn<'_>, effects: &mut Effects) -> Option<Timestamp> {
        let now = turn.cluster.now;
        let multi_pool = is_multi_pool(&turn.cluster.declared.cni_version);
        let Some(call) = turn.operator.release(&turn.node.network, multi_pool) else {
            self.excess_since = None;
            return None;
        };
        let at = self.excess_since.get_or_insert(now).after_ms(RELEASE_DELAY_MS);
        if at > now {
            return Some(at);
        }
        self.excess_since = None;
        self.in_flight = true;
        effects.after(ASSIGN_MS, Effect::CallEni(turn.node.id, call));
        None
    }
}

/// The agent starts once its minimum pool is there: it takes its own addresses, and the network is ready. When it
/// looks again, if the pool is there and it is not the instant.
fn start_agent(turn: &Turn<'_>, since: Timestamp, effects: &mut Effects) -> Option<Timestamp> {
    let (node, now) = (turn.node, turn.cluster.now);
    if node.network.cni_ready || node.network.allocated() < turn.operator.agent_minimum() {
        return None;
    }
    let at = next_on_grid(since, AGENT_POLL_MS, now.max(since.after_ms(AGENT_POLL_MS)));
    if at > now {
        return Some(at);
    }
    effects.now(Effect::CniOwnEndpoints(node.id, turn.operator.settings.own_endpoints));
    effects.now(Effect::CniReady(node.id, true));
    None
}

/// From v1.20 on the multi-pool allocator releases addresses. An unknown version counts as older.
fn is_multi_pool(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split('.');
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
    matches!((number(), number()), (Some(major), Some(minor)) if (major, minor) >= (1, 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let judged = ["v1.20.0", "1.19.4", "v1.20.1-rc.1", "2.0", "", "latest"].map(is_multi_pool);
        assert_eq!(judged, [true, false, true, true, false, false]);
    }
}
