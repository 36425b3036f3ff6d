//! ADM103: the API server refuses pods for what they ask or name.

use cluster::admission::Refuser;
use cluster::change::Refusal;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::refused;
use crate::rules::Rule;
use crate::scene::Scene;

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "ADM103", name: "pods-refused" }, docs: DOCS, examine };

const DOCS: &str = "\
The API server refuses to create pods: they are outside of what their namespace allows, or name what is not there.

## What it is
A LimitRange bounds what containers may ask for; a ResourceQuota over CPU or memory wants every container to name it;
a service account, priority class or runtime class that a pod names has to exist.

## Why it deadlocks
Only pods are refused, not what makes them: the Deployment is accepted, and its controller retries for ever.

## Evidence
The fields, the object that asks for it, and the answer of the API server.

## Example
A Deployment without requests in a namespace with a quota on `requests.cpu`.

## Remedy
Write the requests and limits, or add the object that is named.

## Exceptions
What the input names and does not hold is taken to exist, with a warning (CONF108, CONF115), unless the input is a dump
of the cluster. A quota that is used up is ADM101; a webhook is BOOT103.

## References
- kubernetes: plugin/pkg/admission/{limitranger,resourcequota,serviceaccount,priority,runtimeclass}
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let refusals = refused::by_checks(scene, |by| by != Refuser::PodSecurity);
    let finding = |(workload, refusal): (&cluster::Workload, &cluster::admission::PodRefusal)| {
        let why = match (refusal.by, &refusal.object) {
            (Refuser::ResourceQuota, Some(at)) => {
                format!("{} wants every container to name its resources", at.object)
            }
            (_, Some(at)) => format!("outside of the bounds of {}", at.object),
            (_, None) => refusal.violations.first().map_or_else(String::new, |first| first.what.to_string()),
        };
        let title = format!("{}: {why}", refused::subject(&workload.key));
        let or = match refusal.by {
            Refuser::ResourceQuota => "; or give the namespace a LimitRange with defaults",
            _ => "",
        };
        refused::finding(RULE.code, title, "asks for it", (workload, refusal), or)
    };
    let mut findings: Vec<Finding> = refusals.into_iter().map(finding).collect();
    let late = scene.cluster.creation_refusals.iter().filter(|(_, (_, refusal))| {
        matches!(
            refusal,
            Refusal::ServiceAccountMissing(_)
                | Refusal::PriorityClassMissing(_)
                | Refusal::NamespaceMissing(_)
        )
    });
    findings.extend(late.map(|(id, (_, refusal))| to_come(scene, *id, refusal)));
    findings
}

/// The object is in the input and has not arrived.
fn to_come(scene: &Scene<'_>, id: cluster::WorkloadId, refusal: &Refusal) -> Finding {
    let workload = scene.cluster.declared.workload(id);
    let title = format!("{}: {}", refused::subject(&workload.key), refused::said(refusal));
    let mut finding = Finding::new(RULE.code, Severity::Error, title)
        .at(workload.location.clone(), "what waits")
        .note("it is in the input and arrives later than what names it")
        .help("apply it in the same wave or an earlier one");
    finding.affects(workload.key.clone());
    finding
}

#[cfg(test)]
mod tests {
    use crate::Outcome;
    use crate::testing::{BARE, Ended, app, boot};

    fn with_bound(cpu: &str) -> Ended {
        let range = format!(
            "{{apiVersion: v1, kind: LimitRange, metadata: {{name: small, namespace: default}}, spec: {{limits: [{{type: Container, max: {{cpu: {cpu}}}, default: {{cpu: 100m}}}}]}}}}"
        );
        let own = app(2, "cpu: 250m}, limits: {cpu: 250m", "");
        boot(&[BARE, &range, &own])
    }

    #[test]
    fn fires() {
        let ended = with_bound("100m");
        assert_eq!(ended.outcome(), Outcome::Misconfiguration);
        insta::assert_snapshot!(ended.told("ADM103"), @r#"
        Error: pods of Deployment default/app are refused: outside of the bounds of LimitRange default/small
         at Deployment default/app spec.template.spec.containers[0].resources: maximum cpu usage per Container is 100m, but limit is 250m
         at LimitRange default/small spec.limits[0]: asks for it
         note: FailedCreate: Error creating: pods "app-…" is forbidden: maximum cpu usage per Container is 100m, but limit is 250m
         help: change the requests and limits, or the LimitRange
        "#);
    }

    #[test]
    fn a_quota_wants_every_container_to_name_the_resource() {
        let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: team, namespace: default}, spec: {hard: {requests.cpu: '4'}}}";
        let ended = boot(&[BARE, quota, &app(1, "memory: 64Mi", "")]);
        assert_eq!(ended.outcome(), Outcome::Misconfiguration);
        insta::assert_snapshot!(ended.told("ADM103"), @r#"
        Error: pods of Deployment default/app are refused: ResourceQuota default/team wants every container to name its resources
         at Deployment default/app spec.template.spec.containers: no requests of cpu in app
         at ResourceQuota default/team spec.hard: asks for it
         note: FailedCreate: Error creating: pods "app-…" is forbidden: failed quota: team: must specify requests.cpu for: app
         help: write requests of cpu; or give the namespace a LimitRange with defaults
        "#);
    }

    #[test]
    fn an_account_of_a_later_wave_is_waited_for() {
        let waves = BARE.replace("provider: none", "provider: none, order: waves");
        let account = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: late, namespace: default, annotations: {argocd.argoproj.io/sync-wave: '1'}}}";
        let ended = boot(&[&waves, account, &app(1, "cpu: 100m", "serviceAccountName: late")]);
        assert_ne!(ended.outcome(), Outcome::Converges);
        insta::assert_snapshot!(ended.told("ADM103"), @r#"
        Error: pods of Deployment default/app are refused: ServiceAccount default/late does not exist
         at Deployment default/app : what waits
         note: it is in the input and arrives later than what names it
         help: apply it in the same wave or an earlier one
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(with_bound("500m").told("ADM103"), "");
        let named = boot(&[BARE, &app(1, "cpu: 100m", "serviceAccountName: of-elsewhere")]);
        assert_eq!((named.outcome(), named.told("ADM103").as_str()), (Outcome::Converges, ""));
    }
}
