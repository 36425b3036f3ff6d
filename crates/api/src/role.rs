//! Which known program runs in a pod: by the repository name of a container's image, whatever the registry, and by
//! the few things that no mirror changes (arguments, environment).

use cluster::role::{Program, Role};
use cluster::{Kind, Labels, Name};
use k8s_openapi::api::core::v1 as core;

use crate::admission::Admission;

/// Splits an image into repository, tag and whether it has a digest: `host:5000/a/b:v1@sha256:…`.
pub(crate) fn split_image(image: &str) -> (&str, &str, bool) {
    let (image, digest) = image.split_once('@').map_or((image, false), |(image, _)| (image, true));
    let name_start = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[name_start..].find(':') {
        Some(colon) => (&image[..name_start + colon], &image[name_start + colon + 1..], digest),
        None => (image, "", digest),
    }
}

/// The pod whose role is asked for.
pub(crate) struct Candidate<'a> {
    /// The kind of its owner.
    pub(crate) kind: &'a Kind,
    /// The owner's namespace.
    pub(crate) namespace: &'a Name,
    /// The pod's labels.
    pub(crate) labels: &'a Labels,
}

/// The role of a pod: the first container whose program is known decides. Init containers that end do not count.
pub(crate) fn role(spec: &core::PodSpec, candidate: &Candidate<'_>, admission: &Admission) -> Role {
    let sidecars =
        spec.init_containers.iter().flatten().filter(|init| init.restart_policy.as_deref() == Some("Always"));
    for container in spec.containers.iter().chain(sidecars) {
        let program = program(container, candidate);
        if program == Program::Application
            || (program == Program::ClusterDns && !serves_cluster_dns(candidate, admission))
        {
            continue;
        }
        return Role { program, version: version(container, candidate.labels) };
    }
    Role::default()
}

/// The image's tag; for an image by digest alone, what the chart's label says.
fn version(container: &core::Container, labels: &Labels) -> Name {
    match split_image(container.image.as_deref().unwrap_or_default()).1 {
        "" => labels.get("app.kubernetes.io/version").cloned().unwrap_or_default(),
        tag => tag.into(),
    }
}

/// The program of one container.
pub(crate) fn program(container: &core::Container, candidate: &Candidate<'_>) -> Program {
    let (repository, _, _) = split_image(container.image.as_deref().unwrap_or_default());
    let mut parts = repository.rsplit('/');
    let (last, parent) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match (parent, last) {
        ("karpenter", "controller" | "karpenter") | (_, "karpenter" | "karpenter-controller") => {
            Program::Karpenter
        }
        (_, "coredns" | "kube-dns" | "k8s-dns-kube-dns") => Program::ClusterDns,
        (_, "amazon-k8s-cni") => Program::VpcCni,
        ("cilium", name) if name == "operator" || name.starts_with("operator-") => Program::CiliumOperator,
        (_, name) if name.starts_with("cilium-operator") => Program::CiliumOperator,
        (_, "cilium" | "cilium-ci") if is_cilium_agent(container, candidate) => Program::CiliumAgent,
        (_, "aws-ebs-csi-driver") => ebs_driver(container, candidate),
        (_, "aws-node-termination-handler") => Program::NodeTerminationHandler,
        (_, "amazon-vpc-resource-controller-k8s" | "vpc-resource-controller") => {
            Program::VpcResourceController
        }
        (_, name) if is_or_for_arch(name, "kube-proxy") => Program::KubeProxy,
        (_, name) if is_or_for_arch(name, "cluster-autoscaler") => Program::ClusterAutoscaler,
        _ if container.env.iter().flatten().any(|variable| variable.name == "KARPENTER_SERVICE") => {
            Program::Karpenter
        }
        _ => Program::Application,
    }
}

/// `kube-proxy`, and `kube-proxy-arm64` as older images are called.
fn is_or_for_arch(name: &str, program: &str) -> bool {
    name.strip_prefix(program)
        .is_some_and(|tail| matches!(tail, "" | "-amd64" | "-arm64" | "-arm" | "-ppc64le" | "-s390x"))
}

/// The agent's image also runs preflight checks and clean-up jobs.
fn is_cilium_agent(container: &core::Container, candidate: &Candidate<'_>) -> bool {
    let command = container.command.as_deref().unwrap_or_default();
    *candidate.kind == Kind::DaemonSet
        && (command.is_empty() || command.iter().any(|word| word.contains("cilium-agent")))
        && container.name != "cilium-pre-flight-check"
}

/// The driver is one image: `controller`, `node` or `all` is its first argument; else the owner's kind tells.
fn ebs_driver(container: &core::Container, candidate: &Candidate<'_>) -> Program {
    let words = container.command.iter().flatten().chain(container.args.iter().flatten());
    for word in words {
        match word.as_str() {
            "controller" | "all" => return Program::EbsCsiController,
            "node" => return Program::EbsCsiNode,
            _ => {}
        }
    }
    match candidate.kind {
        Kind::DaemonSet => Program::EbsCsiNode,
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet | Kind::Pod => Program::EbsCsiController,
        _ => Program::Application,
    }
}

/// A CoreDNS is the cluster's own when the `kube-dns` Service selects it; without such a Service in the input, when
/// it runs in `kube-system` as other than a per-node cache.
fn serves_cluster_dns(candidate: &Candidate<'_>, admission: &Admission) -> bool {
    if admission.dns_selectors.is_empty() {
        return candidate.namespace == "kube-system";
    }
    admission.dns_selectors.iter().any(|(namespace, selector)| {
        namespace == candidate.namespace
            && selector.iter().all(|(key, value)| candidate.labels.get(key) == Some(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_split_into_repository_tag_and_digest() {
        assert_eq!(split_image("coredns"), ("coredns", "", false));
        assert_eq!(split_image("host:5000/a/coredns"), ("host:5000/a/coredns", "", false));
        assert_eq!(split_image("host:5000/a/coredns:v1@sha256:00"), ("host:5000/a/coredns", "v1", true));
        assert_eq!(split_image("a/b@sha256:00"), ("a/b", "", true));
    }

    fn role_of(kind: Kind, namespace: &str, image: &str, args: &[&str]) -> Role {
        let container = core::Container {
            image: Some(image.to_owned()),
            args: Some(args.iter().map(|arg| (*arg).to_owned()).collect()),
            ..core::Container::default()
        };
        let proxy =
            core::Container { image: Some("istio/proxyv2:1".to_owned()), ..core::Container::default() };
        let spec = core::PodSpec { containers: vec![proxy, container], ..core::PodSpec::default() };
        let (namespace, labels) = (Name::from(namespace), Labels::new());
        role(&spec, &Candidate { kind: &kind, namespace: &namespace, labels: &labels }, &Admission::default())
    }

    #[test]
    fn programs_are_found_by_repository_in_any_registry_and_beside_sidecars() {
        use Program::*;
        for (kind, image, args, program, version) in [
            (
                Kind::Deployment,
                "public.ecr.aws/karpenter/controller:1.8.6@sha256:ab",
                &[][..],
                Karpenter,
                "1.8.6",
            ),
            (Kind::Deployment, "mirror.local:5000/ecr/karpenter/controller:1.0.0", &[], Karpenter, "1.0.0"),
            (
                Kind::Deployment,
                "registry.k8s.io/autoscaling/cluster-autoscaler:v1.34.0",
                &[],
                ClusterAutoscaler,
                "v1.34.0",
            ),
            (
                Kind::DaemonSet,
                "602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.20.4-eksbuild.1",
                &[],
                VpcCni,
                "v1.20.4-eksbuild.1",
            ),
            (Kind::DaemonSet, "quay.io/cilium/cilium:v1.18.2", &[], CiliumAgent, "v1.18.2"),
            (Kind::Job, "quay.io/cilium/cilium:v1.18.2", &[], Application, ""),
            (Kind::Deployment, "quay.io/cilium/operator-aws:v1.18.2", &[], CiliumOperator, "v1.18.2"),
            (Kind::Deployment, "quay.io/argoproj/operator:v1", &[], Application, ""),
            (
                Kind::DaemonSet,
                "602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/kube-proxy:v1.34.0-minimal",
                &[],
                KubeProxy,
                "v1.34.0-minimal",
            ),
            (
                Kind::Deployment,
                "public.ecr.aws/ebs-csi-driver/aws-ebs-csi-driver:v1.50.0",
                &["controller", "--v=2"],
                EbsCsiController,
                "v1.50.0",
            ),
            (
                Kind::DaemonSet,
                "public.ecr.aws/ebs-csi-driver/aws-ebs-csi-driver:v1.50.0",
                &["node"],
                EbsCsiNode,
                "v1.50.0",
            ),
            (Kind::DaemonSet, "registry.k8s.io/dns/k8s-dns-node-cache:1.26.0", &[], Application, ""),
            (Kind::Deployment, "nginx", &[], Application, ""),
        ] {
            let role = role_of(kind, "kube-system", image, args);
            assert_eq!((role.program, role.version.as_str()), (program, version), "{image}");
        }
    }

    #[test]
    fn a_coredns_elsewhere_is_not_the_clusters_dns() {
        let image = "registry.k8s.io/coredns/coredns:v1.12.0";
        assert_eq!(role_of(Kind::Deployment, "kube-system", image, &[]).program, Program::ClusterDns);
        assert_eq!(role_of(Kind::Deployment, "edge", image, &[]).program, Program::Application);
    }
}
