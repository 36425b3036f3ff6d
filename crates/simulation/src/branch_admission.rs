//! The webhook of the VPC resource controller: pods that a SecurityGroupPolicy selects ask for a branch interface.
//!
//! Followed: aws/amazon-vpc-resource-controller-k8s v1.8.2 `webhooks/core/pod_webhook.go` (which pods; the first
//! container's request and limit) and `pkg/utils/helper.go` (which policies). It runs in the EKS control plane
//! whatever the CNI is set to: without `ENABLE_POD_ENI` nobody offers what it asks for. Built-in admission runs
//! again after a webhook, so ExtendedResourceToleration adds its toleration.
//!
//! Fargate's pods get an annotation instead. A policy counts from the moment it is declared; pods that exist
//! already are not changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use addressing::pod_eni::POD_ENI;
use cluster::pod::NewPod;
use cluster::{Cluster, Effect, Kind, Labels, Name, ObjectKey, PodTemplate, Toleration, WorkloadId};

use crate::actors::fargate;

/// Templates that were changed, by workload, with the template each was made from: pods of one template share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changed(BTreeMap<WorkloadId, (Arc<PodTemplate>, Arc<PodTemplate>)>);

impl Changed {
    /// The template that a pod is created with.
    pub(crate) fn template(&mut self, cluster: &Cluster, pod: &NewPod) -> Arc<PodTemplate> {
        if !is_selected(cluster, pod) {
            return pod.template.clone();
        }
        let Some(workload) = pod.workload else { return Arc::new(with_branch(&pod.template)) };
        match self.0.get(&workload) {
            Some((source, made)) if Arc::ptr_eq(source, &pod.template) => made.clone(),
            _ => {
                let made = Arc::new(with_branch(&pod.template));
                self.0.insert(workload, (pod.template.clone(), made.clone()));
                made
            }
        }
    }
}

/// Whether the webhook asks for a branch interface for a pod.
fn is_selected(cluster: &Cluster, pod: &NewPod) -> bool {
    let template = &pod.template;
    let policies = &cluster.declared.security_group_policies;
    if policies.is_empty() || template.host_network || is_windows(template) {
        return false;
    }
    let account = account_labels(cluster, &pod.namespace, &template.service_account);
    policies.iter().any(|policy| policy.selects(&pod.namespace, &template.labels, account.unwrap_or(&NONE)))
        && fargate::profile_for(cluster, &pod.namespace, template, pod.for_node).is_none()
}

static NONE: Labels = Labels::new();

fn is_windows(template: &PodTemplate) -> bool {
    ["kubernetes.io/os", "beta.kubernetes.io/os"]
        .iter()
        .any(|key| template.node_selector.get(*key).is_some_and(|os| os == "windows"))
}

fn account_labels<'c>(cluster: &'c Cluster, namespace: &Name, name: &Name) -> Option<&'c Labels> {
    let key = ObjectKey::new(Kind::ServiceAccount, namespace.clone(), name.clone());
    cluster.declared.objects.get(&key)
}

fn with_branch(template: &PodTemplate) -> PodTemplate {
    let mut template = template.clone();
    if let Some(first) = template.containers.first_mut() {
        let others = template.requests.get(POD_ENI).saturating_sub(first.requests.get(POD_ENI));
        first.requests.set(POD_ENI, 1);
        first.limits.set(POD_ENI, 1);
        template.requests.set(POD_ENI, others.saturating_add(1));
    }
    let tolerated = Toleration {
        key: POD_ENI.into(),
        exists: true,
        value: Name::default(),
        effect: Some(Effect::NoSchedule),
        seconds: None,
    };
    if !template.tolerations.contains(&tolerated) {
        template.tolerations.push(tolerated);
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::cni_stage::{Stage, subnet, vpc_cni};
    use crate::actors::stage_hand;
    use cluster::admission::SecurityGroupPolicy;
    use cluster::labels::{SelectorOperator, SelectorRequirement};
    use cluster::network::{Cni, VpcCniSettings};
    use cluster::{LabelSelector, Location, NodeId};

    fn selector(key: &str, value: &str) -> Option<LabelSelector> {
        let requirement = SelectorRequirement {
            key: key.into(),
            operator: SelectorOperator::In,
            values: vec![value.into()],
            min_values: None,
        };
        Some(LabelSelector { requirements: vec![requirement] })
    }

    fn policy(pods: Option<LabelSelector>, accounts: Option<LabelSelector>) -> SecurityGroupPolicy {
        let key = stage_hand::key(Kind::SecurityGroupPolicy, "database");
        SecurityGroupPolicy { namespace: "apps".into(), location: Location::object(key), pods, accounts }
    }

    /// A stage with trunks and this policy, and a node for its pods (labelled `app: web`).
    fn stage(policy: SecurityGroupPolicy) -> (Stage, NodeId) {
        let cni = Cni::VpcCni(VpcCniSettings { pod_eni: true, ..vpc_cni() });
        let mut stage = Stage::new(cni, vec![subnet(0, "10.0.0.0/22")], &[]);
        Arc::make_mut(&mut stage.world.cluster.declared).security_group_policies = vec![policy];
        let node = stage.node("m5.large", 29);
        stage.settle();
        (stage, node)
    }

    #[test]
    fn selected_pods_get_branch_interfaces_and_the_others_do_not() {
        let (mut stage, node) = stage(policy(selector("app", "web"), None));
        let selected = stage.pod(node);
        stage.settle();
        let template = &stage.world.cluster.pod(selected).template;
        assert_eq!((template.requests.get(POD_ENI), template.containers[0].limits.get(POD_ENI)), (1, 1));
        assert_eq!(stage.addressed(&[selected]), 1);
        let trunk = addressing::pod_eni::trunk(stage.network(node)).unwrap();
        assert_eq!(stage.network(node).interfaces[trunk as usize].slots.len(), 1, "a branch of the trunk");

        let (mut stage, node) = self::stage(policy(selector("app", "other"), None));
        let other = stage.pod(node);
        stage.settle();
        assert_eq!(stage.world.cluster.pod(other).template.requests.get(POD_ENI), 0);
    }

    #[test]
    fn host_network_pods_and_other_accounts_are_left_alone() {
        let (mut stage, node) = stage(policy(selector("app", "web"), None));
        let host = stage.program(node, cluster::role::Program::KubeProxy);
        assert_eq!(stage.world.cluster.pod(host).template.requests.get(POD_ENI), 0);

        let of_account = policy(None, selector("team", "data"));
        let (mut stage, node) = self::stage(of_account);
        let unlabelled = stage.pod(node);
        let key = stage_hand::key(Kind::ServiceAccount, "default");
        let labels = Labels::from([("team".into(), "data".into())]);
        Arc::make_mut(&mut stage.world.cluster.declared).objects.insert(key, labels);
        let labelled = stage.pod(node);
        let asks = |pod| stage.world.cluster.pod(pod).template.requests.get(POD_ENI);
        assert_eq!((asks(unlabelled), asks(labelled)), (0, 1));
    }
}
