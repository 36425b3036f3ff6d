//! What a program must have when it starts, and while it works.
//!
//! Pure functions over the cluster, asked by the kubelet actor (a program that lacks a need when it starts exits,
//! and the kubelet backs off) and by the controllers' own actors (a running one that loses a need keeps running
//! and fails at what it does). Nothing here acts.
//!
//! Followed: aws/karpenter-provider-aws v1.14.1 `pkg/operator/operator.go` (a dry run of `DescribeInstanceTypes`
//! with credentials from STS must succeed, or the process exits); kubernetes-sigs/aws-ebs-csi-driver
//! `pkg/driver/identity.go` (the probe of the controller makes a dry run against EC2); cilium v1.18
//! `operator/pkg/ipam` (the ENI allocator reads EC2 before it starts); kubernetes/autoscaler
//! `cluster-autoscaler/cloudprovider/aws` (groups are read before the loop starts).
//!
//! Name resolution: `ClusterFirst` pods ask the cluster's DNS ([`cluster::PodTemplate::uses_cluster_dns`]). One
//! ready pod of it is enough. A ready NodeLocal DNSCache on the pod's own node answers names outside the cluster
//! by the node's resolver, so it is enough as well. An input without any DNS workload says nothing about DNS:
//! it is taken to work.

use cluster::capability::Capability;
use cluster::change::Fault;
use cluster::network::Cni;
use cluster::pod::Stage;
use cluster::role::Program;
use cluster::{Cluster, NodeId, Pod, PodId, PodTemplate};

/// What the program in a pod lacks to start or to do its work; `None` when nothing is missing.
pub fn missing_need(cluster: &Cluster, pod: PodId) -> Option<Capability> {
    let pod = cluster.pod(pod);
    let services = services_needed(cluster, pod.template.role.program);
    if services.is_empty() {
        return None;
    }
    if !resolves_names(cluster, pod) {
        return Some(Capability::ClusterDns);
    }
    services.iter().find(|service| !service_works(cluster, service)).map(|service| aws(service))
}

/// The AWS services that a program must reach, in the order in which it calls them.
fn services_needed(cluster: &Cluster, program: Program) -> &'static [&'static str] {
    match program {
        Program::Karpenter | Program::EbsCsiController | Program::VpcResourceController => &["sts", "ec2"],
        Program::ClusterAutoscaler => &["sts", "autoscaling", "ec2"],
        Program::CiliumOperator => match cluster.declared.cni {
            Cni::CiliumEni(_) => &["sts", "ec2"],
            Cni::VpcCni(_) | Cni::PerNodeRange { .. } | Cni::Unlimited => &[],
        },
        Program::Application
        | Program::ClusterDns
        | Program::VpcCni
        | Program::CiliumAgent
        | Program::KubeProxy
        | Program::EbsCsiNode
        | Program::NodeTerminationHandler
        | Program::RegistryTokenRefresher => &[],
    }
}

/// Whether names outside the cluster resolve for this pod.
pub fn resolves_names(cluster: &Cluster, pod: &Pod) -> bool {
    !pod.template.uses_cluster_dns()
        || cluster_dns_ready(cluster)
        || pod.node.is_some_and(|node| node_local_dns_ready(cluster, node))
}

/// Whether the cluster's DNS has a ready pod, or the input does not speak of DNS at all.
pub fn cluster_dns_ready(cluster: &Cluster) -> bool {
    let serves_dns = |template: &PodTemplate| template.role.program == Program::ClusterDns;
    let declared = cluster.declared.workloads.iter().any(|workload| serves_dns(&workload.template));
    let mut known = declared;
    for pod in cluster.pods.iter().filter(|pod| serves_dns(&pod.template)) {
        if pod.stage == Stage::Ready {
            return true;
        }
        known = true;
    }
    !known
}

/// Whether a NodeLocal DNSCache runs on this node.
fn node_local_dns_ready(cluster: &Cluster, node: NodeId) -> bool {
    cluster.pods.iter().any(|pod| {
        pod.node == Some(node)
            && pod.stage == Stage::Ready
            && pod.template.containers.iter().any(|container| container.image.contains("k8s-dns-node-cache"))
    })
}

/// Whether an AWS service can be reached and answers without the errors of a fault.
pub fn service_works(cluster: &Cluster, service: &str) -> bool {
    let unreachable = cluster.declared.profile.aws.unreachable.iter().any(|name| name == service);
    let faulty = cluster
        .faults
        .iter()
        .any(|fault| matches!(fault, Fault::Service { service: name, .. } if name == service));
    !unreachable && !faulty
}

/// An AWS service as a capability.
pub fn aws(service: &str) -> Capability {
    Capability::AwsService(service.into())
}
