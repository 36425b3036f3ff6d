//! An effect in words, with why where that is known.

use autoscaler::Effect;
use cluster::change::ClaimOrNode;
use cluster::{ClaimId, NodeId, PodId};

use crate::calls::refusal;
use crate::mirror::Mirror;

/// What is wanted, for people.
pub(crate) fn said(mirror: &Mirror, effect: &Effect) -> String {
    let cluster = mirror.cluster();
    let claim = |id: &ClaimId| format!("claim {}", cluster.claim(*id).name);
    let node = |id: &NodeId| format!("node {}", cluster.node(*id).name);
    let pod = |id: &PodId| format!("pod {}", cluster.pod_name(*id));
    match effect {
        Effect::CreateClaim(new) => {
            let cheapest = new.options.iter().min_by_key(|option| option.price_micro_usd);
            let cheapest = cheapest.map_or_else(String::new, |option| {
                let price = option.price_micro_usd;
                format!(
                    ", cheapest {} {} in {} at ${}.{:04} an hour",
                    option.instance_type,
                    option.capacity_type,
                    option.zone,
                    price / 1_000_000,
                    price % 1_000_000 / 100
                )
            });
            format!("create claim {} for {}{cheapest}", new.name, new.requests)
        }
        Effect::Launch(id, _) => format!("launch the instance of {}", claim(id)),
        Effect::Terminate(id) => format!("end the instance of {}", claim(id)),
        Effect::Register(id) => format!("register {}", node(id)),
        Effect::InitializeClaim(id) => format!("{} is initialized", claim(id)),
        Effect::DriftClaim(id, Some(why)) => format!("{} has drifted: {}", claim(id), why.as_str()),
        Effect::DriftClaim(id, None) => format!("{} has not drifted any more", claim(id)),
        Effect::DeleteClaim(id, Some(why)) => format!("delete {}: {}", claim(id), why.as_str()),
        Effect::DeleteClaim(id, None) => format!("delete {}", claim(id)),
        Effect::ReleaseClaim(id) => format!("let go of {}", claim(id)),
        Effect::PatchNode(id, patch) => {
            let on = patch.taints_on.iter().map(|taint| format!("+{}", taint.key));
            let off = patch.taints_off.iter().map(|(key, _)| format!("-{key}"));
            let labels = patch.labels.iter().map(|(key, value)| format!("{key}={value}"));
            format!("change {}: {}", node(id), on.chain(off).chain(labels).collect::<Vec<_>>().join(" "))
        }
        Effect::DeleteNode(id) => format!("delete {}", node(id)),
        Effect::ReleaseNode(id) => format!("let go of {}", node(id)),
        Effect::Evict(id) => format!("evict {}", pod(id)),
        Effect::DeletePod(id) => format!("delete {}, its node's time is over", pod(id)),
        Effect::TendPool(name) => format!("keep nodepool {name}'s hash and status true"),
        Effect::TendClaim(id) => format!("keep the conditions of {} true", claim(id)),
        Effect::RefusePod(id, reasons) => {
            let reasons: Vec<String> = reasons.iter().map(refusal::said).collect();
            format!("no place for {}: {}", pod(id), reasons.join("; "))
        }
        Effect::ExpectPod(id, ClaimOrNode::Claim(place)) => {
            format!("{} should go to {}", pod(id), claim(place))
        }
        Effect::ExpectPod(id, ClaimOrNode::Node(place)) => {
            format!("{} should go to {}", pod(id), node(place))
        }
    }
}
