//! What is logged of work that is done: upstream's messages and field names, where it has them.
//!
//! `sigs.k8s.io/karpenter` v1.14.1 logs `controller`, `NodeClaim`, `Node` and `NodePool` as objects with a name; here they are the name.

use autoscaler::Effect;
use cluster::node::POOL;
use cluster::node_pool::DisruptionReason;
use cluster::{ClaimId, Name, NodeId};

use crate::Mirror;

/// An effect was performed.
pub(crate) fn done(mirror: &Mirror, effect: &Effect) {
    let cluster = mirror.cluster();
    let claim = |id: ClaimId| cluster.claim(id).name.as_str();
    let node = |id: NodeId| cluster.node(id).name.as_str();
    match effect {
        Effect::CreateClaim(new) => {
            let pool = new.labels.get(POOL).map_or("", Name::as_str);
            let requests = new.requests.to_string();
            tracing::info!(
                controller = "provisioner",
                "NodePool" = pool,
                "NodeClaim" = new.name.as_str(),
                requests,
                types = new.options.len(),
                "created nodeclaim"
            );
        }
        Effect::Launch(id, _) => {
            tracing::info!(
                controller = "nodeclaim.lifecycle",
                "NodeClaim" = claim(*id),
                "launched nodeclaim"
            );
        }
        Effect::Register(id) => {
            tracing::info!(controller = "nodeclaim.lifecycle", "Node" = node(*id), "registered nodeclaim");
        }
        Effect::InitializeClaim(id) => {
            tracing::info!(
                controller = "nodeclaim.lifecycle",
                "NodeClaim" = claim(*id),
                "initialized nodeclaim"
            );
        }
        Effect::DeleteClaim(id, why) => {
            let reason = why.map_or("", DisruptionReason::as_str);
            tracing::info!(controller = "disruption", "NodeClaim" = claim(*id), reason, "deleting nodeclaim");
        }
        Effect::ReleaseNode(id) => {
            tracing::info!(controller = "node.termination", "Node" = node(*id), "deleted node");
        }
        Effect::ReleaseClaim(id) => {
            tracing::info!(controller = "nodeclaim.lifecycle", "NodeClaim" = claim(*id), "deleted nodeclaim");
        }
        _ => {}
    }
}
