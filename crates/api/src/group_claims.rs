//! Node groups of the profile that a NodePool made: their nodes look as Karpenter makes them, and have NodeClaims.

use catalog::{Catalog, KarpenterNode};
use cluster::node_claim::{ClaimStage, LaunchOption, Launched};
use cluster::{ClaimId, Declared, Name, Node, NodeClaim, NodePool, SelectorOperator, Timestamp};

use crate::code;
use crate::object::Object;
use crate::problem::{Problems, Reporter};
use crate::suggest::did_you_mean;

/// Makes the claims, and gives their nodes the pool's labels and taints.
pub(crate) fn make(
    declared: &mut Declared,
    catalog: &Catalog,
    profile: Option<&Object>,
    problems: &mut Problems,
) {
    for index in 0..declared.nodes.len() {
        if declared.nodes[index].claim.is_some() || declared.nodes[index].location.path.0.is_empty() {
            continue;
        }
        let group =
            declared.nodes[index].group.and_then(|group| declared.profile.node_groups.get(group as usize));
        let Some(pool) = group.map(|group| group.node_pool.clone()).filter(|pool| !pool.is_empty()) else {
            continue;
        };
        let Some(position) = declared.node_pools.iter().position(|candidate| candidate.name == pool) else {
            continue;
        };
        let mut node = declared.nodes[index].clone();
        let id = ClaimId(u32::try_from(declared.claims.len()).unwrap_or(u32::MAX));
        dress(&mut node, declared, position, catalog);
        node.claim = Some(id);
        let claim = claim(&node, id, position, declared);
        declared.claims.push(claim);
        declared.nodes[index] = node;
    }
    if let Some(profile) = profile {
        check(declared, profile, problems);
    }
}

/// Groups whose pool is not in the input are plain nodes.
fn check(declared: &Declared, profile: &Object, problems: &mut Problems) {
    for group in declared.profile.node_groups.iter().filter(|group| !group.node_pool.is_empty()) {
        let names = || declared.node_pools.iter().map(|pool| pool.name.as_str());
        if names().any(|name| name == group.node_pool) {
            continue;
        }
        let path = group.location.path.child("nodePool");
        let message = format!(
            "{path}: there is no NodePool {:?} in the input: its nodes are nobody's",
            group.node_pool
        );
        let help = did_you_mean(&group.node_pool, names());
        Reporter::new(problems, profile).warning(&path, code::UNKNOWN_REFERENCE, message, help);
    }
}

/// The pool's labels, single-valued requirements and taints, and what its node class makes of the type.
fn dress(node: &mut Node, declared: &Declared, position: usize, catalog: &Catalog) {
    let pool = &declared.node_pools[position];
    for (key, value) in pool.labels.iter().chain(single_values(pool).iter().map(|(key, value)| (key, value)))
    {
        node.labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    if let Some(capacity_type) = single_values(pool).into_iter().find(|(key, _)| key == CAPACITY_TYPE) {
        node.labels.insert(capacity_type.0, capacity_type.1);
    }
    for taint in &pool.taints {
        if !node.taints.contains(taint) {
            node.taints.push(taint.clone());
        }
    }
    let group = node.group.and_then(|group| declared.profile.node_groups.get(group as usize));
    let set = group.is_some_and(|group| group.max_pods.is_some() || group.reserved.is_some());
    let class = declared.node_class(&pool.node_class).filter(|_| !set);
    if let (Some(class), Some(it)) = (class, catalog.instance_type(&node.instance_type)) {
        let settings = &declared.karpenter;
        let overhead = u32::try_from(settings.vm_memory_overhead_millipercent).unwrap_or(0);
        let launched = KarpenterNode::of(class, settings.reserved_enis, overhead).launched(it).resources(it);
        node.capacity = launched.capacity;
        node.allocatable = launched.allocatable;
    }
}

const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";

/// Requirements that leave one value.
fn single_values(pool: &NodePool) -> Vec<(Name, Name)> {
    let single = pool
        .requirements
        .iter()
        .filter(|requirement| requirement.operator == SelectorOperator::In && requirement.values.len() == 1);
    single.map(|requirement| (requirement.key.clone(), requirement.values[0].clone())).collect()
}

fn claim(node: &Node, id: ClaimId, position: usize, declared: &Declared) -> NodeClaim {
    let pool = &declared.node_pools[position];
    let capacity_type = node.labels.get(CAPACITY_TYPE).cloned().unwrap_or_else(|| "on-demand".into());
    let option = LaunchOption {
        instance_type: node.instance_type.clone(),
        zone: node.zone.clone(),
        capacity_type,
        price_micro_usd: 0,
    };
    let launched = Launched {
        option: option.clone(),
        subnet: node.network.subnet,
        capacity: node.capacity.clone(),
        allocatable: node.allocatable.clone(),
    };
    NodeClaim {
        id,
        name: node.name.clone(),
        pool: u32::try_from(position).ok(),
        labels: node.labels.clone(),
        taints: pool.taints.clone(),
        startup_taints: pool.startup_taints.clone(),
        options: vec![option],
        requests: cluster::Resources::ZERO,
        expire_after_ms: pool.expire_after_ms,
        termination_grace_period_ms: pool.termination_grace_period_ms,
        created: Timestamp::ZERO,
        stage: ClaimStage::Initialized,
        launched: Some(launched),
        node: Some(node.id),
        deleted: None,
        last_pod_event: Timestamp::ZERO,
        made_under: None,
        template_hash: None,
        terminate_by: None,
        drifted: None,
    }
}

#[cfg(test)]
mod tests {
    use cluster::node_claim::ClaimStage;

    use crate::testing::{lowered, shown};

    const POOL: &str = "---\napiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: app}\nspec:\n  template:\n    metadata: {labels: {team: a}}\n    spec:\n      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}\n      taints: [{key: app, effect: NoSchedule}]\n      requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [spot]}]\n---\napiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {name: default}\nspec: {amiSelectorTerms: [{alias: al2023@latest}], role: r, subnetSelectorTerms: [{tags: {a: b}}], securityGroupSelectorTerms: [{tags: {a: b}}], kubelet: {maxPods: 17}}\n";

    fn profile(pool: &str) -> String {
        format!(
            "apiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nspec: {{nodeGroups: [{{name: g, nodePool: {pool}, instanceType: m5.large, count: 2}}]}}\n{POOL}"
        )
    }

    #[test]
    fn nodes_of_a_pool_have_its_labels_taints_and_claims() {
        let lowered = lowered(&profile("app"));
        assert_eq!(shown(&lowered.problems), "");
        let declared = &lowered.declared;
        assert_eq!(declared.claims.len(), 2);
        assert_eq!(declared.claims[1].node, Some(declared.nodes[1].id));
        assert_eq!(declared.claims[0].stage, ClaimStage::Initialized);
        let node = &declared.nodes[0];
        assert_eq!(node.labels["karpenter.sh/capacity-type"], "spot");
        assert_eq!((node.labels["team"].as_str(), node.taints.len(), node.allocatable.pods), ("a", 1, 17));
        assert!(!node.labels.contains_key("eks.amazonaws.com/nodegroup"));
    }

    #[test]
    fn a_pool_that_is_not_there_is_named() {
        let lowered = lowered(&profile("apps"));
        assert_eq!(lowered.problems[0].code, "CONF115");
        assert_eq!(lowered.problems[0].help.as_deref(), Some("did you mean `app`?"));
        assert!(lowered.declared.claims.is_empty());
    }
}
