//! Why a NodePool cannot serve pods, in words.

use cluster::Kind;
use cluster::rejection::PoolReason;
use cluster::resources::format_amount;

use crate::scene::Scene;
use crate::{placeable, stuck};

/// Why this pool cannot serve a pod. A node class that is written and cannot be used is told from one that is not.
pub(crate) fn reason_of(scene: &Scene<'_>, pool: &str, reason: &PoolReason) -> String {
    match reason {
        PoolReason::NotReady { why } => format!("it is not ready: {}", not_ready(scene, pool, why)),
        other => pool_reason(other),
    }
}

/// Why a pool is not ready.
pub(crate) fn not_ready(scene: &Scene<'_>, pool: &str, why: &str) -> String {
    let class =
        scene.cluster.declared.node_pools.iter().find(|own| own.name == pool).map(|own| &own.node_class);
    let unusable = placeable::unusable(scene.cluster, &Kind::Ec2NodeClass);
    match class.filter(|class| unusable.iter().any(|key| key.name == **class)) {
        Some(class) => format!("EC2NodeClass {class} cannot be used as it is written"),
        None => why.to_owned(),
    }
}

/// Why a pool cannot serve a pod.
pub fn pool_reason(reason: &PoolReason) -> String {
    match reason {
        PoolReason::NotReady { why } => format!("it is not ready: {why}"),
        PoolReason::Taint(taint) => format!("the pods do not tolerate its taint {}", taint.key),
        PoolReason::Requirement { key, wanted, offered } => {
            format!("the pods need {key} {}, and the pool {}", values(wanted), offers(offered.as_ref()))
        }
        PoolReason::Limit { resource, limit, used, wanted } => format!(
            "its limit {resource} {} is reached: {} used, the next node adds {}",
            format_amount(resource, *limit),
            format_amount(resource, *used),
            format_amount(resource, *wanted)
        ),
        PoolReason::TooLarge { resource, requested, largest: 0 } => {
            format!("none of its types has {resource}, and {} is asked", format_amount(resource, *requested))
        }
        PoolReason::TooLarge { resource, requested, largest } => format!(
            "no type is large enough: {resource} {} asked with the DaemonSets, the largest gives {}",
            format_amount(resource, *requested),
            format_amount(resource, *largest)
        ),
        PoolReason::FilledByDaemons { resource } => {
            format!("the DaemonSets alone fill its types ({resource})")
        }
        PoolReason::NoInstanceType => {
            "no instance type meets its requirements and the pods' together".to_owned()
        }
        PoolReason::NoOffering => {
            "its types have no capacity in the zones and capacity types allowed".to_owned()
        }
        PoolReason::Topology { key } => format!("no domain of {key} that it can make satisfies the pods"),
        PoolReason::MinValues { key } => format!("minValues of {key} cannot be met"),
        PoolReason::VolumeTopology => "the pods' volumes are where it cannot make nodes".to_owned(),
        PoolReason::DeviceClaims => {
            "pods with claims for devices (dynamic resource allocation) are left alone".to_owned()
        }
        PoolReason::NoAddresses { needed, free } => {
            format!(
                "a node for them takes {} and no subnet has more than {free} free",
                stuck::addresses(*needed)
            )
        }
    }
}

fn offers(offered: Option<&cluster::SelectorRequirement>) -> String {
    match offered {
        None => "does not set it".to_owned(),
        Some(offered) if offered.operator == cluster::SelectorOperator::In => {
            let values: Vec<&str> = offered.values.iter().map(|value| value.as_str()).collect();
            format!("has {}", values.join(", "))
        }
        Some(offered) if offered.operator == cluster::SelectorOperator::DoesNotExist => "has none".to_owned(),
        Some(offered) => format!("has it {}", values(offered)),
    }
}

/// `workload-type=application`, `zone in [a, b]`: what is asked of a label.
pub(crate) fn selector(requirement: &cluster::SelectorRequirement) -> String {
    match (requirement.operator, requirement.values.as_slice()) {
        (cluster::SelectorOperator::In, [one]) => format!("{}={one}", requirement.key),
        (cluster::SelectorOperator::Exists, _) => format!("the label {}", requirement.key),
        _ => format!("{} {}", requirement.key, values(requirement)),
    }
}

fn values(requirement: &cluster::SelectorRequirement) -> String {
    let values = requirement.values.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(", ");
    match requirement.operator {
        cluster::SelectorOperator::In => format!("in [{values}]"),
        cluster::SelectorOperator::NotIn => format!("not in [{values}]"),
        cluster::SelectorOperator::Exists => "to exist".to_owned(),
        cluster::SelectorOperator::DoesNotExist => "not to exist".to_owned(),
        cluster::SelectorOperator::Gt => format!("> {values}"),
        cluster::SelectorOperator::Lt => format!("< {values}"),
        cluster::SelectorOperator::Gte => format!(">= {values}"),
        cluster::SelectorOperator::Lte => format!("<= {values}"),
    }
}
