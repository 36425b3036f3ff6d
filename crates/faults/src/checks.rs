//! What must hold, seen from the API server and the cloud alone: nothing here looks into the controller.
//!
//! Where the controller cannot know better, a check allows for it, and says why: the slack is how far watches lag, calls
//! are late and clocks are off in this play ([`crate::fault::Faults::slack_ms`]).

mod budgets;
mod ends;
mod limits;

use std::collections::BTreeMap;

use kubernetes::Resource;
use serde_json::Value;

use crate::json::{is_going, is_tolerated, list, text};
use crate::store::{By, Key, START_UNIX_MS, Store, Written};
use crate::world::World;

pub use ends::waits;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// When, milliseconds since the start.
    pub at_ms: i64,
    /// Which.
    pub rule: &'static str,
    /// By what.
    pub what: String,
}

/// What is checked with every write.
#[derive(Debug)]
pub struct Checks {
    slack_ms: i64,
    problems: Vec<Problem>,
    /// When pods were bound.
    bound: BTreeMap<Key, i64>,
    limits: limits::Limits,
    budgets: budgets::Budgets,
}

impl Checks {
    /// None made yet.
    pub fn new(slack_ms: i64) -> Checks {
        Checks {
            slack_ms,
            problems: Vec::new(),
            bound: BTreeMap::new(),
            limits: limits::Limits::default(),
            budgets: budgets::Budgets::default(),
        }
    }

    /// Everything that was found.
    pub fn problems(self, world: &World) -> Vec<Problem> {
        let mut problems = self.problems;
        let doubled = world.cloud.doubled.iter().map(|claim| Problem {
            at_ms: world.store.now_ms,
            rule: "launched twice",
            what: format!("claim {claim}"),
        });
        problems.extend(doubled);
        problems.extend(self.limits.problems(world, self.slack_ms));
        problems
    }

    fn find(&mut self, at_ms: i64, rule: &'static str, what: String) {
        self.problems.push(Problem { at_ms, rule, what });
    }

    /// What was written in a moment.
    pub fn see(&mut self, world: &World, written: &[Written]) {
        for own in written {
            match own.key.0 {
                Resource::Pod => self.pod(world, own),
                Resource::Node => self.node(world, own),
                Resource::NodeClaim => self.limits.claim(&world.store, own),
                _ => {}
            }
        }
        if !written.is_empty() {
            self.budgets.count(&world.store, self.slack_ms);
        }
    }

    fn pod(&mut self, world: &World, written: &Written) {
        let is_bound = |value: &Value| !text(value, "/spec/nodeName").is_empty();
        match (&written.old, &written.new) {
            (_, None) => drop(self.bound.remove(&written.key)),
            (old, Some(new)) if is_bound(new) && !old.as_ref().is_some_and(|old| is_bound(old)) => {
                self.bound.insert(written.key.clone(), written.at_ms);
            }
            _ => {}
        }
        let Some(old) = written.old.as_ref().filter(|old| !is_going(old)) else { return };
        if written.new.as_ref().is_some_and(|new| !is_going(new)) {
            return;
        }
        let protected = text(old, "/metadata/annotations/karpenter.sh~1do-not-disrupt") == "true";
        match written.by {
            By::Eviction(_) if protected => {
                self.find(written.at_ms, "evicted though it must not be disrupted", written.key.2.clone());
            }
            By::Controller(_) => {
                let grace = old["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30) * 1_000;
                let deadline = deadline(&world.store, text(old, "/spec/nodeName"));
                let due = deadline.is_some_and(|at| at - grace <= written.at_ms + self.slack_ms);
                if !due {
                    self.find(written.at_ms, "deleted rather than evicted", written.key.2.clone());
                }
            }
            _ => {}
        }
    }

    fn node(&mut self, world: &World, written: &Written) {
        let at = written.at_ms;
        self.limits.node(&world.store, written);
        if let Some(broken) = self.budgets.node(&world.store, written, self.slack_ms) {
            self.find(at, "more nodes disrupted than the budget allows", broken);
        }
        let (Some(old), None, By::Controller(_)) = (&written.old, &written.new, written.by) else { return };
        let name = text(old, "/metadata/name");
        let provider = text(old, "/spec/providerID");
        let claim =
            world.store.all(Resource::NodeClaim).find(|own| text(own, "/status/providerID") == provider);
        if claim.and_then(|claim| due(claim)).is_some_and(|due| due <= at + self.slack_ms) {
            return;
        }
        let taint = serde_json::json!({"key": "karpenter.sh/disrupted", "effect": "NoSchedule"});
        let left: Vec<String> = world
            .store
            .keyed(Resource::Pod)
            .filter(|(_, pod)| text(pod, "/spec/nodeName") == name && !is_going(pod))
            .filter(|(_, pod)| !list(pod, "/metadata/ownerReferences").any(|own| own["kind"] == "DaemonSet"))
            .filter(|(_, pod)| !is_tolerated(&taint, pod))
            .filter(|(key, _)| self.bound.get(key).is_some_and(|bound| at - bound > self.slack_ms))
            .map(|(key, _)| key.2.clone())
            .collect();
        if !left.is_empty() {
            self.find(at, "a node went before its pods", format!("{name}: {}", left.join(", ")));
        }
    }
}

/// When a node's pods are deleted whatever protects them: none without `terminationGracePeriod`.
fn deadline(store: &Store, node: &str) -> Option<i64> {
    let provider = text(store.get(Resource::Node, "", node)?, "/spec/providerID").to_owned();
    let mut claims = store.all(Resource::NodeClaim);
    due(claims.find(|claim| text(claim, "/status/providerID") == provider)?)
}

/// When a claim's `terminationGracePeriod` is over, milliseconds since the start.
fn due(claim: &Value) -> Option<i64> {
    let asked: jiff::Timestamp = text(claim, "/metadata/deletionTimestamp").parse().ok()?;
    let grace_ms = api::duration_ms(text(claim, "/spec/terminationGracePeriod")).ok()?;
    Some(asked.as_millisecond() - START_UNIX_MS + grace_ms)
}

/// The pool of a claim or a node.
fn pool(value: &Value) -> &str {
    text(value, "/metadata/labels/karpenter.sh~1nodepool")
}
