//! Which work is done in order: what has the same key. Nothing else is decided here.

use autoscaler::Effect;
use cluster::{ClaimId, Cluster};

/// Everything about one claim and its node has one key.
pub(super) fn of(cluster: &Cluster, effect: &Effect) -> u32 {
    let of_node = |node| cluster.node(node).claim.unwrap_or(ClaimId(u32::MAX)).0;
    match effect {
        Effect::CreateClaim(new) => new.name.bytes().map(u32::from).sum(),
        Effect::Launch(claim, _)
        | Effect::Terminate(claim)
        | Effect::InitializeClaim(claim)
        | Effect::DriftClaim(claim, _)
        | Effect::DeleteClaim(claim, _)
        | Effect::TendClaim(claim)
        | Effect::ReleaseClaim(claim) => claim.0,
        Effect::TendPool(pool) => pool.bytes().map(u32::from).sum(),
        Effect::Register(node)
        | Effect::PatchNode(node, _)
        | Effect::DeleteNode(node)
        | Effect::ReleaseNode(node) => of_node(*node),
        Effect::Evict(pod)
        | Effect::DeletePod(pod)
        | Effect::RefusePod(pod, _)
        | Effect::ExpectPod(pod, _) => pod.0,
        Effect::SayOfBuffer(buffer, _) => buffer.name.bytes().map(u32::from).sum(),
    }
}
