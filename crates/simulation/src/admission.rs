//! What the API server checks before it creates a pod: what the pod itself violates, objects that have not arrived,
//! webhooks that fail closed, quotas.
//!
//! Follows `k8s.io/apiserver` v0.36 `pkg/admission/plugin/webhook` (selectors, rules, failure policy) and
//! `plugin/pkg/admission/resourcequota`, in the order of `k8s.io/kubernetes` v1.36
//! `pkg/kubeapiserver/options/plugins.go`. What of a pod is refused for itself was found when it was lowered.
//!
//! Not modelled: mutating webhooks are asked before the checks that only validate; old revisions' pods are judged by
//! what their workload is now.

use cluster::admission::{Quota, Refuser, Webhook};
use cluster::change::Refusal;
use cluster::pod::{NewPod, Stage};
use cluster::{Cluster, Kind, Labels, ObjectKey, Resources, Timestamp};

/// Why the API server refuses a pod now; `None` when it does not.
pub fn refuses(cluster: &Cluster, pod: &NewPod) -> Option<Refusal> {
    let late = || {
        check_refuses(cluster, pod, |by| by == Refuser::ResourceQuota).or_else(|| quota_refuses(cluster, pod))
    };
    not_arrived(cluster, pod)
        .or_else(|| check_refuses(cluster, pod, |by| by < Refuser::ResourceQuota))
        .or_else(|| webhook_refuses(cluster, pod))
        .or_else(late)
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

fn webhook_refuses(cluster: &Cluster, pod: &NewPod) -> Option<Refusal> {
    let asked = |webhook: &&Webhook| {
        webhook.fails_closed
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
