//! Which work is done in order: what has the same key. Nothing else is decided here.

use autoscaler::Effect;
use cluster::{ClaimId, Cluster, Name};

/// Everything about one claim and its node has one key.
pub(super) fn of(cluster: &Cluster, effect: &Effect) -> u32 {
    let of_name = |name: &Name| name.bytes().map(u32::from).sum();
    let of_node = |node| cluster.node(node).claim.unwrap_or(ClaimId(u32::MAX)).0;
    match effect {
        Effect::CreateClaim(new) => of_name(&new.name),
        Effect::Launch(claim, _)
        | Effect::Terminate(claim)
        | Effect::InitializeClaim(claim)
        | Effect::DriftClaim(claim, _)
        | Effect::DeleteClaim(claim, _)
        | Effect::TendClaim(claim)
        | Effect::TellDrain(claim, _)
        | Effect::ReleaseClaim(claim) => claim.0,
        Effect::TendPool(pool) => of_name(pool),
        Effect::Register(node)
        | Effect::PatchNode(node, _)
        | Effect::DeleteNode(node)
        | Effect::ReleaseNode(node) => of_node(*node),
        Effect::Evict(pod)
        | Effect::DeletePod(pod)
        | Effect::RefusePod(pod, _)
        | Effect::ExpectPod(pod, _) => pod.0,
        Effect::SayOfBuffer(buffer, _) => of_name(&buffer.name),
    }
}
