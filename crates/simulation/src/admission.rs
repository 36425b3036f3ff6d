//! What the API server checks before it creates a pod: quotas and webhooks that fail closed.
//!
//! Follows `k8s.io/apiserver` v0.36 `pkg/admission/plugin/webhook` (selectors, rules, failure policy) and
//! `plugin/pkg/admission/resourcequota`.

use cluster::admission::{Quota, Webhook};
use cluster::change::Refusal;
use cluster::pod::{NewPod, Stage};
use cluster::{Cluster, Kind, Labels, ObjectKey, Resources};

/// Why the API server refuses a pod now; `None` when it does not.
pub fn refuses(cluster: &Cluster, pod: &NewPod) -> Option<Refusal> {
    webhook_refuses(cluster, pod).or_else(|| quota_refuses(cluster, pod))
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
