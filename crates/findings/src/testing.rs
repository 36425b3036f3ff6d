//! Scenes for the tests of rules: a cluster in a string, booted to its end, and what is found there.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use catalog::Catalog;
use cluster::scenario::{Action, Script, Step};
use cluster::{Declared, Location, Timestamp};
use simulation::{Options, Run};

use crate::{Finding, Outcome, Scene, WaitGraph};

/// Two nodes of 4 CPU without a cloud or a CNI.
pub(crate) const BARE: &str = "
{apiVersion: plimsoll.dev/v1alpha1, kind: Cluster, metadata: {name: test}, spec: {provider: none}}
---
apiVersion: v1
kind: Node
metadata: {name: a, labels: {kubernetes.io/hostname: a, kubernetes.io/arch: amd64, kubernetes.io/os: linux, role: system}}
status:
  allocatable: {cpu: '4', memory: 8Gi, pods: '20'}
  capacity: {cpu: '4', memory: 8Gi, pods: '20'}
  conditions: [{type: Ready, status: 'True'}]
";

/// An EKS cluster of m6i.large in two zones, with the VPC CNI; `more` goes into the profile, `group` into its group.
pub(crate) fn eks(group: &str, more: &str) -> String {
    format!(
        "
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {{name: test}}
spec:
  region: us-east-1
  network:
    subnets:
    - {{id: subnet-a, zone: us-east-1a, cidr: 10.0.0.0/22, tags: {{discovery: test}}}}
    - {{id: subnet-b, zone: us-east-1b, cidr: 10.0.4.0/22, tags: {{discovery: test}}}}
  nodeGroups: [{{name: system, instanceType: m6i.large, count: 2, amiFamily: AL2023, {group}}}]
  {more}
"
    )
}

/// The add-ons of a cluster with Karpenter.
pub(crate) const KARPENTER: &str = "addons: [{name: vpc-cni}, {name: coredns}, {name: karpenter}]";

/// An EC2NodeClass for [`pool`].
pub(crate) const CLASS: &str = fixtures::EC2_NODE_CLASS;

/// A NodePool of on-demand nodes of these types; `template` goes into its template, `spec` beside it.
pub(crate) fn pool(types: &str, template: &str, spec: &str) -> String {
    format!(
        "
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {{name: default}}
spec:
  template:
    spec:
      nodeClassRef: {{group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}}
      requirements:
      - {{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}}
      - {{key: node.kubernetes.io/instance-type, operator: In, values: [{types}]}}
      {template}
  {spec}
"
    )
}

/// Deployment `default/app`: so many pods with these requests; `pod` goes into the pods' spec.
pub(crate) fn app(replicas: u32, requests: &str, pod: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, namespace: default}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      containers: [{{name: app, image: 'example/app:1', resources: {{requests: {{{requests}}}}}}}]
      {pod}
"
    )
}

/// [`BARE`] with a rule for the images of `example/`, for [`app`].
pub(crate) fn with_images(rule: &str) -> String {
    BARE.replace("{provider: none}", &format!("{{provider: none, images: [{{match: 'example/*', {rule}}}]}}"))
}

/// One node with the addresses given and no pod, one with two for six pods, and a subnet with `free`.
pub(crate) fn two_nodes(idle: &str, free: u32) -> Ended {
    let groups = format!(
        "
  nodeGroups:
  - {{name: idle, instanceType: m6i.large, count: 1, amiFamily: AL2023, subnets: [subnet-a], held: {idle}}}
  - {{name: busy, instanceType: m6i.large, count: 1, amiFamily: AL2023, subnets: [subnet-a], labels: {{role: busy}}, held: {{interfaces: 1, addresses: 2}}}}
  addons: [{{name: vpc-cni}}]
"
    );
    let text = eks("", "").replace("/22, tags", &format!("/22, freeAddresses: {free}, tags"));
    let head = text.split("  nodeGroups:").next().unwrap_or_default();
    boot(&[&format!("{head}{groups}"), &app(6, "cpu: 10m", "nodeSelector: {role: busy}")])
}

/// Nodes on which prefix delegation is on, and sixty pods.
pub(crate) fn prefixes(group: &str, subnet: &str) -> Ended {
    let aws_node = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: aws-node, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: aws-node}}
  template:
    metadata: {labels: {k8s-app: aws-node}}
    spec:
      hostNetwork: true
      tolerations: [{operator: Exists}]
      containers:
      - name: aws-node
        image: example/amazon-k8s-cni:v1.20.4
        env: [{name: ENABLE_PREFIX_DELEGATION, value: 'true'}]
";
    let profile = eks(group, "").replace("/22, tags", &format!("/22, {subnet} tags"));
    boot(&[&profile, aws_node, &app(60, "cpu: 10m", "")])
}

/// A run that has ended.
pub(crate) struct Ended {
    run: Run,
    graph: WaitGraph,
}

/// Boots the documents.
#[track_caller]
pub(crate) fn boot(documents: &[&str]) -> Ended {
    play(Arc::new(declared(documents)), Script::default())
}

/// Boots the documents, and declares others from the tenth minute on.
#[track_caller]
pub(crate) fn boot_then(before: &[&str], after: &[&str]) -> Ended {
    boot_through(&[before, after])
}

/// Boots the first documents, and declares the next ones every ten minutes.
#[track_caller]
pub(crate) fn boot_through(stages: &[&[&str]]) -> Ended {
    let first = Arc::new(declared(stages[0]));
    let mut now = first.clone();
    let mut steps = Vec::new();
    for (number, documents) in (1i64..).zip(&stages[1..]) {
        let step = simulation::redeclare::align(&now, declared(documents), &BTreeSet::new());
        now = step.declared.clone();
        let location = Location::object(cluster::ObjectKey::new(cluster::Kind::Scenario, "", "test"));
        let action = Action::Redeclare(Arc::new(step));
        steps.push(Step { at: Timestamp(600_000 * number), location, action });
    }
    play(first, Script { steps, ..Script::default() })
}

#[track_caller]
fn declared(documents: &[&str]) -> Declared {
    fixtures::inputs(&documents.join("\n---\n")).lower(Catalog::embedded()).declared
}

fn play(declared: Arc<Declared>, script: Script) -> Ended {
    let options = Options { script: Arc::new(script), ..Options::default() };
    let run = simulation::run(&declared, Catalog::embedded(), &options);
    let graph = WaitGraph::new(&run.cluster, &run.unmet);
    Ended { run, graph }
}

impl Ended {
    /// How it ended.
    pub(crate) fn outcome(&self) -> Outcome {
        if self.run.unmet.is_empty() { Outcome::Converges } else { Outcome::of_stuck(&self.graph) }
    }

    /// The findings with this code, as text; empty when there are none.
    pub(crate) fn told(&self, code: &str) -> String {
        let findings = self.findings();
        findings.iter().filter(|found| found.code.id == code).map(text).collect::<Vec<_>>().join("\n")
    }

    /// The codes of all findings.
    pub(crate) fn codes(&self) -> Vec<&'static str> {
        self.findings().iter().map(|found| found.code.id).collect()
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            cluster: &self.run.cluster,
            timeline: &self.run.timeline,
            catalog: Catalog::embedded(),
            unmet: &self.run.unmet,
            graph: &self.graph,
            missed: &[],
        }
    }

    fn findings(&self) -> Vec<Finding> {
        crate::examine(&self.scene())
    }

    /// The causal chain, a line a link.
    pub(crate) fn chain(&self) -> Vec<String> {
        crate::chain::chain(&self.scene()).links.into_iter().map(|link| link.text).collect()
    }
}

fn text(found: &Finding) -> String {
    let mut out = format!("{:?}: {}", found.severity, found.title);
    for label in found.primary.iter().chain(&found.secondary) {
        let _ = write!(out, "\n at {} {}: {}", label.location.object, label.location.path, label.text);
    }
    for note in &found.notes {
        let _ = write!(out, "\n note: {note}");
    }
    if let Some(help) = &found.help {
        let _ = write!(out, "\n help: {help}");
    }
    for (name, value) in &found.numbers {
        let _ = write!(out, "\n {name}: {value}");
    }
    out
}
