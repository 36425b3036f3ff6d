//! Kinds that are not modelled but could decide the outcome, and what they could change. Everything else that is
//! not modelled (RBAC, Ingresses, dashboards, …) is only counted.

use std::collections::BTreeMap;

use cluster::declared::{Decides, Unmodelled};
use cluster::{Declared, FieldPath, Location, Name, PodTemplate, SelectorOperator};
use serde_json::Value;

use crate::code;
use crate::object::Object;
use crate::problem::{Problems, Reporter};

/// API group, kind (empty: every kind of the group), what it could change.
const WOULD_MATTER: &[(&str, &str, &str)] = &[
    ("autoscaling", "HorizontalPodAutoscaler", MORE_REPLICAS),
    ("keda.sh", "ScaledObject", REPLICAS),
    ("keda.sh", "ScaledJob", PODS),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler", "it may change the pods' requests"),
    ("resource.k8s.io", "DeviceTaintRule", "it may taint devices"),
    (
        "kubescheduler.config.k8s.io",
        "KubeSchedulerConfiguration",
        "it changes what a scheduler of its own does",
    ),
    ("argoproj.io", "Rollout", PODS),
    ("argoproj.io", "Workflow", PODS),
    ("argoproj.io", "CronWorkflow", PODS),
    ("argoproj.io", "Application", ELSEWHERE),
    ("argoproj.io", "ApplicationSet", ELSEWHERE),
    ("helm.toolkit.fluxcd.io", "HelmRelease", ELSEWHERE),
    ("kustomize.toolkit.fluxcd.io", "Kustomization", ELSEWHERE),
    ("helm.cattle.io", "HelmChart", ELSEWHERE),
    ("cluster.x-k8s.io", "", NODES),
    ("machine.openshift.io", "", NODES),
    ("eks.amazonaws.com", "NodeClass", NODES),
    ("karpenter.azure.com", "", NODES),
    ("karpenter.k8s.gcp", "", NODES),
    ("karpenter.kwok.sh", "", NODES),
    ("kyverno.io", "ClusterPolicy", POLICY),
    ("kyverno.io", "Policy", POLICY),
    ("policies.kyverno.io", "", POLICY),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy", POLICY),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", POLICY),
    ("mutations.gatekeeper.sh", "", POLICY),
    ("constraints.gatekeeper.sh", "", POLICY),
    ("apps.kruise.io", "", PODS),
    ("serving.knative.dev", "Service", PODS),
    ("batch.volcano.sh", "Job", PODS),
    ("jobset.x-k8s.io", "JobSet", PODS),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet", PODS),
    ("ray.io", "", PODS),
    ("sparkoperator.k8s.io", "", PODS),
    ("kubeflow.org", "", PODS),
    ("kueue.x-k8s.io", "", "it holds pods back until there is quota"),
    ("scheduling.x-k8s.io", "PodGroup", "its pods are placed together or not at all"),
    ("monitoring.coreos.com", "Prometheus", PODS),
    ("monitoring.coreos.com", "PrometheusAgent", PODS),
    ("monitoring.coreos.com", "Alertmanager", PODS),
    ("monitoring.coreos.com", "ThanosRuler", PODS),
    ("postgresql.cnpg.io", "Cluster", PODS),
    ("kafka.strimzi.io", "", PODS),
    ("elasticsearch.k8s.elastic.co", "", PODS),
    ("acid.zalan.do", "postgresql", PODS),
    ("druid.apache.org", "Druid", PODS),
    ("operator.tigera.io", "Installation", "it decides who hands out addresses"),
    ("apps.openshift.io", "DeploymentConfig", PODS),
];

const MORE_REPLICAS: &str = "it may add pods, up to its maxReplicas";
const REPLICAS: &str = "it may change the number of pods";
const PODS: &str = "it makes pods that are not in the input";
const ELSEWHERE: &str = "what it deploys is not in the input";
const WINDOWS: &str = "how pods get addresses on Windows nodes is not modelled";
const NODES: &str = "it makes nodes that are not in the input";
const POLICY: &str = "it may change or refuse pods";

/// Notes something that is not modelled and would matter.
pub(crate) fn note(declared: &mut Declared, location: Location, why: &str, decides: Decides) {
    declared.would_matter.push(Unmodelled { location, why: why.into(), decides });
}

/// What the kinds of the table could decide.
pub(crate) fn decides(why: &str) -> Decides {
    match why {
        NODES => Decides::Nodes,
        PODS | ELSEWHERE => Decides::Parts,
        _ => Decides::Extent,
    }
}

/// What pods ask for and is not modelled: other schedulers, Windows.
pub(crate) fn of_pods(declared: &mut Declared) {
    let mut found = Vec::new();
    for workload in &declared.workloads {
        let scheduler = &workload.template.scheduler_name;
        let fargate = declared.profile.fargate_for(&workload.key.namespace, &workload.template.labels);
        if scheduler != "default-scheduler" && fargate.is_none() {
            let why = format!("its pods are placed by the scheduler {scheduler}, which is not modelled");
            found.push((workload.template.location.at("/spec/schedulerName"), Name::from(why)));
        }
    }
    for workload in declared.workloads.iter().filter(|workload| runs_on_windows(&workload.template)) {
        found.push((workload.template.location.clone(), Name::from(WINDOWS)));
    }
    for (location, why) in found {
        note(declared, location, &why, Decides::Placement);
    }
}

/// Pods that ask for Windows nodes, in whatever way.
fn runs_on_windows(template: &PodTemplate) -> bool {
    const OS: &str = "kubernetes.io/os";
    let terms = template.required_node_affinity.iter().flatten();
    let mut expressions = terms.flat_map(|term| &term.match_expressions);
    template.node_selector.get(OS).is_some_and(|os| os == "windows")
        || expressions.any(|wanted| {
            wanted.key == OS
                && wanted.operator == SelectorOperator::In
                && wanted.values.iter().all(|os| os == "windows")
        })
}

/// Says what could have changed the outcome, once for each kind and reason.
pub(crate) fn say(declared: &Declared, objects: &[Object], problems: &mut Problems) {
    let mut seen: BTreeMap<(&str, &str), (&Location, usize)> = BTreeMap::new();
    let modelled = |found: &&Unmodelled| found.decides != Decides::Unread;
    for Unmodelled { location, why, .. } in declared.would_matter.iter().filter(modelled) {
        seen.entry((location.object.kind.as_str(), why)).or_insert((location, 0)).1 += 1;
    }
    for ((_, why), (location, count)) in seen {
        let Some(object) = objects.iter().find(|object| object.key == location.object) else { continue };
        let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        let end = if why.contains("not modelled") { "" } else { "; this is not modelled" };
        let path = if location.path.0.is_empty() { FieldPath::of("/kind") } else { location.path.clone() };
        let message = format!("{}{more}: {why}{end}", location.object);
        Reporter::new(problems, object).note(&path, code::NOT_MODELLED, message, "");
    }
}

/// What an object of an unmodelled kind could change; `None` when it decides nothing.
pub(crate) fn would_matter(object: &Object) -> Option<&'static str> {
    let kind = object.key.kind.as_str();
    let group = object.group.as_str();
    let entry =
        WOULD_MATTER.iter().find(|entry| entry.0 == group && (entry.1.is_empty() || entry.1 == kind))?;
    acts(object).then_some(entry.2)
}

/// Policies that only report, and autoscalers that only recommend, decide nothing.
fn acts(object: &Object) -> bool {
    let text = |pointer: &str| object.field(pointer).and_then(Value::as_str).unwrap_or_default();
    match (object.group.as_str(), object.key.kind.as_str()) {
        ("autoscaling.k8s.io", _) => text("/spec/updatePolicy/updateMode") != "Off",
        ("kyverno.io", _) => kyverno_acts(object),
        ("karpenter.kwok.sh" | "cluster.x-k8s.io", kind) => !kind.ends_with("Template"),
        _ => true,
    }
}

/// Mutating and generating rules act; validating ones only when they enforce.
fn kyverno_acts(object: &Object) -> bool {
    let enforces = |value: Option<&Value>| {
        value.and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case("enforce"))
    };
    let rules = object.field("/spec/rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    rules.iter().any(|rule| {
        rule.get("mutate").is_some()
            || (rule.get("validate").is_some() || rule.get("verifyImages").is_some())
                && (enforces(object.field("/spec/validationFailureAction"))
                    || enforces(rule.pointer("/validate/failureAction")))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{lowered, object, shown};

    #[test]
    fn what_could_decide_is_said_once_for_each_kind() {
        let kafka = |name: &str| {
            format!("apiVersion: kafka.strimzi.io/v1\nkind: Kafka\nmetadata: {{name: {name}}}\n---\n")
        };
        let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\n";
        assert_eq!(
            shown(&lowered(&format!("{}{}{role}", kafka("a"), kafka("b"))).problems),
            "Note CONF119 [kind] Kafka a and 1 more: it makes pods that are not in the input; this is not modelled\n"
        );
        assert_eq!(shown(&lowered(role).problems), "");
    }

    #[test]
    fn pods_on_windows_leave_it_open() {
        let open = |spec: &str| {
            let pod = format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, image: a}}], {spec}}}\n"
            );
            let found = lowered(&pod).declared.would_matter;
            found.iter().filter(|found| found.decides == Decides::Placement).count()
        };
        assert_eq!(open("nodeSelector: {kubernetes.io/os: windows}"), 1);
        assert_eq!(open("nodeSelector: {kubernetes.io/os: linux}"), 0);
        let affinity = |os: &str| {
            format!(
                "affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{{matchExpressions: [{{key: kubernetes.io/os, operator: In, values: [{os}]}}]}}]}}}}}}"
            )
        };
        assert_eq!(open(&affinity("windows")), 1);
        assert_eq!(open(&affinity("windows, linux")), 0);
    }

    #[test]
    fn only_what_acts_matters() {
        let policy = |action: &str| {
            let rules = json!([{"name": "a", "validate": {"message": "m"}}]);
            object(&json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "a"},
                "spec": {"validationFailureAction": action, "rules": rules}}))
        };
        assert_eq!(would_matter(&policy("Audit")), None);
        assert!(would_matter(&policy("Enforce")).is_some());
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}});
        assert_eq!(would_matter(&object(&role)), None);
        let hpa = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}});
        assert_eq!(would_matter(&object(&hpa)), Some(MORE_REPLICAS));
    }
}
