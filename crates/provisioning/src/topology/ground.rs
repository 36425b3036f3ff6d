//! What topology counts over: running pods by kind, nodes, and the domains that pools can make.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/topology.go`
//! (`buildDomainGroups`, `countDomains`) and `topologydomaingroup.go`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use cluster::requirements::{Requirements, Shape};
use cluster::{Cluster, Name, NodeId, PodId, PodTemplate, Taint, Toleration};

use crate::daemons::all_tolerated;
use crate::market::Offers;

/// Running pods of one kind, by node.
#[derive(Debug)]
pub struct Placed<'a> {
    /// Which kind.
    pub kind: usize,
    /// Their namespace.
    pub namespace: &'a Name,
    /// What they were made from.
    pub template: &'a PodTemplate,
    /// The revision.
    pub revision: u32,
    /// They were asked to go: they are not counted, but their anti-affinity still keeps others away.
    pub leaving: bool,
    /// Pods by node.
    nodes: BTreeMap<NodeId, u32>,
    pods: u32,
}

/// Pods that run, by kind.
#[derive(Debug, Default)]
pub struct Running<'a> {
    kinds: Vec<Placed<'a>>,
    /// By pod: its kind, if it runs.
    of_pod: Vec<Option<u32>>,
    /// Kinds that keep others away.
    repelling: Vec<usize>,
}

/// A pool as a source of domains.
#[derive(Debug)]
pub struct DomainSource {
    /// The pool's requirements and labels.
    pub requirements: Requirements,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// Every type of its node class.
    pub types: Arc<Offers>,
}

/// The domains that ready pools can make.
#[derive(Debug, Default)]
pub struct Sources {
    pools: Vec<DomainSource>,
    universes: RefCell<BTreeMap<Name, Rc<Universe>>>,
}

/// What topology counts over.
#[derive(Debug)]
pub struct Ground<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    running: Rc<Running<'a>>,
    sources: Rc<Sources>,
    /// Running pods that the plan moves, by kind and node.
    moved: BTreeMap<usize, BTreeMap<NodeId, u32>>,
    /// Nodes of the plan by id, with their host index.
    pub hosts: BTreeMap<NodeId, usize>,
}

/// Each domain that a pool can make, with the taint sets of the pools that make it.
type Universe = BTreeMap<Name, Vec<Vec<Taint>>>;

impl<'a> Ground<'a> {
    /// The ground under a plan; `moving` are the pods that it places.
    pub fn new(
        cluster: &'a Cluster,
        moving: impl Iterator<Item = PodId>,
        running: Rc<Running<'a>>,
        sources: Rc<Sources>,
        hosts: BTreeMap<NodeId, usize>,
    ) -> Ground<'a> {
        let mut moved: BTreeMap<usize, BTreeMap<NodeId, u32>> = BTreeMap::new();
        for pod in moving {
            let kind = running.of_pod.get(pod.0 as usize).copied().flatten();
            if let (Some(kind), Some(node)) = (kind, cluster.pod(pod).node) {
                *moved.entry(kind as usize).or_default().entry(node).or_insert(0) += 1;
            }
        }
        Ground { cluster, running, sources, moved, hosts }
    }

    /// Kinds of running pods of which some stay.
    pub fn placed(&self) -> impl Iterator<Item = &Placed<'a>> {
        self.running.kinds.iter().filter(|placed| self.stay(placed))
    }

    /// Those of them with required anti-affinity.
    pub fn repelling(&self) -> impl Iterator<Item = &Placed<'a>> {
        let kinds = self.running.repelling.iter().map(|kind| &self.running.kinds[*kind]);
        kinds.filter(|placed| self.stay(placed))
    }

    fn stay(&self, placed: &Placed<'_>) -> bool {
        let moved = self.moved.get(&placed.kind);
        moved.is_none_or(|moved| moved.values().copied().sum::<u32>() < placed.pods)
    }

    /// Pods of a kind that stay, by node.
    pub fn pods_of(&self, placed: &Placed<'_>) -> impl Iterator<Item = (NodeId, u32)> {
        let moved = self.moved.get(&placed.kind);
        let left = placed.nodes.iter().map(move |(node, pods)| {
            let gone = moved.and_then(|moved| moved.get(node)).copied().unwrap_or(0);
            (*node, pods.saturating_sub(gone))
        });
        left.filter(|(_, pods)| *pods > 0)
    }

    /// See [`Sources::universe`].
    pub fn universe(&self, key: &Name, tolerations: Option<&[Toleration]>) -> Vec<Name> {
        self.sources.universe(key, tolerations)
    }
}

impl Sources {
    /// The domains of these pools.
    pub fn of(pools: Vec<DomainSource>) -> Sources {
        Sources { pools, universes: RefCell::default() }
    }

    /// The domains of a key that pools can make. With `tolerations`, only those of pools whose taints they cover.
    pub fn universe(&self, key: &Name, tolerations: Option<&[Toleration]>) -> Vec<Name> {
        let known = self.universes.borrow().get(key).cloned();
        let universe = known.unwrap_or_else(|| {
            let built = Rc::new(self.build(key));
            self.universes.borrow_mut().insert(key.clone(), Rc::clone(&built));
            built
        });
        let reachable = |sets: &Vec<Vec<Taint>>| {
            tolerations.is_none_or(|tolerations| sets.iter().any(|taints| all_tolerated(taints, tolerations)))
        };
        universe.iter().filter(|(_, sets)| reachable(sets)).map(|(domain, _)| domain.clone()).collect()
    }

    /// As Karpenter collects them, excluded values of `NotIn` among them.
    fn build(&self, key: &Name) -> Universe {
        let mut universe = Universe::new();
        let mut insert = |domain: &Name, taints: &[Taint]| {
            let sets = universe.entry(domain.clone()).or_default();
            if taints.is_empty() {
                *sets = vec![Vec::new()];
            } else if sets.first().is_none_or(|first| !first.is_empty())
                && !sets.iter().any(|set| set == taints)
            {
                sets.push(taints.to_vec());
            }
        };
        for source in self.pools.iter().filter(|source| !source.types.is_empty()) {
            let own = source.requirements.get(key);
            for offered in source.types.iter() {
                let both = match (own, offered.requirements.get(key)) {
                    (Some(own), Some(offered)) => Some(own.intersection(offered)),
                    (own, offered) => own.or(offered).cloned(),
                };
                let domains = both.iter().flat_map(|both| &both.values);
                domains.for_each(|domain| insert(domain, &source.taints));
            }
            for domain in own.filter(|own| own.shape() == Shape::In).iter().flat_map(|own| &own.values) {
                insert(domain, &source.taints);
            }
        }
        universe
    }
}

impl<'a> Running<'a> {
    /// Of a cluster.
    pub fn of(cluster: &'a Cluster) -> Running<'a> {
        let mut running = Running { of_pod: vec![None; cluster.pods.len()], ..Running::default() };
        // Looked up, never iterated over.
        let mut index: HashMap<(&Name, usize, u32, bool), usize> = HashMap::new();
        for pod in &cluster.pods {
            let Some(node) = pod.node.filter(|_| !pod.is_over()) else { continue };
            if !cluster.nodes.get(node.0 as usize).is_some_and(cluster::Node::exists) {
                continue;
            }
            let leaving = pod.deleted.is_some();
            let key = (&pod.namespace, Arc::as_ptr(&pod.template) as usize, pod.revision, leaving);
            let kinds = &mut running.kinds;
            let kind = *index.entry(key).or_insert_with(|| {
                kinds.push(Placed {
                    kind: kinds.len(),
                    namespace: &pod.namespace,
                    template: &pod.template,
                    revision: pod.revision,
                    leaving,
                    nodes: BTreeMap::new(),
                    pods: 0,
                });
                kinds.len() - 1
            });
            *kinds[kind].nodes.entry(node).or_insert(0) += 1;
            kinds[kind].pods += 1;
            if let Some(own) = running.of_pod.get_mut(pod.id.0 as usize) {
                *own = u32::try_from(kind).ok();
            }
        }
        let repels = |kind: &usize| !running.kinds[*kind].template.pod_anti_affinity.required.is_empty();
        running.repelling = (0..running.kinds.len()).filter(repels).collect();
        running
    }
}
