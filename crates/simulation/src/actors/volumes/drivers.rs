//! CSI drivers: which node has which, and whether a driver's controller works.
//!
//! kubernetes-sigs/aws-ebs-csi-driver v1.53 `pkg/driver/node.go`: the node plugin registers with the kubelet, which
//! publishes the attach limit in `CSINode` and puts the zone by the driver's own key on the node
//! (`k8s.io/kubernetes` v1.36 `pkg/volume/csi/nodeinfomanager`); then the plugin removes the start-up taint that kept
//! pods away.

use std::collections::BTreeSet;

use catalog::Catalog;
use catalog::volumes::{Attached, attach_limit};
use cluster::change::NodePatch;
use cluster::pod::Stage;
use cluster::role::Program;
use cluster::{Change, Cluster, Labels, Name, Node, NodeId, Pod, PodId, Taint};

use super::EBS;
use crate::actor::{Actor, Context};
use crate::actors::kubelet::Needs;
use crate::effect::{Effect, Effects};

/// Startup taints that an agent removes once it runs on the node: the taint's key and what the agent's image is
/// called. (`node.cilium.io/agent-not-ready` is removed by Cilium, which is an actor of its own.)
const AGENTS: [(&str, &str); 4] = [
    ("ebs.csi.aws.com/agent-not-ready", "ebs-csi-driver"),
    ("efs.csi.aws.com/agent-not-ready", "efs-csi-driver"),
    ("fsx.csi.aws.com/agent-not-ready", "fsx-csi-driver"),
    ("s3.csi.aws.com/agent-not-ready", "s3-csi-driver"),
];

/// The key by which volumes of the EBS driver name their zone.
const EBS_ZONE: &str = "topology.ebs.csi.aws.com/zone";

/// The node plugins of CSI drivers.
#[derive(Clone, Debug, Default)]
pub struct NodePlugins {
    /// Running agents: the taint that they remove, by node.
    agents: BTreeSet<(NodeId, &'static str)>,
    dirty: BTreeSet<NodeId>,
    registering: BTreeSet<NodeId>,
}

impl Actor for NodePlugins {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        match change {
            Change::PodStage(pod, Stage::Running | Stage::Ready) => self.runs(context.cluster.pod(*pod)),
            Change::NodeUpdated(node) | Change::NodeRegistered(node) => {
                self.dirty.insert(*node);
            }
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        for node in std::mem::take(&mut self.registering) {
            let node = context.cluster.node(node);
            let limit = ebs_limit(context.cluster, context.catalog, node);
            effects.now(Effect::RegisterDriver(node.id, Name::new_static(EBS), limit));
            if !node.zone.is_empty() && node.labels.get(EBS_ZONE) != Some(&node.zone) {
                let labels = Labels::from([(Name::new_static(EBS_ZONE), node.zone.clone())]);
                let patch = NodePatch { labels, ..NodePatch::default() };
                effects.now(Effect::PatchNode(node.id, Box::new(patch)));
            }
        }
        for node in std::mem::take(&mut self.dirty) {
            self.remove_taints(context.cluster.node(node), effects);
        }
    }
}

impl NodePlugins {
    fn runs(&mut self, pod: &Pod) {
        let Some(node) = pod.node else { return };
        if pod.template.role.program == Program::EbsCsiNode {
            self.registering.insert(node);
        }
        let is_agent =
            |image: &str| pod.template.containers.iter().any(|container| container.image.contains(image));
        let daemon = pod.for_node.is_some();
        for (taint, _) in AGENTS.iter().filter(|(_, image)| daemon && is_agent(image)) {
            self.agents.insert((node, taint));
            self.dirty.insert(node);
        }
    }

    fn remove_taints(&self, node: &Node, effects: &mut Effects) {
        let removed = |taint: &&Taint| {
            AGENTS.iter().any(|(key, _)| taint.key == *key && self.agents.contains(&(node.id, key)))
        };
        if node.exists() && node.taints.iter().any(|taint| removed(&taint)) {
            let patch = NodePatch::without(node.taints.iter().filter(removed));
            effects.now(Effect::PatchNode(node.id, Box::new(patch)));
        }
    }
}

/// What the driver publishes: the profile's limit, else what the instance type takes with the interfaces that it
/// has when the driver starts. `None` when the type is not known.
pub fn ebs_limit(cluster: &Cluster, catalog: &Catalog, node: &Node) -> Option<u32> {
    let said = cluster.declared.profile.volume_limits.iter().find(|(driver, _)| driver == EBS);
    said.map(|(_, limit)| *limit).or_else(|| physical_limit(catalog, node))
}

/// What the instance takes now, with the interfaces that are attached now.
pub fn physical_limit(catalog: &Catalog, node: &Node) -> Option<u32> {
    let interfaces = u32::try_from(node.network.interfaces.len()).unwrap_or(u32::MAX).max(1);
    let instance_type = catalog.instance_type(&node.instance_type)?;
    Some(attach_limit(instance_type, Attached { interfaces, ..Attached::default() }))
}

/// Whether the EBS CSI controller works, kept up to date.
#[derive(Clone, Debug)]
pub struct Controller {
    needs: Needs,
    pods: BTreeSet<PodId>,
    works: bool,
}

impl Controller {
    /// A controller of which nothing is known yet.
    pub fn new(needs: Needs) -> Controller {
        Controller { needs, pods: BTreeSet::new(), works: false }
    }

    /// Learns a change. Says whether the controller has begun to work.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) -> bool {
        let known = |pod: PodId| cluster.pod(pod).template.role.program != Program::Application;
        let matters = match change {
            Change::PodStage(pod, _) | Change::PodGone(pod) => known(*pod),
            Change::Fault(..) | Change::WorkloadArrived(_) => true,
            _ => false,
        };
        if !matters {
            return false;
        }
        if let Change::PodStage(pod, _) | Change::PodGone(pod) = change
            && cluster.pod(*pod).template.role.program == Program::EbsCsiController
        {
            if cluster.pod(*pod).stage == Stage::Ready {
                self.pods.insert(*pod)
            } else {
                self.pods.remove(pod)
            };
        }
        let before = self.works;
        self.works = self.pods.iter().any(|pod| (self.needs)(cluster, *pod).is_none());
        self.works && !before
    }

    /// Whether volumes of this driver can be created and attached now.
    pub fn serves(&self, driver: &str) -> bool {
        driver != EBS || self.works
    }
}
