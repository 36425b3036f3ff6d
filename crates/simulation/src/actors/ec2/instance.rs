//! The node of a launched instance when it joins the cluster.
//!
//! Follows aws/karpenter-provider-aws v1.14.1 `pkg/providers/amifamily/bootstrap` (the kubelet gets the claim's
//! labels and taints, `karpenter.sh/unregistered` and Karpenter's own max-pods) and kubernetes v1.36
//! `pkg/kubelet/kubelet_node_status.go`. Capacity is what the kubelet reports, not what Karpenter estimated.
//! Extended resources are there from the start when a device plugin in the cluster publishes them, and never
//! otherwise; branch interfaces come with their trunk ([`crate::actors::pod_eni`]).

use catalog::{Catalog, InstanceType, KarpenterNode, KubeletNode};
use cluster::network::NodeNetwork;
use cluster::node_claim::{LaunchOption, NodeClaim};
use cluster::workload::Shape;
use cluster::{Cluster, Effect, Labels, Name, Node, NodeClass, NodeId, Resources, Taint, Timestamp};
use provisioning::existing::UNREGISTERED;

pub use crate::actors::node_lifecycle::NOT_READY;

/// The node; `None` when the claim was not launched, or its type or node class is not known.
pub fn node(cluster: &Cluster, catalog: &Catalog, claim: &NodeClaim) -> Option<Node> {
    let launched = claim.launched.as_ref()?;
    let pool = cluster.declared.pool_of(claim)?;
    let class = cluster.declared.node_class(&pool.node_class)?;
    let it = catalog.instance_type(&launched.option.instance_type)?;
    let (mut capacity, mut allocatable) = resources(cluster, class, it);
    for (name, amount) in launched.capacity.extended.iter().filter(|(name, _)| is_overlaid(cluster, name)) {
        capacity.set(name, *amount);
        allocatable.set(name, *amount);
    }
    let mut node = Node {
        id: NodeId(0),
        name: claim.name.clone(),
        location: pool.location.clone(),
        group: None,
        claim: Some(claim.id),
        instance_type: it.name.clone(),
        zone: launched.option.zone.clone(),
        labels: labels(cluster, catalog, claim, &launched.option),
        annotations: pool.annotations.clone(),
        taints: taints(claim),
        unschedulable: false,
        capacity,
        allocatable,
        network: NodeNetwork { subnet: launched.subnet, ..NodeNetwork::default() },
        volume_drivers: Vec::new(),
        images: Vec::new(),
        created: Timestamp::ZERO,
        ready: false,
        deleted: None,
        gone: false,
    };
    node.network.mode = addressing::settle::mode_of(&node, Some(it), &cluster.declared.cni);
    Some(node)
}

/// The labels of a claim once it is launched as `option`: its own, and what the instance makes certain. Pods are
/// planned for the node by these labels before it joins.
///
/// aws/karpenter-provider-aws v1.14.1 `pkg/cloudprovider/cloudprovider.go` (`instanceToNodeClaim`) and
/// sigs.k8s.io/karpenter v1.14.1 `pkg/controllers/nodeclaim/lifecycle/launch.go` (`PopulateNodeClaimDetails`).
pub fn claim_labels(
    cluster: &Cluster,
    catalog: &Catalog,
    claim: &NodeClaim,
    option: &LaunchOption,
) -> Labels {
    let pool = cluster.declared.pool_of(claim);
    let class = pool.and_then(|pool| cluster.declared.node_class(&pool.node_class));
    let is_windows = class.is_some_and(|class| class.ami_family.is_windows());
    let mut labels =
        catalog.instance_type(&option.instance_type).map(catalog::labels::labels).unwrap_or_default();
    let mut set = |key: &str, value: &str| labels.insert(key.into(), value.into());
    set("kubernetes.io/os", if is_windows { "windows" } else { "linux" });
    set("topology.kubernetes.io/region", &cluster.declared.profile.region);
    set("topology.kubernetes.io/zone", &option.zone);
    set("karpenter.sh/capacity-type", &option.capacity_type);
    labels.extend(claim.labels.clone());
    labels
}

fn labels(cluster: &Cluster, catalog: &Catalog, claim: &NodeClaim, option: &LaunchOption) -> Labels {
    let mut labels = claim_labels(cluster, catalog, claim, option);
    let mut copy = |from: &str, to: &str| {
        if let Some(value) = labels.get(from).cloned() {
            labels.insert(to.into(), value);
        }
    };
    copy("kubernetes.io/os", "beta.kubernetes.io/os");
    copy("kubernetes.io/arch", "beta.kubernetes.io/arch");
    copy("topology.kubernetes.io/zone", "topology.ebs.csi.aws.com/zone");
    labels.insert("kubernetes.io/hostname".into(), claim.name.clone());
    labels
}

fn taints(claim: &NodeClaim) -> Vec<Taint> {
    let starting = |key: &str, effect| Taint { key: key.into(), value: Name::default(), effect };
    let mut taints: Vec<Taint> = claim.taints.iter().chain(&claim.startup_taints).cloned().collect();
    taints.push(starting(UNREGISTERED, Effect::NoExecute));
    taints.push(starting(NOT_READY, Effect::NoSchedule));
    taints
}

fn resources(cluster: &Cluster, class: &NodeClass, it: &InstanceType) -> (Resources, Resources) {
    let settings = &cluster.declared.karpenter;
    let overhead = u32::try_from(settings.vm_memory_overhead_millipercent).unwrap_or(0);
    let promised = KarpenterNode::of(class, settings.reserved_enis, overhead).capacity(it);
    let mut kubelet = class.kubelet.clone();
    kubelet.max_pods = u32::try_from(promised.pods).ok();
    let real = KubeletNode {
        ami_family: class.ami_family,
        kubelet,
        max_pods_expression: None,
        root_volume_bytes: class.root_volume_bytes,
        instance_store_raid0: class.instance_store_raid0,
        managed_group: false,
        reserved: None,
    };
    let resources = real.resources(it);
    let (mut capacity, mut allocatable) = (resources.capacity, resources.allocatable);
    for (name, amount) in promised.extended.iter().filter(|(name, _)| is_published(cluster, name)) {
        capacity.set(name, *amount);
        allocatable.set(name, *amount);
    }
    (capacity, allocatable)
}

/// Whether a NodeOverlay promises this resource, and nobody knows what publishes it: then it is taken to be there.
fn is_overlaid(cluster: &Cluster, resource: &str) -> bool {
    let declared = &cluster.declared;
    let mut promised = declared.node_overlays.iter().flat_map(|overlay| &overlay.capacity);
    declared.karpenter.node_overlay
        && plugin_of(resource).is_none()
        && promised.any(|(name, _)| name == resource)
}

/// What the device plugin of a resource is called, in part.
fn plugin_of(resource: &str) -> Option<&'static str> {
    match resource {
        "nvidia.com/gpu" => Some("nvidia"),
        "amd.com/gpu" => Some("amdgpu"),
        "habana.ai/gaudi" => Some("habana"),
        "vpc.amazonaws.com/efa" => Some("efa"),
        name if name.starts_with("aws.amazon.com/neuron") => Some("neuron"),
        _ => None,
    }
}

/// Whether a device plugin for this resource is deployed as a DaemonSet.
fn is_published(cluster: &Cluster, resource: &str) -> bool {
    let Some(word) = plugin_of(resource) else { return false };
    let arrived = |index: usize| cluster.arrived.get(index).copied().unwrap_or(false);
    let mut daemons = cluster
        .declared
        .workload_ids()
        .filter(|(id, workload)| matches!(workload.shape, Shape::DaemonSet) && arrived(id.0 as usize));
    daemons.any(|(_, workload)| {
        let named =
            |text: &Name| text.contains(word) && (text.contains("plugin") || text.contains("operator"));
        named(&workload.key.name)
            || workload.template.containers.iter().any(|container| named(&container.image))
    })
}
