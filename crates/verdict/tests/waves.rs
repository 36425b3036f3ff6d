//! How many roll-outs go at once.

#![allow(clippy::unwrap_used, reason = "a test")]

use catalog::Catalog;
use findings::Outcome;
use verdict::Provisioner;
use verdict::waves::{Options, Plan, plan};

/// A node of 4 CPU, without anything that adds one.
const NODE: &str = "
{apiVersion: plimsoll.dev/v1alpha1, kind: Cluster, metadata: {name: test}, spec: {provider: none}}
---
apiVersion: v1
kind: Node
metadata: {name: a, labels: {kubernetes.io/hostname: a, kubernetes.io/arch: amd64, kubernetes.io/os: linux}}
status:
  allocatable: {cpu: '4', memory: 8Gi, pods: '20'}
  capacity: {cpu: '4', memory: 8Gi, pods: '20'}
  conditions: [{type: Ready, status: 'True'}]
";

fn service(namespace: &str, name: &str, cpu: &str) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers: [{{name: app, image: 'example/app:1', resources: {{requests: {{cpu: {cpu}}}}}}}]
"
    )
}

fn planned(services: &[String], size: Option<usize>, only: &[&str]) -> Plan {
    let inputs = fixtures::inputs(&format!("{NODE}{}", services.concat()));
    let only = only.iter().map(|text| (*text).to_owned()).collect();
    let options = Options { seed: 0, provisioner: Provisioner::Karpenter, size, only };
    plan(&inputs, Catalog::embedded(), &options)
}

fn sizes(plan: &Plan) -> Vec<usize> {
    plan.waves.iter().map(|wave| wave.workloads.len()).collect()
}

#[test]
fn as_many_go_at_once_as_there_is_room_for() {
    let four: Vec<String> = ["a", "b", "c", "d"].map(|name| service("default", name, "400m")).into();
    let free = planned(&four, None, &[]);
    assert_eq!((free.fits(), sizes(&free)), (true, vec![4]), "2.4 CPU are free");
    assert_eq!((free.waves[0].pods, free.waves[0].nodes), ((5, 9), (1, 1)), "kube-proxy is there too");

    let five: Vec<String> = ["a", "b", "c", "d", "e"].map(|name| service("default", name, "500m")).into();
    let tight = planned(&five, None, &[]);
    assert_eq!((tight.fits(), sizes(&tight)), (true, vec![2, 2, 1]), "1.4 CPU are free");
    let at_once = &tight.at_once.as_ref().unwrap().wave;
    assert!(at_once.completes && !at_once.fits(), "it gets through, pod by pod");
    assert_eq!(at_once.waited.len(), 3);
    assert!(tight.waves[1].starts > tight.waves[0].starts.after_ms(tight.waves[0].took_ms));

    assert!(!planned(&five, Some(3), &[]).fits());
    assert_eq!(sizes(&planned(&five, Some(1), &[])), [1, 1, 1, 1, 1]);
}

#[test]
fn what_cannot_be_rolled_alone_fits_in_no_wave() {
    let large = planned(&[service("default", "a", "3"), service("default", "b", "100m")], None, &[]);
    assert!(!large.fits());
    assert_eq!(sizes(&large), [1], "nothing comes after a roll-out that never completes");
    assert!(!large.waves[0].completes);
}

#[test]
fn only_what_is_meant_is_rolled() {
    let some =
        [service("kube-system", "a", "100m"), service("shop", "b", "100m"), service("shop", "c", "100m")];
    let names = |only: &[&str]| -> Vec<String> {
        planned(&some, None, only).rolled.iter().map(|key| key.name.to_string()).collect()
    };
    assert_eq!(names(&[]), ["b", "c"]);
    assert_eq!(names(&["shop/c", "a"]), ["a", "c"]);
    assert_eq!(names(&["nothing"]), [""; 0]);
    assert!(!planned(&some, None, &["nothing"]).fits());
}

#[test]
fn a_cluster_that_does_not_come_up_has_no_plan() {
    let stuck = planned(&[service("default", "a", "5")], None, &[]);
    assert_eq!((stuck.before, stuck.fits(), sizes(&stuck)), (Outcome::Starvation, false, vec![]));
}
