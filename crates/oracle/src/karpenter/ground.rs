//! An input as the engine's own values: what a plan is made from, and the cluster once the plan has come true.
//!
//! For benchmarks and comparisons of policies. The JSON that it was made of need not be kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use catalog::Catalog;
use cluster::change::ClaimOrNode;
use cluster::network::NodeNetwork;
use cluster::node_claim::{ClaimId, ClaimStage, Launched, NodeClaim};
use cluster::pod::Stage;
use cluster::{Cluster, Name, Node, NodeId, PodId, Timestamp};
use provisioning::market::{CAPACITY_TYPE, INSTANCE_TYPE, Shelf, ZONE};
use provisioning::plimsoll::addresses::Addresses;
use provisioning::{Input, Market, PlannedClaim, Policy, Purpose, Solution};
use serde_json::Value;

use super::{ours, question, state};

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The cluster.
    pub cluster: Cluster,
    /// What can be bought.
    pub market: Market,
    /// The pods to place.
    pub pods: Vec<PodId>,
}

impl Ground {
    /// With the input's own instance types; with those of the catalog, and the profile's subnets, when it has none.
    pub fn of(objects: &[Value]) -> Result<Ground> {
        let mut cluster = state::cluster(objects)?;
        cluster.subnets = cluster.declared.profile.subnets.iter().map(addressing::space::filled).collect();
        let pools: Vec<Name> = cluster.declared.node_pools.iter().map(|pool| pool.name.clone()).collect();
        let market = match objects.iter().any(|object| object["kind"] == "InstanceType") {
            true => question::market(objects, &pools),
            false => Market::of(&cluster, Catalog::embedded(), &[], &Shelf::default()),
        };
        let pods = ours::pods_to_place(&cluster);
        Ok(Ground { cluster, market, pods })
    }

    /// What is known about addresses.
    pub fn addresses(&self) -> Addresses {
        Addresses::of(&self.cluster, Catalog::embedded())
    }

    /// Where every pod goes.
    pub fn solve(&self, policy: Policy<'_>) -> Solution {
        let none = BTreeSet::new();
        provisioning::solve(&Input {
            cluster: &self.cluster,
            market: &self.market,
            pods: &self.pods,
            leaving: &none,
            settling: &none,
            policy,
            purpose: Purpose::Provisioning,
        })
    }

    /// The same once a plan has come true: every claim is a node that is initialized, and its pods are Ready on it.
    #[must_use]
    pub fn settled(mut self, plan: &Solution) -> Ground {
        for claim in &plan.new_claims {
            self.launch(claim);
        }
        for (pod, place) in &plan.on_existing {
            if let ClaimOrNode::Node(node) = place {
                self.bind(*pod, *node);
            }
        }
        self.pods.clear();
        self
    }

    fn bind(&mut self, pod: PodId, node: NodeId) {
        let pod = &mut self.cluster.pods[pod.0 as usize];
        (pod.node, pod.stage, pod.addressed, pod.waiting) = (Some(node), Stage::Ready, true, None);
    }

    fn launch(&mut self, planned: &PlannedClaim) {
        let new = planned.new_claim(&self.cluster, cluster::Name::default());
        let (Some(option), Some(&index)) = (new.options.first().cloned(), planned.options.first()) else {
            return;
        };
        let offered = &planned.types[index];
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let (id, claim) =
            (NodeId(count(self.cluster.nodes.len())), ClaimId(count(self.cluster.claims.len())));
        let name = Name::from(format!("node-{:05}", id.0));
        let mut labels = new.labels.clone();
        for (key, value) in [
            (INSTANCE_TYPE, &option.instance_type),
            (ZONE, &option.zone),
            (CAPACITY_TYPE, &option.capacity_type),
            ("kubernetes.io/hostname", &name),
            ("karpenter.sh/initialized", &"true".into()),
            ("karpenter.sh/registered", &"true".into()),
        ] {
            labels.insert(key.into(), value.clone());
        }
        let launched = Launched {
            option: option.clone(),
            subnet: planned.subnet,
            capacity: offered.capacity.clone(),
            allocatable: offered.allocatable.clone(),
        };
        self.cluster.claims.push(NodeClaim {
            id: claim,
            name: name.clone(),
            pool: Some(new.pool),
            labels: labels.clone(),
            taints: new.taints.clone(),
            startup_taints: new.startup_taints,
            options: new.options,
            requests: new.requests,
            created: Timestamp::ZERO,
            stage: ClaimStage::Initialized,
            launched: Some(launched),
            node: Some(id),
            deleted: None,
            expire_after_ms: None,
            termination_grace_period_ms: None,
            made_under: None,
            template_hash: None,
            terminate_by: None,
            drifted: None,
            last_pod_event: Timestamp::ZERO,
        });
        let location = self.cluster.declared.node_pools[new.pool as usize].location.clone();
        self.cluster.nodes.push(Node {
            id,
            name,
            claim: Some(claim),
            instance_type: option.instance_type,
            zone: option.zone,
            labels,
            taints: new.taints,
            capacity: offered.capacity.clone(),
            allocatable: offered.allocatable.clone(),
            network: NodeNetwork { subnet: planned.subnet, ..NodeNetwork::default() },
            ..Node::ready(location)
        });
        planned.pods.iter().for_each(|pod| self.bind(*pod, id));
    }

    /// Only types of these names, in every pool.
    #[must_use]
    pub fn with_types(mut self, allowed: impl Fn(&str) -> bool) -> Ground {
        for pool in &mut self.market.pools {
            let some = pool.types.iter().filter(|offered| allowed(&offered.name)).cloned().collect();
            pool.types = Arc::new(provisioning::market::Offers::new(some));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::karpenter::mix::{Mix, Pods, Types};

    #[test]
    fn a_plan_that_came_true_leaves_nothing_to_place() {
        let ground = Ground::of(&Mix::new(Pods::Diverse, 60).objects()).unwrap();
        let plan = ground.solve(Policy::Karpenter);
        assert_eq!((plan.new_claims.len(), plan.refused.len()), (12, 0));
        let settled = ground.settled(&plan);
        assert_eq!(settled.cluster.nodes.len(), 12);
        assert!(settled.cluster.pods.iter().all(|pod| pod.node.is_some()));
    }

    #[test]
    fn real_types_are_those_of_the_region_with_addresses() {
        let ground =
            Ground::of(&Mix { types: Types::Real, ..Mix::new(Pods::Diverse, 30) }.objects()).unwrap();
        let types = &ground.market.pools[0].types;
        assert!(types.len() > 700, "{}", types.len());
        let in_three_zones = types.iter().filter(|offered| offered.offerings.len() >= 3).count();
        assert!(in_three_zones * 2 > types.len(), "{in_three_zones} of {}", types.len());
        let addresses = ground.addresses();
        let plan = ground.solve(Policy::Plimsoll(&addresses));
        assert_eq!(plan.refused.len(), 0, "{:?}", plan.refused.first());
        assert!(plan.new_claims.iter().all(|claim| claim.subnet.is_some()));
    }
}
