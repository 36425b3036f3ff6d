//! Images: what the input says about them, and which are on which node.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/kubelet/images/image_manager.go`; containerd v2 `core/images` (a manifest
//! list without the platform: `no match for platform in manifest`; a plain manifest of another architecture is
//! pulled, and its program ends with `exec format error`). Pulls of different images run side by side: the EKS
//! images set `serializeImagePulls: false` (awslabs/amazon-eks-ami `nodeadm/internal/kubelet/config.go`).
//!
//! Not modelled: image sizes, layers that images share, garbage collection.

use std::collections::BTreeMap;

use cluster::profile::{ImageRule, Profile, Pull};
use cluster::template::Container;
use cluster::waiting::{CrashCause, ImageProblem};
use cluster::{Change, Cluster, Name, Node, NodeId, Pod, Timestamp};

use cluster::pod::Stage;
use cluster::role::Program;

/// How long an ECR token lives (Amazon ECR API Reference, `GetAuthorizationToken`).
const ECR_TOKEN_LIFE_MS: i64 = 12 * 3_600_000;

/// The architectures of an image that no rule names.
const USUAL_ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// What becomes of a container's image on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can be pulled and run.
    Runs,
    /// It can be pulled and its program cannot run.
    Crashes(CrashCause),
    /// It cannot be pulled.
    Refused(ImageProblem),
}

/// Images on nodes, and the registries' tokens.
#[derive(Clone, Debug, Default)]
pub struct Images {
    /// When an image is (or was) on the node.
    present: BTreeMap<NodeId, BTreeMap<Name, Timestamp>>,
    /// When a token was last renewed in this run; registries in the profile's order have older ones.
    renewed: Option<Timestamp>,
}

impl Images {
    /// A running refresher writes new tokens when it has finished. Says whether that happened.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) -> bool {
        let Change::PodStage(pod, Stage::Succeeded) = change else { return false };
        let renewed = cluster.pod(*pod).template.role.program == Program::RegistryTokenRefresher;
        if renewed {
            self.renewed = Some(cluster.now);
        }
        renewed
    }

    /// A pod of t=0 has its images on its node.
    pub fn adopt(&mut self, node: NodeId, pod: &Pod) {
        let present = self.present.entry(node).or_default();
        for container in pod.template.all_containers() {
            present.entry(container.image.clone()).or_insert(Timestamp::ZERO);
        }
    }

    /// The node is gone, and its images with it.
    pub fn forget(&mut self, node: NodeId) {
        self.present.remove(&node);
    }

    /// What becomes of the container's image on the node, at this instant.
    pub fn verdict(&self, cluster: &Cluster, pod: &Pod, container: &Container, node: &Node) -> Verdict {
        let profile = &cluster.declared.profile;
        let rule = rule_for(&profile.images, &container.image);
        if container.always_pull || !self.is_present(node, &container.image, cluster.now) {
            match rule.map_or(Pull::Ok, |rule| rule.pull) {
                Pull::NotFound => return Verdict::Refused(ImageProblem::NotFound),
                Pull::Unauthorized => return Verdict::Refused(ImageProblem::Unauthorized),
                Pull::Ok => {}
            }
            if is_ecr(&container.image) && is_unreachable(cluster, "ecr") {
                return Verdict::Refused(ImageProblem::Unreachable);
            }
            if self.token_expired(profile, pod, container, cluster.now) {
                return Verdict::Refused(ImageProblem::TokenExpired);
            }
        }
        platform(rule, node)
    }

    /// When the image will be on the node if its pull may begin at `from`; starts the pull.
    pub fn pull(&mut self, node: &Node, image: &Name, from: Timestamp, pull_ms: i64) -> Timestamp {
        if node.has_image(image) {
            return from;
        }
        let present = self.present.entry(node.id).or_default();
        let at = *present.entry(image.clone()).or_insert(from.after_ms(pull_ms));
        at.max(from)
    }

    fn is_present(&self, node: &Node, image: &Name, now: Timestamp) -> bool {
        let pulled = self.present.get(&node.id).and_then(|images| images.get(image));
        node.has_image(image) || pulled.is_some_and(|at| *at <= now)
    }

    fn token_expired(&self, profile: &Profile, pod: &Pod, container: &Container, now: Timestamp) -> bool {
        let host = registry_host(&container.image);
        let Some(registry) = profile.registries.iter().find(|registry| registry.host == host) else {
            return false;
        };
        let uses_secret = registry.pull_secret.as_ref().is_none_or(|(namespace, name)| {
            *namespace == pod.namespace && pod.template.image_pull_secrets.contains(name)
        });
        let declared = registry.token_issued_unix_ms.map(|issued| issued.saturating_sub(profile.now_unix_ms));
        let issued = self.renewed.map(|renewed| renewed.0).or(declared);
        let expired = |issued: i64| now.0.saturating_sub(issued) >= ECR_TOKEN_LIFE_MS;
        uses_secret && is_ecr(&container.image) && issued.is_some_and(expired)
    }
}

/// The first rule whose pattern matches the image as written.
pub fn rule_for<'r>(rules: &'r [ImageRule], image: &str) -> Option<&'r ImageRule> {
    rules.iter().find(|rule| matches_pattern(&rule.pattern, image))
}

/// What the node's platform makes of an image that can be pulled.
fn platform(rule: Option<&ImageRule>, node: &Node) -> Verdict {
    let (arch, os) = (node.arch(), node.os());
    let image_os = rule.map_or("linux", |rule| if rule.os.is_empty() { "linux" } else { rule.os.as_str() });
    let listed: Vec<Name> = match rule.filter(|rule| !rule.architectures.is_empty()) {
        Some(rule) => rule.architectures.clone(),
        None => USUAL_ARCHITECTURES.map(Name::from).to_vec(),
    };
    if image_os != os {
        return Verdict::Refused(ImageProblem::NoPlatform);
    }
    if arch.is_empty() || listed.iter().any(|built| built == arch) {
        return Verdict::Runs;
    }
    match listed.len() {
        1 => Verdict::Crashes(CrashCause::ExecFormat { built_for: listed, node_arch: arch.into() }),
        _ => Verdict::Refused(ImageProblem::NoPlatform),
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text, `/` included.
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut middle: Vec<&str> = parts.collect();
    let Some(last) = middle.pop() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The registry of an image reference: the part before the first `/` if it looks like a host, else Docker Hub.
fn registry_host(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

/// A private registry of Amazon ECR: `<account>.dkr.ecr.<region>.amazonaws.com[.cn]`.
fn is_ecr(image: &str) -> bool {
    let host = registry_host(image);
    host.contains(".dkr.ecr") && host.contains(".amazonaws.com")
}

fn is_unreachable(cluster: &Cluster, wanted: &str) -> bool {
    cluster.declared.profile.aws.unreachable.iter().any(|service| service == wanted)
        || cluster.faults.iter().any(
            |fault| matches!(fault, cluster::change::Fault::Service { service, .. } if service == wanted),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_crosses_slashes() {
        for (pattern, text, matches) in [
            ("registry.example/*", "registry.example/team/app:1", true),
            ("registry.example/*", "other.example/app", false),
            ("*/app:*", "registry.example/team/app:1", true),
            ("*/app:*", "registry.example/team/application:1", false),
            ("nginx", "nginx", true),
            ("nginx", "nginx:1", false),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), matches, "{pattern} against {text}");
        }
    }

    #[test]
    fn registries_are_told_from_paths() {
        assert_eq!(registry_host("nginx:1"), "docker.io");
        assert_eq!(registry_host("library/nginx:1"), "docker.io");
        assert_eq!(registry_host("localhost:5000/app"), "localhost:5000");
        assert!(is_ecr("111122223333.dkr.ecr.us-west-2.amazonaws.com/app:1"));
        assert!(!is_ecr("public.ecr.aws/karpenter/controller:1"));
    }
}
