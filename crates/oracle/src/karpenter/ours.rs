//! The engine's answer to an input, in the form of the Go program's.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use cluster::change::ClaimOrNode;
use cluster::requirements::{Requirement, Requirements};
use cluster::{BufferStatus, Cluster, Name, PodId, Resources};
use provisioning::buffers::{Hosted, Imagined, status};
use provisioning::class::is_provisionable;
use provisioning::disruption::Command;
use provisioning::disruption::candidate::Held;
use provisioning::disruption::consolidation::pods_of_leaving;
use provisioning::disruption::pdb::PodBudgets;
use provisioning::{Input, Market, PlannedClaim, Policy, Purpose, Solution, static_pools};
use serde_json::{Value, json};

use super::{question, state};

/// What the engine decides; an error when the input is not one.
pub fn answer(objects: &[Value]) -> Result<Value> {
    let mut cluster = state::cluster(objects)?;
    let pools: Vec<Name> = cluster.declared.node_pools.iter().map(|pool| pool.name.clone()).collect();
    let (market, _) = question::market(objects, &pools).overlaid(&cluster.declared);
    state::note_drift(&mut cluster, &market, objects);
    look_at_buffers(&mut cluster);
    Ok(match question::settings(objects)["ask"].as_str() {
        Some("disrupt") => disrupt(&mut cluster, &market),
        Some("replicas") => replicas(&cluster, &market),
        _ => provision(&mut cluster, &market),
    })
}

/// The controller has looked at every buffer.
fn look_at_buffers(cluster: &mut Cluster) {
    if cluster.declared.karpenter.capacity_buffer {
        let buffers = cluster.declared.capacity_buffers.iter();
        cluster.buffers =
            buffers.map(|buffer| (buffer.key.clone(), status::resolved(cluster, buffer))).collect();
    }
}

fn replicas(cluster: &Cluster, market: &Market) -> Value {
    let nobody = BTreeSet::new();
    let of_pool = |(pool, _): (u32, u32)| {
        let surplus = static_pools::surplus(cluster, pool, &nobody);
        let mut deleted: Vec<&Name> = surplus.iter().map(|claim| &cluster.claim(*claim).name).collect();
        deleted.sort_unstable();
        let claim = static_pools::claim(cluster, market, pool).map(|claim| claim_of(cluster, &claim));
        let lacking = static_pools::lacking(cluster, pool, &nobody) as usize;
        let created: Vec<Value> = claim.into_iter().cycle().take(lacking).collect();
        let name = cluster.declared.node_pools[pool as usize].name.to_string();
        (name, json!({"created": created, "deleted": deleted}))
    };
    let pools: BTreeMap<String, Value> = static_pools::all(cluster).map(of_pool).collect();
    json!({"replicas": pools})
}

fn provision(cluster: &mut Cluster, market: &Market) -> Value {
    let (solution, hosted) = plan(cluster, market);
    let imagined = Imagined::of(cluster);
    note_plan(cluster, &hosted);
    let all = imagined.as_ref().map_or(&*cluster, |imagined| &imagined.cluster);
    let mut existing: BTreeMap<String, Vec<Name>> = BTreeMap::new();
    for (pod, place) in &solution.on_existing {
        let name = match place {
            ClaimOrNode::Node(node) => cluster.node(*node).name.clone(),
            ClaimOrNode::Claim(claim) => cluster.claim(*claim).name.clone(),
        };
        existing.entry(name.to_string()).or_default().push(all.pod_name(*pod));
    }
    let mut claims: Vec<Value> = solution.new_claims.iter().map(|claim| claim_of(all, claim)).collect();
    claims.sort_by_cached_key(claim_order);
    with_buffers(json!({"claims": claims, "existing": existing}), cluster)
}

/// One round of provisioning, pods of buffers and all.
fn plan(cluster: &Cluster, market: &Market) -> (Solution, Hosted) {
    let (none, mut pods) = (BTreeSet::new(), pods_to_place(cluster));
    let imagined = Imagined::of(cluster);
    pods.extend(imagined.iter().flat_map(Imagined::pods));
    let input = Input {
        cluster: imagined.as_ref().map_or(cluster, |imagined| &imagined.cluster),
        market,
        pods: &pods,
        leaving: &none,
        settling: &none,
        policy: Policy::Karpenter,
        purpose: Purpose::Provisioning,
    };
    let solution = provisioning::solve(&input);
    let hosted = imagined.as_ref().map(|imagined| imagined.take_out(&input, &mut solution.clone()));
    (solution, hosted.unwrap_or_default())
}

fn note_plan(cluster: &mut Cluster, hosted: &Hosted) {
    if cluster.declared.karpenter.capacity_buffer {
        let said = status::after_plan(cluster, hosted);
        cluster.buffers.extend(said);
    }
}

/// What is said of the buffers, beside the rest of an answer.
fn with_buffers(mut answer: Value, cluster: &Cluster) -> Value {
    if cluster.declared.karpenter.capacity_buffer {
        let said = cluster.buffers.iter();
        let said =
            said.map(|(key, status)| (format!("{}/{}", key.namespace, key.name), describe_buffer(status)));
        answer["buffers"] = json!(said.collect::<BTreeMap<String, String>>());
    }
    answer
}

fn describe_buffer(status: &BufferStatus) -> String {
    fn or_none(value: Option<impl std::fmt::Display>) -> String {
        value.map_or_else(|| "-".to_owned(), |value| value.to_string())
    }
    let mut text = format!(
        "template {}@{} replicas {} strategy {}",
        or_none(status.pod_template.as_ref()),
        or_none(status.pod_template_generation),
        or_none(status.replicas),
        or_none(status.strategy.as_ref()),
    );
    for (kind, own) in [("ReadyForProvisioning", &status.ready), ("Provisioning", &status.provisioning)] {
        let own = own.iter().map(|own| format!(" {kind}={} {}: {}", own.holds, own.reason, own.message));
        text.extend(own);
    }
    text
}

/// Pods that wait, and those of nodes that go.
pub(super) fn pods_to_place(cluster: &Cluster) -> Vec<PodId> {
    let pending = cluster.pods.iter().filter(|pod| is_provisionable(cluster, pod)).map(|pod| pod.id);
    let leaving = pods_of_leaving(cluster, &PodBudgets::of(cluster), &BTreeSet::new());
    let mut pods: Vec<PodId> = pending.chain(leaving).collect();
    pods.sort_unstable();
    pods.dedup();
    pods
}

fn disrupt(cluster: &mut Cluster, market: &Market) -> Value {
    let (mut nominated, mut buffered) = (BTreeMap::new(), BTreeSet::new());
    if cluster.declared.karpenter.capacity_buffer {
        let (solution, hosted) = plan(cluster, market);
        note_plan(cluster, &hosted);
        let real = cluster.pods.len();
        for (_, place) in solution.on_existing.iter().filter(|(pod, _)| (pod.0 as usize) < real) {
            if let ClaimOrNode::Node(node) = place {
                nominated.insert(*node, cluster.now.after_ms(1));
            }
        }
        buffered = hosted.on;
    }
    let held = Held {
        going: &BTreeSet::new(),
        nominated: &nominated,
        buffered: &buffered,
        policy: Policy::Karpenter,
    };
    let commands = provisioning::disruption::commands(cluster, market, held);
    let mut commands: Vec<Value> = commands.iter().map(|command| command_of(cluster, command)).collect();
    commands.sort_by_key(|command| command["nodes"].to_string());
    with_buffers(json!({"commands": commands}), cluster)
}

fn command_of(cluster: &Cluster, command: &Command) -> Value {
    let mut nodes: Vec<&Name> = command.nodes.iter().map(|node| &cluster.node(*node).name).collect();
    nodes.sort_unstable();
    let mut replacements: Vec<Value> =
        command.replacements.iter().map(|claim| claim_of(cluster, claim)).collect();
    replacements.sort_by_cached_key(claim_order);
    json!({"reason": format!("{:?}", command.reason), "nodes": nodes, "replacements": replacements})
}

fn claim_of(cluster: &Cluster, claim: &PlannedClaim) -> Value {
    let pool = &cluster.declared.node_pools[claim.pool as usize];
    // Which types a static pool's claim may become is left to the provider.
    let named = claim.options.iter().filter(|_| pool.replicas.is_none());
    let types: Vec<&Name> = named.map(|&index| &claim.types[index].name).collect();
    let pods: Vec<Name> = claim.pods.iter().map(|pod| cluster.pod_name(*pod)).collect();
    json!({
        "pool": pool.name,
        "pods": pods,
        "types": types,
        "requirements": describe(&claim.requirements),
        "requests": amounts(&claim.requests),
    })
}

/// In which order claims are compared: theirs is no decision. Those for buffers only have no pods to be told apart by.
fn claim_order(claim: &Value) -> (String, String) {
    (claim["pods"].to_string(), claim.to_string())
}

fn amounts(requests: &Resources) -> BTreeMap<String, String> {
    requests.iter().map(|(name, amount)| (name.to_owned(), amount.to_string())).collect()
}

fn describe(requirements: &Requirements) -> Vec<String> {
    let mut lines: Vec<String> = requirements.iter().map(describe_one).collect();
    lines.sort_unstable();
    lines
}

fn describe_one(own: &Requirement) -> String {
    let values: Vec<&str> = own.values.iter().map(Name::as_str).collect();
    let bound = match (own.at_least, own.at_most) {
        (Some(least), _) => format!(" Gte {least}"),
        (None, Some(most)) => format!(" Lte {most}"),
        (None, None) => String::new(),
    };
    let min = own.min_values.map(|min| format!(" min {min}")).unwrap_or_default();
    format!("{} {:?} [{}]{bound}{min}", own.key, own.shape(), values.join(","))
}

/// Their answer in the form of ours: what is not a decision (the order of claims, texts) is left out.
/// Pods without a plan are those that no claim and no node has.
pub fn normalised(theirs: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    if let Some(pools) = theirs["replicas"].as_object() {
        let of_pool = |(name, pool): (&String, &Value)| {
            let created: Vec<Value> = list(&pool["created"]).iter().map(claim_of_theirs).collect();
            (name.clone(), json!({"created": created, "deleted": list(&pool["deleted"])}))
        };
        return json!({"replicas": pools.iter().map(of_pool).collect::<BTreeMap<String, Value>>()});
    }
    if theirs.get("commands").is_some_and(|commands| commands.is_array()) || theirs["existing"].is_null() {
        let mut commands: Vec<Value> = list(&theirs["commands"])
            .into_iter()
            .map(|command| {
                let mut nodes: Vec<String> = list(&command["nodes"])
                    .iter()
                    .filter_map(|name| name.as_str().map(str::to_owned))
                    .collect();
                nodes.sort_unstable();
                let mut replacements: Vec<Value> =
                    list(&command["replacements"]).iter().map(claim_of_theirs).collect();
                replacements.sort_by_cached_key(claim_order);
                json!({"reason": command["reason"], "nodes": nodes, "replacements": replacements})
            })
            .collect();
        commands.sort_by_key(|command| command["nodes"].to_string());
        return beside(json!({"commands": commands}), theirs);
    }
    let mut claims: Vec<Value> = list(&theirs["claims"]).iter().map(claim_of_theirs).collect();
    claims.sort_by_cached_key(claim_order);
    beside(json!({"claims": claims, "existing": theirs["existing"]}), theirs)
}

/// With what is said of buffers, where that was asked.
fn beside(mut answer: Value, theirs: &Value) -> Value {
    if theirs["buffers"].is_object() {
        answer["buffers"] = theirs["buffers"].clone();
    }
    answer
}

fn claim_of_theirs(claim: &Value) -> Value {
    let mut claim = claim.clone();
    if let Some(requests) = claim["requests"].as_object_mut() {
        requests.retain(|_, amount| *amount != "0");
    }
    claim
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::karpenter::generate::generate;

    #[test]
    fn every_seed_is_an_input_with_one_answer() {
        for seed in 1..=60 {
            let (objects, _) = generate(seed);
            let first = answer(&objects).unwrap();
            assert_eq!(first, answer(&generate(seed).0).unwrap(), "seed {seed}");
        }
    }

    #[test]
    fn what_is_no_decision_is_left_out() {
        let claim = |pod: &str| json!({"pods": [pod], "requests": {"cpu": "0", "pods": "1"}});
        let theirs =
            json!({"claims": [claim("a/2"), claim("a/1")], "existing": {}, "unscheduled": {"a/3": "text"}});
        let kept = |pod: &str| json!({"pods": [pod], "requests": {"pods": "1"}});
        assert_eq!(normalised(&theirs), json!({"claims": [kept("a/1"), kept("a/2")], "existing": {}}));
    }
}
