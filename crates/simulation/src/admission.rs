//! What the API server asks before it creates a pod: objects that have not arrived, webhooks that fail closed, what the
//! pod itself violates, quotas.
//!
//! Follows `k8s.io/apiserver` v0.36 `pkg/admission/plugin/webhook` (selectors, rules, failure policy) and
//! `plugin/pkg/admission/resourcequota`, in the order of `k8s.io/kubernetes` v1.36
//! `pkg/kubeapiserver/options/plugins.go`. What of a pod is refused for itself was found when it was lowered.
//!
//! Everything that may change a pod goes first (`Admit`): service account, priority and runtime class, then mutating
//! webhooks. What only validates comes after it (`Validate`): LimitRanges, Pod Security, validating webhooks, quotas.
//!
//! Not modelled: old revisions' pods are judged by what their workload is now; what a webhook changes.

use cluster::admission::{Quota, Refuser, Webhook};
use cluster::change::Refusal;
use cluster::pod::{NewPod, Stage};
use cluster::{Cluster, Kind, Labels, ObjectKey, Resources, Timestamp};

/// Why the API server refuses a pod now; `None` when it does not.
pub fn refuses(cluster: &Cluster, pod: &NewPod) -> Option<Refusal> {
    let validates = |by| (Refuser::LimitRanger..Refuser::ResourceQuota).contains(&by);
    not_arrived(cluster, pod)
        .or_else(|| check_refuses(cluster, pod, |by| by < Refuser::LimitRanger))
        .or_else(|| webhook_refuses(cluster, pod, &Kind::MutatingWebhookConfiguration))
        .or_else(|| check_refuses(cluster, pod, validates))
        .or_else(|| webhook_refuses(cluster, pod, &Kind::ValidatingWebhookConfiguration))
        .or_else(|| check_refuses(cluster, pod, |by| by == Refuser::ResourceQuota))
        .or_else(|| quota_refuses(cluster, pod))
        .filter(|_| !exists_already(cluster, pod))
}

/// Pods that run at the start were let in, by whatever held then.
fn exists_already(cluster: &Cluster, pod: &NewPod) -> bool {
    let Some(id) = pod.workload.filter(|_| cluster.now < Timestamp::ZERO) else { return false };
    let dumped = cluster.declared.pods.iter().any(|known| known.workload == id && known.name == pod.name);
    dumped || cluster.declared.workload(id).running_at_start
}

/// The first of the checks that refuses the pods of this one's workload.
fn check_refuses(cluster: &Cluster, pod: &NewPod, which: impl Fn(Refuser) -> bool) -> Option<Refusal> {
    let workload = cluster.declared.workload(pod.workload?);
    let refusals = cluster.declared.pod_refusals.get(&workload.key)?;
    let first = refusals.iter().find(|refusal| which(refusal.by))?;
    Some(Refusal::Check(Box::new(first.clone())))
}

/// Objects of the input that arrive later than the pod. What exists before the start is there.
fn not_arrived(cluster: &Cluster, pod: &NewPod) -> Option<Refusal> {
    let still_to_come = |key: &ObjectKey| {
        let arrival = cluster.declared.arrivals.get(key);
        cluster.now >= Timestamp::ZERO
            && arrival.is_some_and(|arrival| !arrival.existing && !arrival.addon)
            && !cluster.arrived_objects.contains(key)
    };
    let template = &pod.template;
    let account =
        ObjectKey::new(Kind::ServiceAccount, pod.namespace.clone(), template.service_account.clone());
    if still_to_come(&account) {
        return Some(Refusal::ServiceAccountMissing(account));
    }
    let class = &template.priority_class;
    still_to_come(&ObjectKey::new(Kind::PriorityClass, "", class.clone()))
        .then(|| Refusal::PriorityClassMissing(class.clone()))
}

fn webhook_refuses(cluster: &Cluster, pod: &NewPod, kind: &Kind) -> Option<Refusal> {
    let asked = |webhook: &&Webhook| {
        webhook.location.object.kind == *kind
            && webhook.fails_closed
            && !webhook.has_match_conditions
            && cluster.arrived_objects.contains(&webhook.location.object)
            && covers(webhook, "", "pods")
            && webhook.object_selector.matches(&pod.template.labels)
            && namespace_selected(cluster, webhook, &pod.namespace)
    };
    cluster.declared.webhooks.iter().filter(asked).find_map(|webhook| {
        let (namespace, name) = webhook.service.as_ref()?;
        (!has_ready_endpoint(cluster, namespace, name)).then(|| Refusal::Webhook {
            configuration: webhook.location.object.clone(),
            webhook: webhook.name.clone(),
            service: (namespace.clone(), name.clone()),
        })
    })
}

/// Whether a webhook is asked about the creation of this resource.
pub fn covers(webhook: &Webhook, group: &str, resource: &str) -> bool {
    let any = |list: &[cluster::Name], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
    webhook.rules.iter().any(|rule| {
        let named = any(&rule.resources, resource) || rule.resources.iter().any(|item| item == "*/*");
        any(&rule.operations, "CREATE") && any(&rule.groups, group) && named
    })
}

fn namespace_selected(cluster: &Cluster, webhook: &Webhook, namespace: &str) -> bool {
    let fallback = || Labels::from([("kubernetes.io/metadata.name".into(), namespace.into())]);
    match cluster.declared.namespaces.get(namespace) {
        Some(known) => webhook.namespace_selector.matches(&known.labels),
        None => webhook.namespace_selector.matches(&fallback()),
    }
}

/// Whether a Service has at least one ready pod behind it. A Service that the input does not have, or that has
/// no selector, is assumed to answer: nothing is known about it.
pub fn has_ready_endpoint(cluster: &Cluster, namespace: &str, name: &str) -> bool {
    let service = cluster.declared.services.iter().find(|s| s.namespace == namespace && s.name == name);
    let Some(selector) = service.and_then(|service| service.selector.as_ref()) else { return true };
    cluster.pods.iter().any(|pod| {
        pod.stage == Stage::Ready
            && pod.namespace == namespace
            && selector.iter().all(|(key, value)| pod.template.labels.get(key) == Some(value))
    })
}

fn quota_refuses(cluster: &Cluster, pod: &NewPod) -> Option<Refusal> {
    let applies = |quota: &&Quota| {
        let scoped = quota.priority_classes.as_ref().is_none_or(|c| c.contains(&pod.template.priority_class));
        quota.namespace == pod.namespace && scoped
    };
    cluster.declared.quotas.iter().filter(applies).find_map(|quota| {
        let used = quota_used(cluster, quota);
        let wanted = &pod.template.requests;
        let (resource, hard) = quota.refuses(&used, wanted)?;
        Some(Refusal::Quota {
            quota: ObjectKey::new(Kind::ResourceQuota, quota.namespace.clone(), quota.name.clone()),
            resource: resource.clone(),
            hard,
            used: used.get(resource),
            wanted: wanted.get(resource),
        })
    })
}

/// What the namespace's pods use of a quota: finished pods do not count.
fn quota_used(cluster: &Cluster, quota: &Quota) -> Resources {
    let mut used = Resources::ZERO;
    for pod in cluster.live_pods().filter(|pod| pod.namespace == quota.namespace) {
        if quota
            .priority_classes
            .as_ref()
            .is_none_or(|classes| classes.contains(&pod.template.priority_class))
        {
            used.add(&pod.template.requests);
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use cluster::admission::{PodRefusal, Service, Violation};
    use cluster::{LabelSelector, Location, WorkloadId};

    use super::*;
    use crate::actors::stage_hand::{StageHand, declared, deployment, key, node};

    fn webhook(kind: Kind) -> Webhook {
        let every = || vec!["*".into()];
        let rule =
            cluster::admission::WebhookRule { operations: every(), groups: every(), resources: every() };
        Webhook {
            location: Location::object(key(kind, "hook")),
            name: "hook.example".into(),
            arrival: cluster::arrival::Arrival::default(),
            fails_closed: true,
            service: Some(("apps".into(), "nobody".into())),
            rules: vec![rule],
            namespace_selector: LabelSelector::default(),
            object_selector: LabelSelector::default(),
            has_match_conditions: false,
        }
    }

    /// Who refuses a pod that a check and a webhook without endpoints both would refuse.
    fn first(by: Refuser, kind: Kind) -> &'static str {
        let mut declared = declared(vec![deployment("web", 1)], vec![node("a")]);
        let workload = declared.workloads[0].clone();
        let here = Location::object(workload.key.clone());
        let violation = Violation { location: here.clone(), what: "a".into(), instead: "b".into() };
        let refusal = PodRefusal { by, message: "no".into(), object: None, violations: vec![violation] };
        declared.pod_refusals.insert(workload.key.clone(), vec![refusal]);
        let selector = Some(Labels::from([("app".into(), "nobody".into())]));
        declared.services =
            vec![Service { namespace: "apps".into(), name: "nobody".into(), location: here, selector }];
        declared.webhooks = vec![webhook(kind.clone())];
        let mut cluster = StageHand::new(declared, Vec::new()).cluster;
        cluster.arrived_objects.insert(key(kind, "hook"));
        let pod = NewPod {
            namespace: "apps".into(),
            name: "web-1".into(),
            workload: Some(WorkloadId(0)),
            template: workload.template.clone(),
            revision: 0,
            ordinal: 0,
            for_node: None,
        };
        match refuses(&cluster, &pod) {
            Some(Refusal::Check(_)) => "check",
            Some(Refusal::Webhook { .. }) => "webhook",
            _ => "nobody",
        }
    }

    #[test]
    fn what_may_change_a_pod_is_asked_before_what_only_validates() {
        use Kind::{MutatingWebhookConfiguration as Mutating, ValidatingWebhookConfiguration as Validating};
        assert_eq!(first(Refuser::ServiceAccount, Mutating), "check");
        assert_eq!(first(Refuser::PodSecurity, Mutating), "webhook");
        assert_eq!(first(Refuser::LimitRanger, Mutating), "webhook");
        assert_eq!(first(Refuser::PodSecurity, Validating), "check");
        assert_eq!(first(Refuser::ResourceQuota, Validating), "webhook");
    }
}
