//! Disruption budgets: how many of a pool's nodes are being disrupted for the controller's own reasons.
//!
//! Such a node gets the taint `karpenter.sh/disrupted` before anybody has asked its claim to go. Budgets with a schedule
//! or with reasons are not judged: a write does not tell its reason.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kubernetes::Resource;
use serde_json::Value;

use super::pool;
use crate::json::{holds, is_going, list, text};
use crate::store::{By, Store, Written};

/// How old a decision can be when its taint is written: it is validated after 15 s.
const DECIDED_MS: i64 = 30_000;

/// The nodes of each pool, lately.
#[derive(Debug, Default)]
pub struct Budgets {
    /// When a pool had so many initialized nodes.
    counts: BTreeMap<String, VecDeque<(i64, i64)>>,
    /// Nodes that are being disrupted.
    disrupted: BTreeSet<String>,
}

impl Budgets {
    /// Counts the nodes of every pool.
    pub fn count(&mut self, store: &Store, slack_ms: i64) {
        let mut now: BTreeMap<String, i64> = BTreeMap::new();
        for claim in store.all(Resource::NodeClaim).filter(|claim| holds(claim, "Initialized")) {
            *now.entry(pool(claim).to_owned()).or_default() += 1;
        }
        for (pool, count) in now {
            let known = self.counts.entry(pool).or_default();
            if known.back().is_none_or(|(_, last)| *last != count) {
                known.push_back((store.now_ms, count));
            }
            let old = store.now_ms - slack_ms - DECIDED_MS;
            while known.get(1).is_some_and(|(at, _)| *at < old) {
                known.pop_front();
            }
        }
    }

    /// A node was written: what is broken with that.
    pub fn node(&mut self, store: &Store, written: &Written, _slack_ms: i64) -> Option<String> {
        let name = &written.key.2;
        let tainted =
            |value: &Value| list(value, "/spec/taints").any(|own| own["key"] == "karpenter.sh/disrupted");
        let Some(new) = written.new.as_ref().filter(|new| tainted(new)) else {
            self.disrupted.remove(name);
            return None;
        };
        let By::Controller(_) = written.by else { return None };
        if written.old.as_ref().is_some_and(|old| tainted(old)) || is_going(new) {
            return None;
        }
        let provider = text(new, "/spec/providerID");
        let claim = store.all(Resource::NodeClaim).find(|own| text(own, "/status/providerID") == provider);
        if claim.is_none_or(|claim| is_going(claim)) {
            return None;
        }
        self.disrupted.insert(name.clone());
        let nodes = store.all(Resource::Node).filter(|node| pool(node) == pool(new));
        let going = nodes.filter(|node| self.disrupted.contains(text(node, "/metadata/name"))).count();
        let allowed = self.allowed(store, pool(new))?;
        let going = i64::try_from(going).unwrap_or(i64::MAX);
        (going > allowed).then(|| format!("{}: {going}, {allowed} allowed", pool(new)))
    }

    /// The most that the pool's budgets allowed lately, whatever the reason.
    fn allowed(&self, store: &Store, name: &str) -> Option<i64> {
        let nodes = self.counts.get(name)?.iter().map(|(_, count)| *count).max()?;
        allowed(store.get(Resource::NodePool, "", name)?, nodes, |budget| budget.get("reasons").is_none())
    }
}

/// How many of a pool's so many nodes may be disrupted by those of its budgets that always hold and that are `about` it.
pub fn allowed(pool: &Value, nodes: i64, about: impl Fn(&Value) -> bool) -> Option<i64> {
    let budgets = list(pool, "/spec/disruption/budgets");
    let plain = budgets.filter(|own| own.get("schedule").is_none() && about(own));
    let allowed = plain.filter_map(|own| match text(own, "/nodes").strip_suffix('%') {
        Some(percent) => Some((percent.parse::<i64>().ok()? * nodes + 99).div_euclid(100)),
        None => text(own, "/nodes").parse().ok(),
    });
    allowed.min()
}
