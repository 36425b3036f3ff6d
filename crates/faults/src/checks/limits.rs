//! Pool limits: what a pool's claims have together when one more is launched.

use std::collections::BTreeSet;

use kubernetes::Resource;
use serde_json::Value;

use super::pool;
use crate::json::{amount, is_going, list, text};
use crate::store::Store;

/// What is broken now that this claim has been launched. Nodes that go, or are about to, do not count: upstream plans
/// without them (`pkg/controllers/provisioning/scheduling/scheduler.go` gets the active nodes only), so that a full pool
/// can replace its nodes. Nothing is said while the pool has a claim of a life that did
/// not lead any more: the one that leads could not know of it when it planned.
pub fn broken(store: &Store, launched: &Value, late: &BTreeSet<String>) -> Option<String> {
    let name = pool(launched);
    let limit = store.get(Resource::NodePool, "", name)?.pointer("/spec/limits/cpu")?;
    let limit = amount("cpu", limit);
    let going: BTreeSet<&str> = store
        .all(Resource::Node)
        .filter(|node| list(node, "/spec/taints").any(|taint| taint["key"] == "karpenter.sh/disrupted"))
        .map(|node| text(node, "/spec/providerID"))
        .collect();
    let stays = |claim: &Value| !is_going(claim) && !going.contains(text(claim, "/status/providerID"));
    let own = || store.all(Resource::NodeClaim).filter(|claim| pool(claim) == name && stays(claim));
    if own().any(|claim| late.contains(text(claim, "/metadata/name"))) {
        return None;
    }
    let used: i64 = own().map(|claim| amount("cpu", &claim["status"]["capacity"]["cpu"])).sum();
    (used > limit).then(|| format!("{name}: {used} of {limit} thousandths of a CPU"))
}
