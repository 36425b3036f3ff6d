//! Kinds that are not modelled but could decide the outcome, and what they could change. Everything else that is
//! not modelled (RBAC, Ingresses, dashboards, …) is only counted.

use cluster::{Declared, Name};
use serde_json::Value;

use crate::object::Object;

/// API group, kind (empty: every kind of the group), what it could change.
const WOULD_MATTER: &[(&str, &str, &str)] = &[
    ("autoscaling", "HorizontalPodAutoscaler", REPLICAS),
    ("keda.sh", "ScaledObject", REPLICAS),
    ("keda.sh", "ScaledJob", PODS),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler", "it may change the pods' requests"),
    ("karpenter.sh", "NodeOverlay", "it changes prices and capacity of instance types"),
    ("autoscaling.x-k8s.io", "CapacityBuffer", "it asks for nodes without pods"),
    ("resource.k8s.io", "ResourceClaim", "pods with claims are placed by device"),
    ("resource.k8s.io", "ResourceClaimTemplate", "pods with claims are placed by device"),
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
    ("", "ReplicationController", PODS),
];

const REPLICAS: &str = "it may change the number of pods";
const PODS: &str = "it makes pods that are not in the input";
const ELSEWHERE: &str = "what it deploys is not in the input";
const NODES: &str = "it makes nodes that are not in the input";
const POLICY: &str = "it may change or refuse pods";

/// What pods ask for and is not modelled: other schedulers, devices.
pub(crate) fn of_pods(objects: &[&Object], declared: &mut Declared) {
    let mut found = Vec::new();
    for workload in &declared.workloads {
        let scheduler = &workload.template.scheduler_name;
        let fargate = declared.profile.fargate_for(&workload.key.namespace, &workload.template.labels);
        if scheduler != "default-scheduler" && fargate.is_none() {
            let why = format!("its pods are placed by the scheduler {scheduler}, which is not modelled");
            found.push((workload.template.location.at("/spec/schedulerName"), Name::from(why)));
        }
    }
    for object in objects {
        for pointer in ["/spec/resourceClaims", "/spec/template/spec/resourceClaims"] {
            if object.field(pointer).and_then(Value::as_array).is_some_and(|claims| !claims.is_empty()) {
                found.push((object.place.at(pointer), "pods with claims are placed by device".into()));
            }
        }
    }
    declared.would_matter.extend(found);
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
    use crate::testing::object;

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
        assert_eq!(would_matter(&object(&hpa)), Some(REPLICAS));
    }
}
