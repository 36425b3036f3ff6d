//! What topology counts over: running pods by kind, nodes, and the domains that pools can make.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/topology.go`
//! (`buildDomainGroups`, `countDomains`) and `topologydomaingroup.go`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use cluster::requirements::{Requirements, Shape};
use cluster::{Cluster, Name, NodeId, PodTemplate, Taint, Toleration};

use crate::bits::Bits;
use crate::daemons::all_tolerated;
use crate::market::Offers;

/// Running pods of one kind, by node.
#[derive(Debug)]
pub struct Placed<'a> {
    /// Their namespace.
    pub namespace: &'a Name,
    /// What they were made from.
    pub template: &'a PodTemplate,
    /// The revision.
    pub revision: u32,
    /// They were asked to go: they are not counted, but their anti-affinity still keeps others away.
    pub leaving: bool,
    /// Pods by node.
    pub nodes: BTreeMap<NodeId, u32>,
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

/// What topology counts over.
#[derive(Debug)]
pub struct Ground<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Running pods that are not to be moved.
    pub placed: Vec<Placed<'a>>,
    /// Ready pools.
    pub sources: Vec<DomainSource>,
    /// Nodes of the plan by id, with their host index.
    pub hosts: BTreeMap<NodeId, usize>,
    universes: RefCell<BTreeMap<Name, Rc<Universe>>>,
}

/// Each domain that a pool can make, with the taint sets of the pools that make it.
type Universe = BTreeMap<Name, Vec<Vec<Taint>>>;

impl<'a> Ground<'a> {
    /// The ground under a plan; `moving` are the pods that it places.
    pub fn new(
        cluster: &'a Cluster,
        moving: &Bits,
        sources: Vec<DomainSource>,
        hosts: BTreeMap<NodeId, usize>,
    ) -> Ground<'a> {
        let placed = placed(cluster, moving);
        Ground { cluster, placed, sources, hosts, universes: RefCell::default() }
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
        for source in self.sources.iter().filter(|source| !source.types.is_empty()) {
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

fn placed<'a>(cluster: &'a Cluster, moving: &Bits) -> Vec<Placed<'a>> {
    let mut placed: Vec<Placed<'a>> = Vec::new();
    // Looked up, never iterated over.
    let mut index: HashMap<(&Name, usize, u32, bool), usize> = HashMap::new();
    for pod in &cluster.pods {
        let Some(node) = pod.node.filter(|_| !pod.is_over() && !moving.has(pod.id.0 as usize)) else {
            continue;
        };
        if !cluster.nodes.get(node.0 as usize).is_some_and(cluster::Node::exists) {
            continue;
        }
        let leaving = pod.deleted.is_some();
        let key = (&pod.namespace, Arc::as_ptr(&pod.template) as usize, pod.revision, leaving);
        let at = *index.entry(key).or_insert_with(|| {
            placed.push(Placed {
                namespace: &pod.namespace,
                template: &pod.template,
                revision: pod.revision,
                leaving,
                nodes: BTreeMap::new(),
            });
            placed.len() - 1
        });
        *placed[at].nodes.entry(node).or_insert(0) += 1;
    }
    placed
}
