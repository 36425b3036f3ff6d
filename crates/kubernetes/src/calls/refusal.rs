//! Why a pool did not take a pod, in words for an event.

use cluster::quantity::{format_bytes, format_cpu};
use cluster::rejection::{PoolReason, PoolRejection};

/// One pool's answer, beginning as Karpenter's does.
pub(crate) fn said(refusal: &PoolRejection) -> String {
    let pool = refusal.pool.as_str();
    match &refusal.reason {
        PoolReason::NotReady { why } => format!("nodepool {pool:?} is not ready, {why}"),
        PoolReason::Taint(taint) => format!(
            "incompatible with nodepool {pool:?}, did not tolerate taint {}={}:{:?}",
            taint.key, taint.value, taint.effect
        ),
        PoolReason::Requirement { key, .. } => {
            format!("incompatible with nodepool {pool:?}, incompatible requirements, key {key}")
        }
        PoolReason::Limit { resource, limit, used, .. } => format!(
            "all available instance types exceed limits for nodepool {pool:?}: {resource} {} of {}",
            amount(resource, *used),
            amount(resource, *limit)
        ),
        PoolReason::TooLarge { resource, requested, largest } => format!(
            "incompatible with nodepool {pool:?}, no instance type has enough resources: {resource} {}, the \
             largest has {}",
            amount(resource, *requested),
            amount(resource, *largest)
        ),
        PoolReason::FilledByDaemons { resource } => {
            format!("incompatible with nodepool {pool:?}, its daemonsets alone take all {resource}")
        }
        PoolReason::NoInstanceType => {
            format!("incompatible with nodepool {pool:?}, no instance type met the scheduling requirements")
        }
        PoolReason::NoOffering => {
            format!("incompatible with nodepool {pool:?}, no instance type which had a compatible offering")
        }
        PoolReason::Topology { key } => {
            format!("incompatible with nodepool {pool:?}, unsatisfiable topology constraint on {key}")
        }
        PoolReason::MinValues { key } => {
            format!("incompatible with nodepool {pool:?}, minValues requirement is not met for {key}")
        }
        PoolReason::VolumeTopology => {
            format!("incompatible with nodepool {pool:?}, its volumes cannot be used there")
        }
        PoolReason::NoAddresses { needed, free } => format!(
            "nodepool {pool:?} would need {needed} addresses for the node; its best subnet has {free} free"
        ),
    }
}

fn amount(resource: &str, amount: i64) -> String {
    match resource {
        "cpu" => format_cpu(amount),
        "memory" | "ephemeral-storage" => format_bytes(amount),
        _ => amount.to_string(),
    }
}
