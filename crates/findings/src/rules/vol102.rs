//! VOL102: a volume claim is not bound.

use cluster::Waiting;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "VOL102", name: "volume-unbound" }, docs: DOCS, examine };

const DOCS: &str = "\
A pod's volume claim is not bound to a volume.

## What it is
No existing volume fits, and nothing provisions one: the storage class is missing, or the driver's controller is not
running.

## Why it deadlocks
When the driver's controller itself waits for what the pods hold: a node, an address, DNS.

## Evidence
The claim, its class, and what the driver waits for.

## Example
A claim of class gp3 in a cluster without the EBS CSI driver.

## Remedy
Install the driver, name a class that exists, or make one the default.

## Exceptions
`WaitForFirstConsumer` claims are unbound until their pod is scheduled; that alone is no finding.

## References
- kubernetes: pkg/controller/volume/persistentvolume
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let groups = stuck::by_wait(scene, |_, waiting| match waiting {
        Waiting::VolumeUnbound { claim, waits_for } => {
            Some((claim.clone(), waits_for.as_ref().map(ToString::to_string)))
        }
        _ => None,
    });
    let mut findings = Vec::new();
    for ((claim, waits_for), pods) in groups {
        let why = match &waits_for {
            Some(capability) => format!("it waits for {capability}"),
            None => "nothing provisions it".to_owned(),
        };
        let title = format!("volume claim {claim} is not bound: {why}");
        let mut finding = Finding::new(RULE.code, Severity::Error, title);
        if let Some(location) = stuck::location(scene, &pods) {
            finding = finding.at(location, "what waits");
        }
        finding = finding.note(format!("waiting: {}", words::pods(scene, &pods)));
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}
