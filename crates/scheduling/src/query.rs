//! One pod's question, prepared: everything that is the same for every node is looked up once.

use std::sync::Arc;

use cluster::{Cluster, Name, NodeId, Pod, PodId, PodTemplate, WorkloadId};

use crate::class::{ClassId, Wishes};
use crate::placements::Placements;
use crate::plugins::dynamic_resources::DevicePlan;
use crate::plugins::inter_pod_affinity::{self, Felt};
use crate::plugins::pod_topology_spread::{self, Rest};
use crate::plugins::volume_binding::VolumePlan;
use crate::room::Request;

/// A pod to be placed: one that exists, or one that might.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The pod, where it exists.
    pub id: Option<PodId>,
    /// Its name: claims of templates are named after it.
    pub name: Name,
    /// Its namespace.
    pub namespace: Name,
    /// What it is made from.
    pub template: Arc<PodTemplate>,
    /// The workload and revision that it counts for.
    pub owner: Option<(WorkloadId, u32)>,
    /// DaemonSet pods: the node that the controller made it for.
    pub pinned: Option<NodeId>,
}

impl Incoming {
    /// A pod of the cluster.
    pub fn of(pod: &Pod) -> Incoming {
        Incoming {
            id: Some(pod.id),
            name: pod.name.clone(),
            namespace: pod.namespace.clone(),
            template: pod.template.clone(),
            owner: pod.workload.map(|workload| (workload, pod.revision)),
            pinned: pod.for_node,
        }
    }

    /// A pod that does not exist, by template and namespace alone.
    pub fn hypothetical(namespace: &Name, template: &Arc<PodTemplate>) -> Incoming {
        Incoming {
            id: None,
            name: Name::default(),
            namespace: namespace.clone(),
            template: template.clone(),
            owner: None,
            pinned: None,
        }
    }
}

/// What stays the same while one pod is compared with every node.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub pod: Option<PodId>,
    pub class: ClassId,
    pub template: Arc<PodTemplate>,
    pub rule: usize,
    pub request: Arc<Request>,
    pub shape: usize,
    pub wishes: Arc<Wishes>,
    pub pinned: Option<NodeId>,
    pub volumes: Option<VolumePlan>,
    /// Its claims for devices; `None` for pods without.
    pub devices: Option<DevicePlan>,
    /// `InterPodAffinity` has nothing to do: it then does not look at pods that nodes are reserved for either.
    pub alone: bool,
    /// No filter looks at other pods or at volumes: whether the pod fits a node depends on that node's room only.
    pub local: bool,
}

impl Query {
    /// Prepares a pod's question; `volumes` as planned.
    pub fn new(
        index: &mut Placements,
        cluster: &Cluster,
        pod: &Incoming,
        volumes: Option<VolumePlan>,
    ) -> Query {
        let class = index.known_class(pod);
        let class = class.unwrap_or_else(|| index.class(cluster, &pod.namespace, &pod.template, pod.owner));
        let pinned = pod.pinned.is_some();
        let rule = index.rule(cluster, class, pinned);
        let wishes = index.wishes(cluster, class, pinned);
        let known = &index.classes[class.0 as usize];
        Query {
            pod: pod.id,
            class,
            template: pod.template.clone(),
            rule: rule as usize,
            request: known.request.clone(),
            shape: known.shape as usize,
            wishes,
            pinned: pod.pinned,
            volumes,
            devices: None,
            alone: false,
            local: false,
        }
    }
}

/// What is the same for every node as long as no pod comes or goes.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// The fewest matching pods, for each hard spread constraint.
    pub minima: Vec<i64>,
    /// How spreading was counted before pods came or went for a try.
    pub rest: Rest,
    pub felt: Felt,
}

impl Moment {
    pub fn new(index: &Placements, query: &Query) -> Moment {
        Moment::during(index, query, &Rest::default())
    }

    /// While pods have come or gone for a try.
    pub fn during(index: &Placements, query: &Query, rest: &Rest) -> Moment {
        Moment {
            minima: pod_topology_spread::minima(index, &query.wishes.hard_spread, rest),
            rest: rest.clone(),
            felt: if query.alone { Felt::default() } else { Felt::new(index, query.class, &query.wishes) },
        }
    }
}

impl Placements {
    /// What a class asks of where other pods are; worked out once.
    pub(crate) fn wishes(&mut self, cluster: &Cluster, class: ClassId, pinned: bool) -> Arc<Wishes> {
        if let Some(wishes) = &self.classes[class.0 as usize].wishes {
            return wishes.clone();
        }
        let mut wishes = Wishes::default();
        pod_topology_spread::wish(self, cluster, class, pinned, &mut wishes);
        inter_pod_affinity::wish(self, cluster, class, &mut wishes);
        let wishes = Arc::new(wishes);
        self.classes[class.0 as usize].wishes = Some(wishes.clone());
        wishes
    }
}
