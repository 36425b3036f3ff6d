//! What the pods of a plan's new nodes cost at the least: a linear program, and the dearest pod alone.
//!
//! Pods and nodes may be cut into parts, preferences, spread and affinity between pods do not count, limits neither,
//! and every pool is open to every pod. So no plan that puts these pods on new nodes is cheaper; and none is cheaper
//! than the cheapest node for the pod that needs the dearest. Floats, because solvers use them; nothing decides by them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::template::PodAffinity;
use cluster::{Cluster, Declared, Name, PodId, PodTemplate, Resources};
use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};
use oracle::karpenter::ground::Ground;
use provisioning::{Policy, Solution};

/// A way to buy a node: type and price. Prices of one type differ by zone and capacity type.
type Ware = (Name, i64);

/// Pods that ask for the same and may go to the same nodes.
struct Kind {
    requests: Resources,
    count: usize,
    /// With what daemons leave of the node, at the most.
    wares: BTreeMap<Ware, Resources>,
}

/// The bound, in millionths of a US dollar an hour, rounded down; `None` when there is nothing to buy.
pub fn micro_usd(ground: &Ground, plan: &Solution) -> Option<i64> {
    let plain = Ground { cluster: without_company(&ground.cluster), ..ground.clone() };
    let mut known: Vec<(&PodTemplate, BTreeMap<Ware, Resources>)> = Vec::new();
    let mut kinds: Vec<Kind> = Vec::new();
    for pod in plan.new_claims.iter().flat_map(|claim| &claim.pods) {
        let template: &PodTemplate = &ground.cluster.pod(*pod).template;
        let wares = match known.iter().find(|(other, _)| buys_as(other, template)) {
            Some((_, wares)) => wares.clone(),
            None => {
                let wares = wares(&plain, *pod);
                known.push((template, wares.clone()));
                wares
            }
        };
        match kinds.iter_mut().find(|known| known.requests == template.requests && known.wares == wares) {
            Some(known) => known.count += 1,
            None => kinds.push(Kind { requests: template.requests.clone(), count: 1, wares }),
        }
    }
    kinds.retain(|kind| !kind.wares.is_empty());
    let alone = kinds.iter().filter_map(|kind| kind.wares.keys().map(|(_, price)| *price).min()).max()?;
    Some(least(&kinds)?.max(alone))
}

/// Whether two pods may go to the same nodes, others apart.
fn buys_as(one: &PodTemplate, other: &PodTemplate) -> bool {
    one.requests == other.requests
        && one.node_selector == other.node_selector
        && one.required_node_affinity == other.required_node_affinity
        && one.tolerations == other.tolerations
        && one.host_ports == other.host_ports
        && one.volumes == other.volumes
}

/// The same cluster with pods that ask for nothing of each other and prefer nothing, without nodes and limits.
fn without_company(cluster: &Cluster) -> Cluster {
    let mut plain = cluster.clone();
    let mut known: BTreeMap<*const PodTemplate, Arc<PodTemplate>> = BTreeMap::new();
    for pod in &mut plain.pods {
        let stripped = known.entry(Arc::as_ptr(&pod.template)).or_insert_with(|| {
            let mut template = PodTemplate::clone(&pod.template);
            template.topology_spread.clear();
            template.preferred_node_affinity.clear();
            template.pod_affinity = PodAffinity::default();
            template.pod_anti_affinity = PodAffinity::default();
            Arc::new(template)
        });
        pod.template = Arc::clone(stripped);
        (pod.node, pod.deleted) = (None, None);
    }
    let mut declared = Declared::clone(&plain.declared);
    declared.node_pools.iter_mut().for_each(|pool| pool.limits.clear());
    plain.declared = Arc::new(declared);
    plain.nodes.clear();
    plain.claims.clear();
    plain
}

/// What may be bought for a pod in any pool.
fn wares(ground: &Ground, pod: PodId) -> BTreeMap<Ware, Resources> {
    let mut wares: BTreeMap<Ware, Resources> = BTreeMap::new();
    for open in 0..ground.market.pools.len() {
        let mut only = Ground { pods: vec![pod], ..ground.clone() };
        let others = only.market.pools.iter_mut().enumerate().filter(|(index, _)| *index != open);
        others.for_each(|(_, pool)| pool.not_ready = Some("closed".into()));
        let plan = only.solve(Policy::Karpenter);
        let Some(claim) = plan.new_claims.first() else { continue };
        let daemons = claim.requests.minus(&only.cluster.pod(pod).template.requests);
        for &index in &claim.options {
            let offered = &claim.types[index];
            let room = offered.allocatable.minus(&daemons);
            for offering in offered.possible(&claim.requirements) {
                let ware = (offered.name.clone(), offering.price_micro_usd);
                // Of several pools, the one whose daemons leave more of everything.
                wares.entry(ware).or_insert_with(|| room.clone()).raise_to(&room);
            }
        }
    }
    wares
}

/// Wares of which none is better for everyone: not dearer, with no less room for anything, for all that may use it.
fn worth_buying(kinds: &[Kind]) -> BTreeSet<&Ware> {
    let all: BTreeSet<&Ware> = kinds.iter().flat_map(|kind| kind.wares.keys()).collect();
    let mut cheapest_first: Vec<&Ware> = all.into_iter().collect();
    cheapest_first.sort_by_key(|ware| ware.1);
    let mut kept: Vec<&Ware> = Vec::new();
    for ware in cheapest_first {
        let better = |known: &&Ware| {
            kinds.iter().all(|kind| match (kind.wares.get(ware), kind.wares.get(*known)) {
                (None, _) => true,
                (Some(room), Some(more)) => {
                    kind.requests.iter().all(|(name, _)| more.get(name) >= room.get(name))
                }
                (Some(_), None) => false,
            })
        };
        if !kept.iter().any(better) {
            kept.push(ware);
        }
    }
    kept.into_iter().collect()
}

/// Minimises the price of nodes, cut into parts, that hold all pods, cut into parts.
fn least(kinds: &[Kind]) -> Option<i64> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let all = worth_buying(kinds);
    let nodes: BTreeMap<&Ware, Variable> =
        all.iter().map(|ware| (*ware, problem.add_var(ware.1 as f64, (0.0, f64::INFINITY)))).collect();
    let mut parts: BTreeMap<&Ware, Vec<(usize, Variable)>> = BTreeMap::new();
    for (index, kind) in kinds.iter().enumerate() {
        let mut whole = Vec::new();
        for ware in kind.wares.keys().filter(|ware| all.contains(ware)) {
            let part = problem.add_var(0.0, (0.0, f64::INFINITY));
            whole.push((part, 1.0));
            parts.entry(ware).or_default().push((index, part));
        }
        problem.add_constraint(whole, ComparisonOp::Eq, kind.count as f64);
    }
    for (ware, parts) in &parts {
        let names: BTreeSet<&str> =
            parts.iter().flat_map(|(kind, _)| kinds[*kind].requests.iter().map(|(name, _)| name)).collect();
        for name in names {
            let rooms = parts.iter().filter_map(|(kind, _)| kinds[*kind].wares.get(*ware));
            let room = rooms.map(|room| room.get(name)).max().unwrap_or(0).max(1) as f64;
            // In shares of a node, so that bytes and millicores are of one size.
            let mut terms: Vec<(Variable, f64)> = parts
                .iter()
                .map(|(kind, part)| (*part, kinds[*kind].requests.get(name) as f64 / room))
                .collect();
            terms.push((nodes[*ware], -1.0));
            problem.add_constraint(terms, ComparisonOp::Le, 0.0);
        }
    }
    let solution = problem.solve().ok()?;
    Some((solution.objective() - 0.5).floor() as i64)
}
