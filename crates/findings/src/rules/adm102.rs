//! ADM102: Pod Security refuses pods.

use cluster::admission::Refuser;

use crate::code::Code;
use crate::finding::Finding;
use crate::refused;
use crate::rules::Rule;
use crate::scene::Scene;

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "ADM102", name: "pod-security-refuses" }, docs: DOCS, examine };

const DOCS: &str = "\
A namespace enforces a level of Pod Security, and pods in it ask for more than the level allows.

## What it is
With the label `pod-security.kubernetes.io/enforce: baseline` or `restricted` the API server refuses every pod that
violates the level: host namespaces and ports, hostPath volumes, privileged containers, capabilities; for `restricted`
also everything that a pod does not give up in writing.

## Why it deadlocks
Only pods are refused, not what makes them: the Deployment or DaemonSet is accepted, and its controller retries for
ever. Nodes wait for a CNI or a driver that runs as such a DaemonSet.

## Evidence
The fields that violate the level, the label, and the answer of the API server.

## Example
A node exporter (`hostNetwork`, `hostPath`) in a namespace labelled `baseline`.

## Remedy
Change the fields, or run the workload in a namespace with a level that allows it.

## Exceptions
The labels `warn` and `audit` refuse nothing. Pods that run already are not removed.

## References
- kubernetes: Pod Security Standards
- kubernetes: staging/src/k8s.io/pod-security-admission/policy
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let refusals = refused::by_checks(scene, |by| by == Refuser::PodSecurity);
    let finding = |(workload, refusal): (&cluster::Workload, &cluster::admission::PodRefusal)| {
        let namespace = &workload.key.namespace;
        let level = level(&refusal.message);
        let subject = refused::subject(&workload.key);
        let title = format!("{subject}: namespace {namespace} enforces Pod Security level {level}");
        let asks = format!("enforces {level}");
        let or = "; or use a namespace with a level that allows it";
        refused::finding(RULE.code, title, &asks, (workload, refusal), or)
    };
    refusals.into_iter().map(finding).collect()
}

/// `baseline:latest` of `violates PodSecurity "baseline:latest": …`.
fn level(message: &str) -> &str {
    message.split('"').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::Outcome;
    use crate::testing::{BARE, Ended, app, boot, boot_then};

    fn namespace(level: &str) -> String {
        format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: default, labels: {{pod-security.kubernetes.io/{level}}}}}}}"
        )
    }

    fn with_level(level: &str) -> Ended {
        boot(&[BARE, &namespace(level), &app(2, "cpu: '1'", "hostNetwork: true")])
    }

    #[test]
    fn fires() {
        let ended = with_level("enforce: baseline");
        assert_eq!(ended.outcome(), Outcome::Misconfiguration);
        insta::assert_snapshot!(ended.told("ADM102"), @r#"
        Error: pods of Deployment default/app are refused: namespace default enforces Pod Security level baseline:latest
         at Deployment default/app spec.template.spec.hostNetwork: hostNetwork: true
         at Namespace default metadata.labels["pod-security.kubernetes.io/enforce"]: enforces baseline:latest
         note: FailedCreate: Error creating: pods "app-…" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)
         help: remove hostNetwork; or use a namespace with a level that allows it
        "#);
    }

    #[test]
    fn a_daemon_set_lacks_its_pods_too() {
        let daemons = app(1, "cpu: '1'", "hostPID: true")
            .replace("kind: Deployment", "kind: DaemonSet")
            .replace("  replicas: 1\n", "");
        let ended = boot(&[BARE, &namespace("enforce: restricted"), &daemons]);
        assert_eq!(ended.outcome(), Outcome::Misconfiguration);
        assert!(ended.codes().contains(&"ADM102"), "{:?}", ended.codes());
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(with_level("warn: restricted").told("ADM102"), "");
        assert_eq!(with_level("enforce: privileged").told("ADM102"), "");
    }

    #[test]
    fn pods_that_run_already_stay() {
        let runs =
            BARE.replace("provider: none", "provider: none, existing: [{kind: Deployment, pods: running}]");
        let pods = app(2, "cpu: '1'", "hostNetwork: true");
        let ended = boot(&[&runs, &namespace("enforce: baseline"), &pods]);
        assert_eq!(ended.outcome(), Outcome::Converges, "{}", ended.told("ADM102"));
    }

    #[test]
    fn another_label_lets_the_pods_in() {
        let pods = app(2, "cpu: '1'", "hostNetwork: true");
        let (before, after) = (namespace("enforce: baseline"), namespace("enforce: privileged"));
        let ended = boot_then(&[BARE, &before, &pods], &[BARE, &after, &pods]);
        assert_eq!(ended.outcome(), Outcome::Converges);
    }
}
