//! Pool limits: what a pool's claims have together where one more is planned.
//!
//! Upstream plans without the nodes that go or that a command is about (`nodes.Active()` in
//! `pkg/controllers/provisioning/provisioner.go`), so that a full pool can replace its nodes, and gives a claim no type
//! that passes what the others leave (`pkg/controllers/provisioning/scheduling/scheduler.go`,
//! `filterByRemainingResources`, `subtractMax`). So a claim is judged by the claims that its maker could know and that
//! stayed then, with what they became. It is judged at the end: a taint may be written after the claim that it is for. A
//! claim whose maker was killed before it could write the taint is not judged itself; it counts for those that come
//! after it, whose maker knows of it.

use std::collections::BTreeMap;

use kubernetes::Resource;

use super::{Problem, pool};
use crate::json::{amount, is_going, list, text};
use crate::store::{By, Store, Written};
use crate::world::World;

/// A claim that the controller made.
#[derive(Debug)]
struct Made {
    at_ms: i64,
    life: u32,
    pool: String,
    limit: i64,
    /// Claims of the pool that were there.
    others: Vec<String>,
    /// When it was launched, and its thousandths of a CPU.
    launched: Option<(i64, i64)>,
}

/// The claims of a play.
#[derive(Debug, Default)]
pub struct Limits {
    made: BTreeMap<String, Made>,
    /// From when until when a claim was about to go.
    leaving: BTreeMap<String, Vec<(i64, i64)>>,
}

impl Limits {
    /// A claim was written.
    pub fn claim(&mut self, store: &Store, written: &Written) {
        let (name, at_ms) = (&written.key.2, written.at_ms);
        let Some(new) = &written.new else { return };
        if let (None, By::Controller(life)) = (&written.old, written.by) {
            let limit = store.get(Resource::NodePool, "", pool(new));
            let limit = limit.and_then(|own| own.pointer("/spec/limits/cpu"));
            let own = store.all(Resource::NodeClaim).filter(|own| pool(own) == pool(new));
            let made = Made {
                at_ms,
                life,
                pool: pool(new).to_owned(),
                limit: limit.map_or(i64::MAX, |limit| amount("cpu", limit)),
                others: own
                    .map(|own| text(own, "/metadata/name").to_owned())
                    .filter(|own| own != name)
                    .collect(),
                launched: None,
            };
            self.made.insert(name.clone(), made);
        }
        if let (Some(made), Some(cpu)) = (self.made.get_mut(name), new.pointer("/status/capacity/cpu")) {
            made.launched.get_or_insert((at_ms, amount("cpu", cpu)));
        }
        if is_going(new) {
            self.leaves(name, at_ms, true);
        }
    }

    /// A node was written.
    pub fn node(&mut self, store: &Store, written: &Written) {
        let Some(new) = &written.new else { return };
        let provider = text(new, "/spec/providerID");
        let mut claims = store.all(Resource::NodeClaim);
        let claim = claims.find(|own| text(own, "/status/providerID") == provider);
        if let Some(claim) = claim.filter(|claim| !is_going(claim)) {
            let tainted = list(new, "/spec/taints").any(|taint| taint["key"] == "karpenter.sh/disrupted");
            self.leaves(text(claim, "/metadata/name"), written.at_ms, tainted || is_going(new));
        }
    }

    fn leaves(&mut self, claim: &str, at_ms: i64, leaves: bool) {
        let spans = self.leaving.entry(claim.to_owned()).or_default();
        match spans.last_mut().filter(|(_, until)| *until == i64::MAX) {
            Some((_, until)) if !leaves => *until = at_ms,
            None if leaves => spans.push((at_ms, i64::MAX)),
            _ => {}
        }
    }

    /// What was broken.
    pub fn problems(&self, world: &World, slack_ms: i64) -> Vec<Problem> {
        self.made.iter().filter_map(|(name, made)| self.judge(name, made, world, slack_ms)).collect()
    }

    fn judge(&self, name: &str, made: &Made, world: &World, slack_ms: i64) -> Option<Problem> {
        let (launched_ms, cpu) = made.launched?;
        let until = made.at_ms + slack_ms;
        let (began_ms, ended_ms) = world.life(made.life);
        if ended_ms.is_some_and(|ended| ended <= until) {
            return None;
        }
        let knows = |other: &Made| {
            other.life == made.life || other.at_ms < began_ms || other.at_ms + slack_ms < made.at_ms
        };
        let stays = |other: &str| {
            let spans = self.leaving.get(other).into_iter().flatten();
            !spans.into_iter().any(|(from, to)| *from <= until && made.at_ms - slack_ms <= *to)
        };
        let others = made.others.iter().filter(|other| stays(other));
        let known = others.filter_map(|other| self.made.get(other)).filter(|other| knows(other));
        let used: i64 = known.filter_map(|other| other.launched).map(|(_, cpu)| cpu).sum();
        let broken = used + cpu > made.limit;
        broken.then(|| Problem {
            at_ms: launched_ms,
            rule: "more than the pool's limits",
            what: format!(
                "{}: {name} has {cpu}, others {used}, of {} thousandths of a CPU",
                made.pool, made.limit
            ),
        })
    }
}
