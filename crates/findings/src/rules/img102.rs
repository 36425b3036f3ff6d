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
        finding = finding.note(format!("affected: {}", words::pods(scene, &pods)));
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}
