//! A Fargate profile for what must run before nodes can be added: cluster DNS and the provisioner.
//!
//! Amazon EKS user guide, "AWS Fargate profile" and "Get started with AWS Fargate": the pods that a profile selects
//! get a micro-VM each, without any node; those that exist already must be made again.

use cluster::profile::Provider;
use cluster::{Kind, Labels, Workload};
use serde_json::json;

use super::{Case, append};
use crate::remedy::Remedy;

/// Labels that say which program a pod is, the most usual ones first.
const TELLING: [&str; 3] = ["k8s-app", "app.kubernetes.io/name", "app"];

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let profile = &case.declared.profile;
    if profile.provider != Provider::Eks || !profile.given {
        return Vec::new();
    }
    let homeless = case.homeless_bootstrap().into_iter();
    let could_move = homeless.filter(|workload| {
        let template = &workload.template;
        let selected = profile.fargate_for(&workload.key.namespace, &template.labels).is_some();
        workload.key.kind != Kind::DaemonSet && !template.host_network && !selected
    });
    could_move.filter_map(|workload| of(case, workload)).collect()
}

fn of(case: &Case<'_>, workload: &Workload) -> Option<Remedy> {
    let labels = &workload.template.labels;
    let telling = TELLING.iter().find_map(|key| labels.get_key_value(*key));
    let chosen: Labels = match telling {
        Some((key, value)) => Labels::from([(key.clone(), value.clone())]),
        None => labels.clone(),
    };
    let (namespace, name) = (&workload.key.namespace, &workload.key.name);
    let shown: Vec<String> = chosen.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let only = if shown.is_empty() { String::new() } else { format!(", only {}", shown.join(", ")) };
    let labels: serde_json::Map<String, serde_json::Value> =
        chosen.iter().map(|(key, value)| (key.to_string(), json!(value.as_str()))).collect();
    let known = case.declared.profile.fargate.iter().any(|profile| profile.name == *name);
    let entry = json!({
        "name": if known { format!("{name}-fargate") } else { name.to_string() },
        "namespaces": [namespace.as_str()],
        "labels": labels,
    });
    Some(Remedy {
        id: "fargate-profile",
        title: format!("add a Fargate profile for {} in namespace {namespace}{only}", workload.key.name),
        edits: vec![append(case.declared.profile.location.at("/spec/fargate"), entry)],
        operation: Some(format!(
            "restart {}: the profile takes only pods that are made after it",
            workload.key
        )),
        cost: 2,
    })
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;
    use findings::Outcome;

    use crate::judge::{Options, Verdict, judge};

    const POOL: &str = "
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: default}
spec: {role: nodes, amiSelectorTerms: [{alias: al2023@latest}], subnetSelectorTerms: [{tags: {a: b}}], securityGroupSelectorTerms: [{tags: {a: b}}]}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      requirements: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, resources: {requests: {cpu: 500m}}}]}
";

    /// A cluster whose Karpenter has a home by `rest` of the profile.
    fn judged(rest: &str) -> Verdict {
        let profile = format!(
            "apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {{name: test}}
spec:
  network:
    subnets: [{{id: subnet-a, zone: us-west-2a, cidr: 10.0.0.0/20, tags: {{a: b}}}}]
    securityGroups: [{{id: sg-a, tags: {{a: b}}}}]
  addons: [{{name: coredns}}, {{name: karpenter}}]
  {rest}
---
{POOL}"
        );
        judge(&fixtures::inputs(&profile), Catalog::embedded(), Options::default())
    }

    fn verified(verdict: &Verdict) -> Vec<&str> {
        let sets = verdict.search.verified().filter(|attempt| attempt.set.len() == 1);
        sets.map(|attempt| verdict.search.proposed[attempt.set[0]].id).collect()
    }

    #[test]
    fn a_provisioner_on_fargate_whose_dns_waits_for_it_is_offered_a_home_for_dns() {
        let verdict = judged(
            "fargate: [{name: karpenter, namespaces: [karpenter]}, {name: k, namespaces: [kube-system], labels: {app.kubernetes.io/name: karpenter}}]",
        );
        assert_eq!(verdict.outcome, Outcome::Deadlock);
        let verified = verified(&verdict);
        assert!(
            verified.contains(&"fargate-profile") && verified.contains(&"node-group-new"),
            "{verified:?}"
        );
        let title = "add a Fargate profile for coredns in namespace kube-system, only k8s-app=kube-dns";
        assert!(verdict.search.proposed.iter().any(|remedy| remedy.title == title));
    }

    #[test]
    fn what_has_a_home_is_offered_none() {
        let verdict =
            judged("nodeGroups: [{name: system, instanceType: m5.large, count: 2, labels: {a: b}}]");
        assert_eq!(verdict.outcome, Outcome::Converges);
        let tainted = "nodeGroups: [{name: system, instanceType: m5.large, count: 2, taints: [{key: only, effect: NoSchedule}]}]";
        let verdict = judged(tainted);
        let ids: Vec<&str> = verdict.search.proposed.iter().map(|remedy| remedy.id).collect();
        assert!(
            ids.contains(&"node-group-new")
                && ids.contains(&"fargate-profile")
                && ids.contains(&"toleration")
        );
        assert!(verified(&verdict).contains(&"node-group-new"), "{:?}", verified(&verdict));
    }
}
