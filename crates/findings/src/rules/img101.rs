//! IMG101: a pod landed on a node whose architecture its image was not built for.

use cluster::waiting::{CrashCause, ImageProblem};
use cluster::{Name, Waiting};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "IMG101", name: "wrong-architecture" }, docs: DOCS, examine };

const DOCS: &str = "\
Pods run on nodes of an architecture that their image was not built for.

## What it is
kube-scheduler and Karpenter know the architecture of nodes, not of images. A pod that does not name one may land on
any node. A single-architecture image then exits with `exec format error`; a list without the platform is not pulled.

## Why it deadlocks
It restarts for ever on the same node; a rescheduled copy may land there again.

## Evidence
What the image was built for (from the profile), and the node's architecture.

## Example
arm64 images on a pool pinned to amd64.

## Remedy
Pin the pool, or the pods, to the image's architecture; or build for both.

## Exceptions
Images that the profile does not speak of are taken to be built for amd64 and arm64.

## References
- kubernetes: well-known labels, kubernetes.io/arch
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let groups = stuck::by_wait(scene, |pod, waiting| {
        let arch = || pod.node.map_or_else(Name::default, |node| Name::from(scene.cluster.node(node).arch()));
        match waiting {
            Waiting::Crashing { why: CrashCause::ExecFormat { built_for, node_arch }, .. } => {
                Some((node_arch.clone(), built_for.join(", ")))
            }
            Waiting::Image { why: ImageProblem::NoPlatform, .. } => {
                Some((arch(), "other platforms".to_owned()))
            }
            _ => None,
        }
    });
    let mut findings = Vec::new();
    for ((arch, built_for), pods) in groups {
        let title = format!(
            "{} on {arch} nodes with an image built for {built_for}",
            stuck::pods_verb(pods.len(), "cannot run", "cannot run")
        );
        let mut finding = Finding::new(RULE.code, Severity::Error, title);
        let template = pods.first().map(|pod| scene.cluster.pod(*pod).template.clone());
        if let Some(container) = template.as_ref().and_then(|template| template.containers.first()) {
            finding = finding.at(container.location.at("/image"), "the image");
        }
        finding = finding.note(format!("affected: {}", words::pods(scene, &pods)))
            .help(format!("build the image for {arch} too, or select nodes of its own architecture: nodeSelector kubernetes.io/arch"));
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}

#[cfg(test)]
mod tests {
    use crate::testing::{app, boot, with_images};

    fn with_image(rule: &str) -> crate::testing::Ended {
        boot(&[&with_images(rule), &app(1, "cpu: 100m", "")])
    }

    #[test]
    fn fires() {
        let ended = with_image("architectures: [arm64]");
        insta::assert_snapshot!(ended.told("IMG101"), @r#"
        Error: 1 pod cannot run on amd64 nodes with an image built for arm64
         at Deployment default/app spec.template.spec.containers[0].image: the image
         note: affected: default/app-6d88768796-0
         help: build the image for amd64 too, or select nodes of its own architecture: nodeSelector kubernetes.io/arch
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(with_image("architectures: [arm64, amd64]").told("IMG101"), "");
    }
}
