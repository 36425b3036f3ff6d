//! Nothing that is handed over makes the lowering panic or hang.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::addons::ADDONS;
use crate::testing::raw;
use crate::yaml;

/// One document of each kind that is read, as starting points.
const SEEDS: &str = r#"
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {name: a}
spec:
  kubernetesVersion: "1.34"
  provider: gke
  now: 2026-01-01T00:00:00Z
  horizon: 2h
  gke: {podRange: /20, maxPodsPerNode: 32}
  network: {subnets: [{id: s, zone: z1a, cidr: 10.0.0.0/24, freeAddresses: 9, freePrefixes: 0, reservations: [{cidr: 10.0.0.0/28, type: prefix}]}], securityGroups: [{id: g, tags: {a: b}}]}
  nodeGroups: [{name: g, instanceType: m5.large, count: 2, maxPods: 9, taints: [{key: a, effect: NoSchedule}], scaling: {min: 1, max: 3, by: clusterAutoscaler}, held: {interfaces: 1, addresses: 2, prefixes: 3}, reserved: {cpu: 70m, memory: 1Gi}, addressMode: prefixes, nodePool: p}]
  addons: [{name: coredns, replicas: 2, values: {resources: {requests: {cpu: 1}}}}, {name: x, pods: {count: 2, template: {spec: {containers: [{name: a, image: a}]}}}}, {name: cilium, values: {eni: {awsEnablePrefixDelegation: true}}}]
  fargate: [{name: f, namespaces: [a], subnets: [s]}]
  existing: [{kind: Deployment, name: "*", pods: gone}]
  images: [{match: "*", architectures: [arm64], pull: ok}]
  registries: [{host: h, pullSecret: a/b, tokenIssued: 2026-01-01T00:00:00Z}]
  volumes: [{driver: d, attachLimit: 3}]
  aws: {serviceLinkedRoles: [], reachable: {sts: false}, controllerPermissions: all, unavailable: [{zone: z}], quotas: {onDemandVcpus: 3}, prices: [{instanceType: m5.large, usdPerHour: 0.1}]}
  runtimes: [{kind: Job, duration: 5s}]
  latencies: {launch: 3s}
  faults: [{at: 5m, zone: {name: z1a}}]
---
apiVersion: plimsoll.dev/v1alpha1
kind: Scenario
metadata: {name: a}
spec: {steps: [{at: 5m, delete: {kind: Node, name: a}}, {at: 0s, objects: [{kind: Secret}]}], expect: [{by: 5m, verdict: converges}]}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: p}
spec: {limits: {cpu: 1}, disruption: {consolidateAfter: 1m, budgets: [{nodes: 10%, schedule: "@daily", duration: 1h}]}, template: {spec: {expireAfter: 720h, requirements: [{key: a, operator: In, values: [b]}], nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: c}}}}
---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: c}
spec: {role: r, amiSelectorTerms: [{alias: al2023@latest}], subnetSelectorTerms: [{tags: {a: b}}], securityGroupSelectorTerms: [{id: sg-1}], kubelet: {maxPods: 3, kubeReserved: {cpu: 1}}, blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 20Gi}}]}
---
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: c1, labels: {karpenter.sh/nodepool: p}}
spec: {requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [m5.large]}], resources: {requests: {cpu: 1}}}
status: {nodeName: n, capacity: {cpu: 2}, conditions: [{type: Launched, status: "True"}]}
---
apiVersion: v1
kind: Node
metadata: {name: n, labels: {topology.kubernetes.io/zone: z1a}}
status: {capacity: {cpu: 2, pods: 10}, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: cilium.io/v2
kind: CiliumNode
metadata: {name: n}
status: {ipam: {used: {10.0.0.9: {owner: a}}}, eni: {enis: {e: {number: 0, ip: 10.0.0.5, subnet: {id: s}, addresses: [10.0.0.9], prefixes: [10.0.0.16/28]}}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: c}
spec: {schedule: "* * * * *", jobTemplate: {spec: {completions: 3, parallelism: 2, template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s, annotations: {helm.sh/hook: pre-install}}
spec: {replicas: 2, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {tolerations: [{operator: Exists}], volumes: [{name: v, secret: {secretName: x}}], initContainers: [{name: i, image: i, restartPolicy: Always}], containers: [{name: a, image: a, ports: [{containerPort: 80, hostPort: 80}], readinessProbe: {initialDelaySeconds: 5}}]}}, volumeClaimTemplates: [{metadata: {name: d}, spec: {accessModes: [ReadWriteOnce]}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: s-0, uid: u, ownerReferences: [{kind: StatefulSet, name: s, controller: true}]}
spec: {nodeName: n, containers: [{name: a, image: a}]}
status: {phase: Running}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: q}
spec: {hard: {requests.cpu: 3, pods: 2}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: l}
spec: {limits: [{type: Container, default: {cpu: 1}, min: {cpu: 10m}}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: d-s-0}
spec: {accessModes: [ReadWriteOnce], volumeName: v}
status: {phase: Bound}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: v}
spec: {csi: {driver: d, volumeHandle: v}, claimRef: {name: d}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: z, operator: In, values: [a]}]}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cilium-config, namespace: kube-system}
data: {ipam: cluster-pool, cluster-pool-ipv4-cidr: 10.0.0.0/8, cluster-pool-ipv4-mask-size: "24"}
"#;

/// Values that are wrong in most places.
fn odd_value() -> impl Strategy<Value = Value> {
    let numbers = prop_oneof![
        Just(json!(-1)),
        Just(json!(1e30)),
        Just(json!(i64::MIN)),
        Just(json!(u64::MAX)),
        Just(json!(0.5)),
        Just(json!(2_000_000_000))
    ];
    let texts = prop_oneof![
        Just(json!("")),
        Just(json!("-")),
        Just(json!("99999999999999999999h")),
        Just(json!("4294967295%")),
        Just(json!("0.0.0.0/0")),
        Just(json!("255.255.255.255/32")),
        Just(json!("é/~1/~0")),
        "[ -~]{0,12}".prop_map(Value::from),
    ];
    let shapes = prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null])),
        Just(json!({"": null})),
        Just(json!([[[]]])),
        Just(json!(true))
    ];
    prop_oneof![numbers, texts, shapes]
}

/// Replaces the value at a place that is picked by a number; returns what is left of the number.
fn replace(value: &mut Value, mut at: usize, with: &Value) -> Option<usize> {
    if at == 0 {
        *value = with.clone();
        return None;
    }
    at -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    for child in children {
        at = replace(child, at, with)?;
    }
    Some(at)
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(places).sum::<usize>(),
        Value::Object(fields) => fields.values().map(places).sum(),
        _ => 0,
    }
}

fn seeds() -> Vec<Value> {
    let mut seeds = yaml::documents(SEEDS).unwrap();
    seeds.extend(ADDONS.iter().flat_map(|addon| addon.objects()));
    seeds
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Any one or two values anywhere may be anything.
    #[test]
    fn odd_values_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), odd_value()), 1..3)) {
        let mut documents = seeds();
        for (index, with) in changes {
            let total: usize = documents.iter().map(places).sum();
            let mut at = index.index(total);
            for document in &mut documents {
                match replace(document, at, &with) {
                    Some(left) => at = left,
                    None => break,
                }
            }
        }
        let raws: Vec<_> = documents.iter().zip(0..).map(|(value, document)| raw(value, document)).collect();
        let first = crate::lower(&raws, catalog::Catalog::embedded());
        for problem in &first.problems {
            prop_assert!(!problem.message.is_empty() && !problem.message.ends_with('.'), "{}", problem.message);
        }
        let total: u64 = first.declared.workloads.iter().map(|workload| u64::from(workload.shape.replicas().unwrap_or(1))).sum();
        prop_assert!(total <= 200_000);
        let second = crate::lower(&raws, catalog::Catalog::embedded());
        prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}

#[test]
fn the_seeds_themselves_have_no_problems_beyond_notes() {
    let raws: Vec<_> = yaml::documents(SEEDS)
        .unwrap()
        .iter()
        .zip(0..)
        .map(|(value, document)| raw(value, document))
        .collect();
    let problems = crate::lower(&raws, catalog::Catalog::embedded()).problems;
    assert_eq!(crate::testing::shown(&problems), "");
}

#[test]
fn many_objects_are_lowered_in_one_pass() {
    let deployment = yaml::documents(ADDONS[0].manifest).unwrap().remove(1);
    let documents: Vec<Value> = (0..10_000)
        .map(|index| {
            let mut copy = deployment.clone();
            copy["metadata"]["name"] = json!(format!("web-{index}"));
            copy
        })
        .collect();
    let raws: Vec<_> = documents.iter().zip(0..).map(|(value, document)| raw(value, document)).collect();
    let lowered = crate::lower(&raws, catalog::Catalog::embedded());
    assert_eq!(lowered.declared.workloads.len(), 10_000);
    assert!(lowered.problems.is_empty());
}
