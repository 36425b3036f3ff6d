//! IMG102: an image cannot be pulled.

use cluster::Waiting;
use cluster::waiting::ImageProblem;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "IMG102", name: "image-unpullable" }, docs: DOCS, examine };

const DOCS: &str = "\
An image cannot be pulled, and its pods stay in ImagePullBackOff.

## What it is
The registry does not know the image or the tag, refuses the credentials, or its token has run out. ECR tokens live
for twelve hours.

## Why it deadlocks
It does when the pods are what others wait for: cluster DNS, the CNI, the provisioner.

## Evidence
The image, the reason, and the pull secret where one is known.

## Example
A CronJob that refreshes an ECR token every six hours and has been failing since yesterday.

## Remedy
Correct the image, create or refresh the pull secret.

## Exceptions
Images that the profile does not speak of are taken to be pullable.

## References
- kubernetes: pkg/kubelet/images/image_manager.go
- Amazon ECR: private registry authentication
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let groups = stuck::by_wait(scene, |_, waiting| match waiting {
        Waiting::Image { why: ImageProblem::NoPlatform, .. } => None,
        Waiting::Image { image, why } => Some((*why, image.clone())),
        _ => None,
    });
    let mut findings = Vec::new();
    for ((why, image), pods) in groups {
        let title = format!(
            "{}: image {image} {}",
            stuck::pods_verb(pods.len(), "does not start", "do not start"),
            words::image_problem(why)
        );
        let mut finding = Finding::new(RULE.code, Severity::Error, title);
        let template = pods.first().map(|pod| scene.cluster.pod(*pod).template.clone());
        if let Some(container) = template.iter().flat_map(|t| t.all_containers()).find(|c| c.image == image) {
            finding = finding.at(container.location.at("/image"), "the image");
        }
        finding = finding.note(format!("affected: {}", words::pods(scene, &pods))).help(help(why));
        for secret in template.iter().flat_map(|template| &template.image_pull_secrets) {
            finding = finding.note(pull_secret(secret, &image));
        }
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}

fn pull_secret(secret: &str, image: &str) -> String {
    let lives = if image.contains(".dkr.ecr.") { "; a token of Amazon ECR lives 12h" } else { "" };
    format!("its pull secret is {secret}{lives}")
}

fn help(why: ImageProblem) -> &'static str {
    match why {
        ImageProblem::NotFound => "correct the image's name or tag, or push it",
        ImageProblem::Unauthorized => {
            "give the pods a pull secret that is valid, or the nodes' role the right to pull"
        }
        ImageProblem::TokenExpired => "refresh the pull secret, and often enough: a CronJob does it",
        ImageProblem::Unreachable => {
            "make the registry reachable from the nodes' subnets, or mirror the image"
        }
        ImageProblem::NoPlatform => "build the image for the nodes' platform",
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{app, boot, with_images};

    fn with_image(rule: &str) -> crate::testing::Ended {
        boot(&[&with_images(rule), &app(1, "cpu: 100m", "imagePullSecrets: [{name: ecr}]")])
    }

    #[test]
    fn fires() {
        let ended = with_image("pull: unauthorized");
        insta::assert_snapshot!(ended.told("IMG102"), @r#"
        Error: 1 pod does not start: image example/app:1 is refused by its registry: no valid credentials
         at Deployment default/app spec.template.spec.containers[0].image: the image
         note: affected: default/app-6d88768796-0
         note: its pull secret is ecr
         help: give the pods a pull secret that is valid, or the nodes' role the right to pull
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(with_image("pull: ok").told("IMG102"), "");
    }
}
