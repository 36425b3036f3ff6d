//! What a plan needs to know of a cluster whatever pods it is for: read once for many plans of the same cluster.
//!
//! Disruption asks for a plan for every node that may go, and plimsoll's policy makes several; each differs in its pods
//! and in the nodes that leave, which is all that is missing here. Nothing here decides.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cluster::{Labels, Name, NodeId, PodTemplate, Resources};

use crate::existing::{self, Existing, View};
use crate::input::Input;
use crate::pool::{PoolTemplate, Unusable};
use crate::scheduler::pools::{daemon_sets, domain_sources, prepare_pools, used_by_pool};
use crate::sets::Sets;
use crate::topology::{Running, Sources};
use crate::volumes::VolumeIndex;

/// See the module.
pub(crate) struct Survey<'a> {
    /// Volume claims by name.
    pub volumes: VolumeIndex<'a>,
    /// Pools in the order tried.
    pub pools: Vec<(u32, Result<Rc<PoolTemplate>, Unusable>)>,
    /// By pool: what its nodes have, save those that are leaving anyway.
    pub used: BTreeMap<Name, Resources>,
    /// Label keys that pods which run keep others away by.
    pub keys: BTreeSet<Name>,
    /// Nodes and claims on their way in their order, with all their labels.
    pub nodes: Vec<(Existing, Labels)>,
    /// Pods that run.
    pub running: Rc<Running<'a>>,
    /// Ready pools as sources of domains.
    pub sources: Rc<Sources>,
}

impl<'a> Survey<'a> {
    /// Of the cluster, market and policy of an input.
    pub fn of(input: &Input<'a>) -> Survey<'a> {
        let none: BTreeSet<NodeId> = BTreeSet::new();
        let neutral = Input { pods: &[], leaving: &none, settling: &none, ..*input };
        let mut daemon_sets = daemon_sets(&neutral);
        let pools = prepare_pools(&neutral, &mut daemon_sets);
        let tried = pools.iter().any(|(_, prepared)| prepared.is_ok());
        let daemon_sets: Vec<PodTemplate> =
            daemon_sets.into_iter().map(|daemon| daemon.for_nodes(tried)).collect();
        let daemon_sets: Vec<&PodTemplate> = daemon_sets.iter().collect();
        let volumes = VolumeIndex::of(input.cluster);
        let running = input.cluster.pods.iter().filter(|pod| pod.holds_node());
        let terms = running.flat_map(|pod| &pod.template.pod_anti_affinity.required);
        Survey {
            used: used_by_pool(&neutral),
            keys: terms.map(|term| term.topology_key.clone()).collect(),
            nodes: existing::existing(&neutral, &daemon_sets, &volumes),
            running: Rc::new(Running::of(input.cluster)),
            sources: Rc::new(Sources::of(domain_sources(&neutral))),
            volumes,
            pools,
        }
    }

    /// What a pool's nodes have, without those that leave for this plan.
    pub fn used(&self, input: &Input<'_>, pool: &Name) -> Resources {
        let mut used = self.used.get(pool).cloned().unwrap_or_default();
        for id in input.leaving {
            let Some(node) = input.cluster.nodes.get(id.0 as usize).filter(|node| node.exists()) else {
                continue;
            };
            let view = View::of_node(input.cluster, node);
            if !view.is_leaving() && view.pool(input.cluster) == Some(pool) {
                used.subtract(&view.capacity());
                used.set("nodes", used.get("nodes").saturating_sub(1));
            }
        }
        used
    }

    /// The nodes that stay, with the labels of these keys.
    pub fn staying(&self, input: &Input<'_>, keys: &BTreeSet<Name>, sets: &mut Sets) -> Vec<Existing> {
        let stay =
            self.nodes.iter().filter(|(node, _)| node.node().is_none_or(|id| !input.leaving.contains(&id)));
        let seen = stay.map(|(node, labels)| {
            let mut seen = node.clone();
            seen.settling = node.node().is_some_and(|id| input.settling.contains(&id));
            seen.set = existing::labels_that_matter(labels, keys, sets);
            seen
        });
        seen.collect()
    }
}
