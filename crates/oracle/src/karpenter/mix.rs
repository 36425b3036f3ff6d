//! The pods and instance types of Karpenter's own scheduling benchmark, as an input of any size.
//!
//! Upstream: `sigs.k8s.io/karpenter` v1.14.1
//! `pkg/controllers/provisioning/scheduling/scheduling_benchmark_test.go`: five equal parts of pods (plain, spread over
//! zones, spread over hosts, kept together in a zone, kept apart on hosts) on one pool with 400 types and limits that
//! nothing reaches; and pods with preferences. Sizes and labels are drawn from the same few, by another generator.

use serde_json::{Value, json};

use crate::rng::Rng;

/// Instance types of the benchmark.
pub const TYPES: usize = 400;

const ZONES: [&str; 3] = ["test-zone-1", "test-zone-2", "test-zone-3"];
const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

/// What pods ask for in Alibaba's published trace of 2023 (`alibaba/clusterdata`
/// `cluster-trace-gpu-v2023/csv/openb_pod_list_default.csv`, pods 2839 to 3060): thousandths of a core, MiB, and how
/// often. Its GPUs are left out, and sizes that come once.
pub const TRACE: [(u64, u64, u64); 18] = [
    (15_700, 58_368, 45),
    (11_400, 48_128, 40),
    (32_000, 49_152, 37),
    (8_000, 30_517, 35),
    (16_000, 32_768, 20),
    (11_900, 77_824, 12),
    (4_000, 22_888, 10),
    (12_000, 24_576, 8),
    (15_400, 51_200, 8),
    (12_000, 16_384, 7),
    (18_708, 64_512, 6),
    (11_908, 47_104, 6),
    (4_000, 24_576, 5),
    (4_000, 30_517, 4),
    (6_000, 6_144, 4),
    (12_000, 15_360, 4),
    (16_200, 66_560, 2),
    (4_000, 31_250, 2),
];

/// Which pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pods {
    /// The five parts.
    Diverse,
    /// All alike: one preferred zone, and two preferences to be apart, of which the heavier cannot be met.
    Preferring,
    /// Nothing but sizes.
    Plain,
    /// Nothing but sizes, and those of a public trace: [`TRACE`].
    Trace,
    /// No pool can take them: they ask for more CPU than any type has.
    TooLarge,
}

/// Which instance types, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    /// The [`TYPES`] of the benchmark.
    Benchmark,
    /// Every type that EC2 has in us-west-2, in three zones, on demand and as spot: none of them in the input, but a
    /// node class with a subnet of 65,536 addresses in each zone.
    Real,
}

/// An input of any size.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Which pods.
    pub pods: Pods,
    /// How many.
    pub count: usize,
    /// What can be bought.
    pub types: Types,
    /// Whether preferences are ignored.
    pub ignore_preferences: bool,
    /// The pool's limit, in cores.
    pub cpu_limit: u64,
}

/// The input with so many pods, on the benchmark's types. Preferences are ignored when asked.
pub fn input(pods: Pods, count: usize, ignore_preferences: bool) -> Vec<Value> {
    Mix { ignore_preferences, ..Mix::new(pods, count) }.objects()
}

impl Mix {
    /// On the benchmark's types, with limits that nothing reaches.
    pub fn new(pods: Pods, count: usize) -> Mix {
        Mix { pods, count, types: Types::Benchmark, ignore_preferences: false, cpu_limit: 100_000_000 }
    }

    /// Settings, pool, types and pods.
    pub fn objects(&self) -> Vec<Value> {
        let mut objects = vec![
            json!({"apiVersion": "oracle/v1", "kind": "Settings", "metadata": {"name": "settings"},
                   "ask": "provision", "now": 1_760_000_000, "ignorePreferences": self.ignore_preferences,
                   "minValuesBestEffort": false, "spotToSpot": false, "reservedCapacity": true}),
            json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "pool"},
                   "spec": {"limits": {"cpu": self.cpu_limit.to_string(), "memory": "1000000000Gi"},
                            "disruption": {"consolidateAfter": "0s"},
                            "template": {"spec": {"expireAfter": "Never", "requirements": [],
                                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass",
                                                 "name": "default"}}}}}),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}),
        ];
        match self.types {
            Types::Benchmark => objects.extend((0..TYPES).map(instance_type)),
            Types::Real => objects.extend(region()),
        }
        let mut rng = Rng::new(42);
        let part = self.count / 5;
        for index in 0..self.count {
            let part = index.checked_div(part).unwrap_or(0);
            let (labels, spec) = match self.pods {
                Pods::Diverse => diverse(&mut rng, part),
                Pods::Preferring => (json!({"app": "nginx"}), preferring(self.zones()[0])),
                Pods::Plain | Pods::Trace | Pods::TooLarge => (random(&mut rng, "my-label"), json!({})),
            };
            // Preferring pods are alike in the benchmark, size and all.
            let size = if self.pods == Pods::Preferring { &mut Rng::new(42) } else { &mut rng };
            let size = match self.pods {
                Pods::Trace => traced(size),
                of => drawn(size, of == Pods::TooLarge),
            };
            objects.push(pod(size, index, &labels, spec));
        }
        objects
    }

    fn zones(&self) -> [&'static str; 3] {
        match self.types {
            Types::Benchmark => ZONES,
            Types::Real => ["us-west-2a", "us-west-2b", "us-west-2c"],
        }
    }
}

/// A region with a subnet in each of three zones, and a node class on them.
fn region() -> [Value; 2] {
    let subnet = |(third, zone): (usize, &str)| {
        json!({"id": format!("subnet-{zone}"), "zone": format!("us-west-2{zone}"),
               "cidr": format!("10.{third}.0.0/16"), "tags": {"own": "yes"}})
    };
    let subnets: Vec<Value> = ["a", "b", "c"].into_iter().enumerate().map(subnet).collect();
    [
        json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "bench"},
               "spec": {"kubernetesVersion": "1.34", "region": "us-west-2", "addons": [{"name": "vpc-cni"}],
                        "network": {"subnets": subnets}}}),
        json!({"apiVersion": "karpenter.k8s.aws/v1", "kind": "EC2NodeClass", "metadata": {"name": "default"},
               "spec": {"role": "node", "amiSelectorTerms": [{"alias": "al2023@latest"}],
                        "subnetSelectorTerms": [{"tags": {"own": "yes"}}],
                        "securityGroupSelectorTerms": [{"id": "sg-1"}]}}),
    ]
}

fn instance_type(index: usize) -> Value {
    let size = index as u64 + 1;
    // A tenth of a dollar for a core, and for 10⁹ bytes of memory.
    let price = size * 100_000 + (size * 2) * 1024 * 1024 * 1024 / 10_000;
    let offering = |zone: &str, kind: &str| json!({"zone": zone, "capacityType": kind, "price": price, "available": true});
    json!({
        "apiVersion": "oracle/v1",
        "kind": "InstanceType",
        "metadata": {"name": format!("fake-it-{index}")},
        "capacity": {"cpu": size.to_string(), "memory": format!("{}Gi", size * 2), "pods": (size * 10).to_string()},
        "overhead": {"cpu": "100m", "memory": "10Mi"},
        "requirements": [
            {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [format!("fake-it-{index}")]},
            {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
            {"key": "kubernetes.io/os", "operator": "In", "values": ["linux", "windows"]},
            {"key": ZONE, "operator": "In", "values": ZONES},
            {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot", "on-demand"]},
            {"key": "karpenter.k8s.aws/instance-cpu", "operator": "In", "values": [size.to_string()]},
        ],
        "offerings": [
            offering(ZONES[0], "spot"), offering(ZONES[1], "spot"),
            offering(ZONES[0], "on-demand"), offering(ZONES[1], "on-demand"), offering(ZONES[2], "on-demand"),
        ],
    })
}

/// One of seven values.
fn random(rng: &mut Rng, key: &str) -> Value {
    json!({key: *rng.pick(&["a", "b", "c", "d", "e", "f", "g"])})
}

/// Labels and rules of a pod of one of the parts.
fn diverse(rng: &mut Rng, part: usize) -> (Value, Value) {
    let spread = |rng: &mut Rng, key: &str| {
        let labels = random(rng, "my-label");
        let rule = json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
                          "labelSelector": {"matchLabels": random(rng, "my-label")}});
        (labels, json!({"topologySpreadConstraints": [rule]}))
    };
    let affinity = |labels: Value, kind: &str, key: &str| {
        let term = json!({"labelSelector": {"matchLabels": labels}, "topologyKey": key});
        (labels, json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}))
    };
    match part {
        1 => spread(rng, ZONE),
        2 => spread(rng, HOST),
        3 => affinity(random(rng, "my-affinity"), "podAffinity", ZONE),
        4 => affinity(json!({"app": "nginx"}), "podAntiAffinity", HOST),
        _ => (random(rng, "my-label"), json!({})),
    }
}

fn preferring(zone: &str) -> Value {
    let apart = |weight: i32, key: &str| {
        json!({"weight": weight, "podAffinityTerm": {"topologyKey": key,
               "labelSelector": {"matchLabels": {"app": "nginx"}}}})
    };
    let zone = json!({"matchExpressions": [{"key": ZONE, "operator": "In", "values": [zone]}]});
    json!({"affinity": {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": zone}]},
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [apart(10, ZONE), apart(1, HOST)]},
    }})
}

/// One of the benchmark's sizes: thousandths of a core, and MiB.
fn drawn(rng: &mut Rng, too_large: bool) -> (u64, u64) {
    let cpu = *rng.pick(&[100, 250, 500, 1000, 1500]);
    let memory = *rng.pick(&[100, 256, 512, 1024, 2048, 4096]);
    (if too_large { (1000 + cpu) * 1000 } else { cpu }, memory)
}

/// One of the trace's sizes, as often as there.
fn traced(rng: &mut Rng) -> (u64, u64) {
    let each = TRACE.iter().flat_map(|&(cpu, memory, often)| (0..often).map(move |_| (cpu, memory)));
    *rng.pick(&each.collect::<Vec<_>>())
}

fn pod((cpu, memory): (u64, u64), index: usize, labels: &Value, mut spec: Value) -> Value {
    let cpu = format!("{cpu}m");
    spec["containers"] = json!([{"name": "main", "image": "registry.k8s.io/pause:3.10",
                                 "resources": {"requests": {"cpu": cpu, "memory": format!("{memory}Mi")}}}]);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": format!("pod-{index:05}"), "namespace": "default", "uid": format!("{index:08}"),
                     "labels": labels, "creationTimestamp": "2025-10-09T08:53:10Z"},
        "spec": spec,
        "status": {"phase": "Pending",
                   "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::karpenter::ours;

    fn planned(kind: Pods, count: usize, ignore: bool) -> (usize, usize) {
        let answer = ours::answer(&input(kind, count, ignore)).unwrap();
        let claims = answer["claims"].as_array().unwrap();
        (claims.len(), claims.iter().map(|claim| claim["pods"].as_array().unwrap().len()).sum())
    }

    /// As many nodes as pods that stay apart; all pods have a place, as upstream's benchmark asserts.
    #[test]
    fn a_fifth_of_the_pods_is_the_number_of_nodes() {
        assert_eq!(planned(Pods::Diverse, 1, false), (1, 1));
        assert_eq!(planned(Pods::Diverse, 100, false), (20, 100));
        assert_eq!(planned(Pods::Diverse, 502, false), (100, 502));
    }

    #[test]
    fn preferences_cost_a_node_each_unless_they_are_ignored() {
        assert_eq!(planned(Pods::Preferring, 40, false), (40, 40));
        assert_eq!(planned(Pods::Preferring, 40, true), (1, 40));
        assert_eq!(planned(Pods::TooLarge, 40, false), (0, 0));
    }
}
