//! Startup taints of agents that nobody knows: there when a node boots, removed by an agent that then runs on it.
//!
//! Known agents remove theirs themselves (`*/agent-not-ready` of Cilium and of the CSI drivers). Any other startup
//! taint of a NodePool or a node group is taken to be removed by a DaemonSet pod that tolerates its key by name and
//! is Ready on the node; where there is none, the taint stays, and the node is never initialized.

use std::collections::BTreeSet;

use cluster::change::NodePatch;
use cluster::pod::Stage;
use cluster::workload::Shape;
use cluster::{Change, Cluster, Node, NodeId, Pod, Taint};

use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// The agents' side of startup taints.
#[derive(Clone, Debug, Default)]
pub struct StartupTaints {
    due: BTreeSet<NodeId>,
}

impl Actor for StartupTaints {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        match change {
            Change::NodeRegistered(node) | Change::NodeUpdated(node) => {
                self.due.insert(*node);
            }
            Change::PodStage(pod, Stage::Ready) => self.due.extend(context.cluster.pod(*pod).node),
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        for id in std::mem::take(&mut self.due) {
            let node = context.cluster.node(id);
            if !node.exists() || node.taints.is_empty() {
                continue;
            }
            let startup = startup_taints(context.cluster, node);
            let goes =
                |taint: &&Taint| startup.contains(taint) && agent_is_ready(context.cluster, node, taint);
            let patch = NodePatch::without(node.taints.iter().filter(goes));
            if !patch.taints_off.is_empty() {
                effects.now(Effect::PatchNode(id, Box::new(patch)));
            }
        }
    }
}

/// The startup taints of the node's claim or group.
fn startup_taints<'c>(cluster: &'c Cluster, node: &Node) -> Vec<&'c Taint> {
    let claim = node.claim.and_then(|claim| cluster.claims.get(claim.0 as usize));
    let groups = &cluster.declared.profile.node_groups;
    let group = node.group.and_then(|group| groups.get(group as usize));
    let of_claim = claim.into_iter().flat_map(|claim| &claim.startup_taints);
    of_claim.chain(group.into_iter().flat_map(|group| &group.startup_taints)).collect()
}

fn agent_is_ready(cluster: &Cluster, node: &Node, taint: &Taint) -> bool {
    if taint.key.ends_with("/agent-not-ready") {
        return false;
    }
    let ready = cluster.pods.iter().filter(|pod| pod.node == Some(node.id) && pod.stage == Stage::Ready);
    ready.into_iter().any(|pod| is_daemon(cluster, pod) && names(pod, &taint.key))
}

fn is_daemon(cluster: &Cluster, pod: &Pod) -> bool {
    let shape = pod.workload.map(|workload| &cluster.declared.workload(workload).shape);
    matches!(shape, Some(Shape::DaemonSet))
}

fn names(pod: &Pod, key: &str) -> bool {
    pod.template.tolerations.iter().any(|toleration| toleration.key == key)
}
