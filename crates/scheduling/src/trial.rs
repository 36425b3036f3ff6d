//! Pods that come to a node or leave it for a try. When the trial ends, everything is as before.

use cluster::{Cluster, PodId};

use crate::filter;
use crate::placements::Placements;
use crate::plugins::pod_topology_spread::Rest;
use crate::query::{Moment, Query};
use crate::refusal::Refusal;
use crate::room::Ports;

/// A node on which pods come and go.
pub(crate) struct Trial {
    node: usize,
    /// No filter looks at other pods: only room changes hands.
    local: bool,
    version: u32,
    ports: Ports,
}

impl Trial {
    pub fn begin(index: &Placements, query: &Query, node: usize) -> Trial {
        let (version, ports) = (index.versions[node], index.ports[node].clone());
        Trial { node, local: query.local, version, ports }
    }

    /// A pod comes.
    pub fn add(&self, index: &mut Placements, pod: PodId) {
        if self.local {
            index.weigh(pod, self.node, true);
        } else {
            index.add(pod, self.node);
        }
    }

    /// A pod leaves.
    pub fn drop(&self, index: &mut Placements, pod: PodId) {
        if self.local {
            index.weigh(pod, self.node, false);
        } else {
            index.drop(pod, self.node);
        }
    }

    /// Whoever came has left again, and the other way round.
    pub fn end(self, index: &mut Placements) {
        index.ports[self.node] = self.ports;
        index.versions[self.node] = self.version;
    }
}

/// The first filter that refuses the node as it is now; `rest` is how spreading was counted before the trial.
pub(crate) fn refusal(
    index: &Placements,
    cluster: &Cluster,
    query: &Query,
    rest: &Rest,
    node: usize,
) -> Option<Refusal> {
    if query.local {
        return filter::local(index, query, node);
    }
    filter::refusal(index, cluster, query, &Moment::during(index, query, rest), node)
}
