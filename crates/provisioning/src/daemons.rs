//! DaemonSets: what their pods will take on a node.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/scheduler.go`
//! (`buildDaemonOverheadGroups`, `isDaemonPodCompatible`, `getCompatibleDaemonPods`).

use std::borrow::Cow;
use std::sync::Arc;

use cluster::requirements::{Requirements, Undefined};
use cluster::template::{HostPort, NodeSelectorTerm};
use cluster::workload::Shape;
use cluster::{Cluster, Effect, Labels, PodTemplate, Resources, Taint, Toleration};

use crate::bits::Bits;
use crate::market::{Agreement, Offers};
use crate::relax::any_prefer_no_schedule;

/// Instance types of a pool on which the same DaemonSets run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonGroup {
    /// Which types.
    pub types: Bits,
    /// What the daemons ask for, all together; `pods` is their number.
    pub overhead: Resources,
    /// Ports on the node that they take.
    pub ports: Vec<HostPort>,
}

/// The DaemonSets that are in the API, but for those with claims for devices, which Karpenter leaves out.
pub fn daemon_sets(cluster: &Cluster) -> Vec<&PodTemplate> {
    let arrived = |index: usize| cluster.arrived.get(index).copied().unwrap_or(false);
    let workloads = cluster.declared.workload_ids();
    workloads
        .filter(|(id, workload)| {
            matches!(workload.shape, Shape::DaemonSet)
                && arrived(id.0 as usize)
                && !cluster.deleted_workloads.contains(id)
                && workload.template.device_claims.is_empty()
        })
        .map(|(_, workload)| workload.template.as_ref())
        .collect()
}

/// A DaemonSet while a plan is made. Karpenter tries its required node affinity terms one after the other, for one
/// instance type after the other, and does not come back to a term that once failed.
#[derive(Clone, Debug)]
pub struct Daemon<'a> {
    template: Cow<'a, PodTemplate>,
    /// Terms before this one are forgotten.
    term: usize,
    /// Whether terms are forgotten at all.
    forgets: bool,
}

impl<'a> Daemon<'a> {
    /// A DaemonSet's pods; `forgets` its terms as Karpenter does.
    pub fn new(template: Cow<'a, PodTemplate>, forgets: bool) -> Daemon<'a> {
        Daemon { template, term: 0, forgets }
    }

    /// The pods as nodes that are there see them, after the pools: with the terms that are left, and with
    /// `PreferNoSchedule` tolerated when any pool has been `tried`.
    pub fn for_nodes(self, tried: bool) -> PodTemplate {
        let mut template = self.template.into_owned();
        if let Some(terms) = template.required_node_affinity.as_mut().filter(|_| self.forgets) {
            terms.drain(..self.term.min(terms.len()));
        }
        if tried && !template.tolerations.contains(&any_prefer_no_schedule()) {
            template.tolerations.push(any_prefer_no_schedule());
        }
        template
    }

    /// Whether a type is among those of the current term, or of one after it.
    fn runs_on(&mut self, index: usize, by_term: &[Option<Arc<Agreement>>]) -> bool {
        let last = by_term.len().saturating_sub(1);
        let runs = |term: &usize| by_term[*term].as_ref().is_some_and(|types| types.agreeing.has(index));
        let found = (self.term..by_term.len()).find(runs);
        if self.forgets {
            self.term = found.unwrap_or(last);
        }
        found.is_some()
    }
}

/// Groups the types of a pool by the DaemonSets that run on them.
pub fn groups(
    pool: &Requirements,
    taints: &[Taint],
    types: &Offers,
    usable: &Bits,
    daemons: &mut [Daemon<'_>],
) -> Vec<DaemonGroup> {
    let mut tolerated: Vec<&mut Daemon<'_>> =
        daemons.iter_mut().filter(|daemon| tolerates(&daemon.template, taints)).collect();
    let agreement = |wanted: Option<Requirements>| wanted.map(|wanted| types.agreement(&wanted));
    let by_term: Vec<Vec<Option<Arc<Agreement>>>> = tolerated
        .iter()
        .map(|daemon| wanted_of(&daemon.template, pool).into_iter().map(agreement).collect())
        .collect();
    let mut keyed: Vec<(Bits, DaemonGroup)> = Vec::new();
    for index in usable.iter() {
        let daemons = tolerated.iter_mut().zip(&by_term).enumerate();
        let running = daemons.filter_map(|(at, (daemon, terms))| daemon.runs_on(index, terms).then_some(at));
        let key: Bits = running.collect();
        match keyed.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.types.insert(index),
            None => {
                let mut group =
                    DaemonGroup { types: Bits::default(), overhead: Resources::ZERO, ports: vec![] };
                group.types.insert(index);
                for daemon in key.iter() {
                    group.overhead.add(&tolerated[daemon].template.requests);
                    group.ports.extend(tolerated[daemon].template.host_ports.iter().cloned());
                }
                keyed.push((key, group));
            }
        }
    }
    keyed.into_iter().map(|(_, group)| group).collect()
}

/// What the DaemonSets ask for on a node that is there, running there or not.
pub fn overhead_on(labels: &Labels, taints: &[Taint], daemons: &[&PodTemplate]) -> Resources {
    let mut overhead = Resources::ZERO;
    for daemon in daemons {
        let strict = Requirements::of_pod_strict(daemon);
        if all_tolerated(taints, &daemon.tolerations) && strict.hold_for(labels) {
            overhead.add(&daemon.requests);
        }
    }
    overhead
}

/// Whether every taint is tolerated, whatever its effect: Karpenter takes `PreferNoSchedule` for a taint like any
/// other until it relaxes.
pub fn all_tolerated(taints: &[Taint], tolerations: &[Toleration]) -> bool {
    taints.iter().all(|taint| tolerations.iter().any(|toleration| toleration.tolerates(taint)))
}

fn tolerates(daemon: &PodTemplate, taints: &[Taint]) -> bool {
    let hard: Vec<Taint> =
        taints.iter().filter(|taint| taint.effect != Effect::PreferNoSchedule).cloned().collect();
    all_tolerated(&hard, &daemon.tolerations)
}

/// What a daemon asks of an instance type, by required node affinity term; `None` where the pool cannot meet it.
fn wanted_of(daemon: &PodTemplate, pool: &Requirements) -> Vec<Option<Requirements>> {
    let terms = daemon.required_node_affinity.as_deref().unwrap_or_default();
    let of = |terms: &[NodeSelectorTerm]| Requirements::of_node_affinity(&daemon.node_selector, terms, &[]);
    let alternatives: Vec<Requirements> = match terms {
        [] => vec![of(&[])],
        terms => terms.iter().map(|term| of(std::slice::from_ref(term))).collect(),
    };
    let met = |wanted: &Requirements| pool.compatible(wanted, Undefined::WellKnownAllowed).is_ok();
    alternatives.into_iter().map(|wanted| Some(wanted).filter(met)).collect()
}
