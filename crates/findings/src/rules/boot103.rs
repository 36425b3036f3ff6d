//! BOOT103: a webhook that fails closed refuses the pods that would answer it.

use std::collections::BTreeMap;

use cluster::change::Refusal;
use cluster::{Name, ObjectKey, WorkloadId};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "BOOT103", name: "webhook-waits-for-its-own-pods" }, docs: DOCS, examine };

const DOCS: &str = "\
A webhook that fails closed has no ready pod behind it, and refuses pods: perhaps its own.

## What it is
With `failurePolicy: Fail` the API server refuses every request that the webhook is asked about while its Service has
no ready endpoint.

## Why it deadlocks
When the webhook's rules cover the pods behind it, or the pods that those need (DNS, the CNI, the provisioner), they
can never be created again once all are gone.

## Evidence
The webhook, its Service, and the workloads whose pods it refuses.

## Example
A policy engine with one replica whose webhook covers pods in its own namespace, after its node is replaced.

## Remedy
Exclude the webhook's own namespace and kube-system by `namespaceSelector`, or `failurePolicy: Ignore`.

## Exceptions
A webhook whose Service is not in the input, or has no selector, is assumed to answer.

## References
- kubernetes: dynamic admission control, avoiding deadlocks in self-hosted webhooks
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut refused: BTreeMap<(ObjectKey, Name, (Name, Name)), Vec<WorkloadId>> = BTreeMap::new();
    for (id, (_, refusal)) in &scene.cluster.creation_refusals {
        if let Refusal::Webhook { configuration, webhook, service } = refusal {
            let key = (configuration.clone(), webhook.clone(), service.clone());
            refused.entry(key).or_default().push(*id);
        }
    }
    let mut findings = Vec::new();
    for ((configuration, name, (namespace, service)), workloads) in refused {
        let keys: Vec<_> =
            workloads.iter().map(|id| scene.cluster.declared.workload(*id).key.clone()).collect();
        let title =
            format!("webhook {name} refuses pods of {} while nothing answers it", workloads_in_words(&keys));
        let found = scene
            .cluster
            .declared
            .webhooks
            .iter()
            .find(|w| w.location.object == configuration && w.name == name);
        let mut finding = Finding::new(RULE.code, Severity::Error, title)
            .note(format!("Service {namespace}/{service} has no ready pod, and the webhook fails closed"))
            .help(format!(
                "exclude namespace {} by the webhook's namespaceSelector, or set failurePolicy: Ignore",
                to_exclude(&namespace, &keys)
            ));
        if let Some(webhook) = found {
            finding = finding.at(webhook.location.at("/failurePolicy"), "Fail: no answer is a refusal");
        }
        for key in keys {
            finding.affects(key);
        }
        findings.push(finding);
    }
    findings
}

/// The namespace of the webhook's own pods, where they are refused too; else that of what every node runs first.
fn to_exclude(own: &Name, refused: &[ObjectKey]) -> Name {
    let namespaces = || refused.iter().map(|key| &key.namespace);
    let first = || namespaces().find(|namespace| *namespace == "kube-system").or_else(|| namespaces().next());
    let chosen = namespaces().find(|namespace| *namespace == own).or_else(first);
    chosen.unwrap_or(own).clone()
}

fn workloads_in_words(keys: &[ObjectKey]) -> String {
    match keys {
        [] => "nothing".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{BARE, app, boot};

    fn with_webhook(policy: &str) -> crate::testing::Ended {
        let service = "{apiVersion: v1, kind: Service, metadata: {name: app, namespace: default}, spec: {selector: {app: app}}}";
        let webhook = format!(
            "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: policy}}
webhooks:
- name: policy.example.com
  failurePolicy: {policy}
  sideEffects: None
  admissionReviewVersions: [v1]
  clientConfig: {{service: {{namespace: default, name: app}}}}
  rules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]
"
        );
        boot(&[BARE, service, &webhook, &app(1, "cpu: 100m", "")])
    }

    #[test]
    fn fires() {
        let ended = with_webhook("Fail");
        insta::assert_snapshot!(ended.told("BOOT103"), @r#"
        Error: webhook policy.example.com refuses pods of DaemonSet kube-system/kube-proxy and 1 more while nothing answers it
         at ValidatingWebhookConfiguration policy webhooks[0].failurePolicy: Fail: no answer is a refusal
         note: Service default/app has no ready pod, and the webhook fails closed
         help: exclude namespace default by the webhook's namespaceSelector, or set failurePolicy: Ignore
        "#);
    }

    #[test]
    fn who_exempts_itself_is_told_to_exempt_the_system() {
        let key = |namespace: &str| cluster::ObjectKey::new(cluster::Kind::Deployment, namespace, "a");
        let exclude =
            |refused: &[cluster::ObjectKey]| super::to_exclude(&"kyverno".into(), refused).to_string();
        assert_eq!(exclude(&[key("apps"), key("kube-system"), key("kyverno")]), "kyverno");
        assert_eq!(exclude(&[key("apps"), key("kube-system")]), "kube-system");
        assert_eq!(exclude(&[key("apps")]), "apps");
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(with_webhook("Ignore").told("BOOT103"), "");
    }
}
