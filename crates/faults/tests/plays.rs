//! The edge against an API server in memory: what it writes is what the next watch brings, as in a cluster whose nodes
//! KWOK keeps alive and whose scheduler binds pods to nodes with room.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use autoscaler::Provisioner;
use faults::World;
use faults::fault::{Fault, Faults, Kind};
use faults::json::holds;
use faults::owners::Workload;
use kubernetes::Resource;
use serde_json::{Value, json};

fn pool(name: &str, consolidate_after: &str) -> Value {
    json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": name},
        "spec": {
            "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": consolidate_after,
                "budgets": [{"nodes": "100%"}]},
            "template": {"metadata": {"labels": {"team": "shop"}}, "spec": {
                "expireAfter": "720h",
                "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"},
                "requirements": [
                    {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
                    {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
                    {"key": "karpenter.kwok.sh/instance-size", "operator": "Lt", "values": ["32"]},
                ],
            }},
        },
    })
}

fn class() -> Value {
    json!({"apiVersion": "karpenter.kwok.sh/v1alpha1", "kind": "KWOKNodeClass", "metadata": {"name": "default"},
        "spec": {}})
}

fn pod_of(cpu: &str) -> Value {
    let requests = json!({"cpu": cpu, "memory": "1Gi"});
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": requests}}]}})
}

/// A cluster with one pool and so many pods of one CPU.
fn started(pods: i64) -> World {
    world(pods, Faults::default())
}

fn world(pods: i64, faults: Faults) -> World {
    let mut world = World::new(Provisioner::Karpenter, faults);
    world.apply(Resource::KwokNodeClass, &class());
    world.apply(Resource::NodePool, &pool("default", "0s"));
    let template = pod_of("1");
    let web = Workload { name: "web".to_owned(), replicas: pods, stateful: false, template, revision: 0 };
    world.owners.workloads.push(web);
    world
}

fn without_pods(world: &mut World) {
    world.owners.workloads.clear();
    world.delete_all(Resource::Pod);
}

fn unbound(world: &World) -> usize {
    world.store.all(Resource::Pod).filter(|pod| pod.pointer("/spec/nodeName").is_none()).count()
}

#[test]
fn pods_get_nodes_and_claims_come_to_their_end() {
    let mut server = started(20);
    server.run_for_s(60);
    let claims = server.all(Resource::NodeClaim);
    assert!(!claims.is_empty(), "{:#?}", server.trace());
    for claim in &claims {
        for condition in ["Launched", "Registered", "Initialized", "Ready"] {
            assert!(holds(claim, condition), "{condition} of {claim:#}");
        }
        assert_eq!(claim["metadata"]["labels"]["team"], "shop");
        assert_eq!(claim["metadata"]["ownerReferences"][0]["kind"], "NodePool");
        assert!(claim["status"]["nodeName"].is_string());
    }
    let nodes = server.all(Resource::Node);
    assert_eq!(nodes.len(), claims.len(), "one node a claim");
    for node in &nodes {
        assert_eq!(node["metadata"]["labels"]["karpenter.sh/registered"], "true");
        assert_eq!(node["metadata"]["labels"]["karpenter.sh/initialized"], "true");
        assert_eq!(node["metadata"]["finalizers"], json!(["karpenter.sh/termination"]));
        assert_eq!(node["spec"]["taints"], json!([]), "pods may go there");
    }
    assert_eq!(unbound(&server), 0);
    // 20 CPUs: what the policy takes is 20 % above that at most.
    let cpus: i64 =
        nodes.iter().map(|node| node["status"]["capacity"]["cpu"].as_str().map_or(0, millis)).sum();
    assert!((20_000..=24_000).contains(&cpus), "{cpus}");
}

fn millis(text: &str) -> i64 {
    text.strip_suffix('m').map_or_else(|| text.parse::<i64>().unwrap() * 1_000, |text| text.parse().unwrap())
}

#[test]
fn nodes_without_pods_go_and_leave_nothing() {
    let mut server = started(20);
    server.run_for_s(60);
    without_pods(&mut server);
    server.run_for_s(180);
    assert_eq!(server.all(Resource::NodeClaim), Vec::<Arc<Value>>::new());
    assert_eq!(server.all(Resource::Node), Vec::<Arc<Value>>::new());
}

#[test]
fn a_disruption_budget_holds_an_eviction_back_until_it_allows_it() {
    let mut server = started(4);
    server.apply(
        Resource::PodDisruptionBudget,
        &json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "web"}}},
            "status": {"desiredHealthy": 4}}),
    );
    server.run_for_s(60);
    let claim = server.all(Resource::NodeClaim)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    server.delete(Resource::NodeClaim, "", &claim);
    server.run_for_s(120);
    assert!(server.store.get(Resource::NodeClaim, "", &claim).is_some(), "its pods may not go");
    assert_eq!(server.evicted, 0);
    server.delete_all(Resource::PodDisruptionBudget);
    server.run_for_s(120);
    assert!(server.store.get(Resource::NodeClaim, "", &claim).is_none());
    assert!(server.evicted > 0);
}

/// Killed at any moment, and begun again by one that knows nothing: nothing is doubled, nothing stays.
#[test]
fn another_one_takes_over_at_any_moment() {
    for moment_ms in (500..8_000).step_by(500) {
        let mut server = started(30);
        server.run_for_ms(moment_ms);
        server.replace_the_controller();
        server.run_for_s(90);
        assert_eq!(unbound(&server), 0, "after {moment_ms} ms");
        let (claims, nodes) = (server.all(Resource::NodeClaim), server.all(Resource::Node));
        assert_eq!(claims.len(), nodes.len(), "after {moment_ms} ms");
        without_pods(&mut server);
        server.run_for_ms(moment_ms * 3);
        server.replace_the_controller();
        server.run_for_s(180);
        let left = (server.all(Resource::NodeClaim).len(), server.all(Resource::Node).len());
        assert_eq!(left, (0, 0), "after {moment_ms} ms");
    }
}

#[test]
fn the_same_is_written_every_time() {
    let written = || {
        let mut server = started(25);
        server.run_for_s(60);
        without_pods(&mut server);
        server.run_for_s(60);
        server.trace()
    };
    let first = written();
    assert!(first.len() > 20, "{first:?}");
    assert_eq!(first, written());
}

/// A pool that asks for something else: its claims say that they have drifted, and take it back when it does.
#[test]
fn a_pool_that_changes_back_in_time_keeps_its_nodes() {
    let mut server = started(4);
    server.run_for_s(60);
    let before = server.all(Resource::NodeClaim);
    let mut arm = pool("default", "0s");
    let requirements = arm.pointer_mut("/spec/template/spec/requirements").unwrap().as_array_mut().unwrap();
    requirements.push(json!({"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}));
    server.apply(Resource::NodePool, &arm);
    server.run_for_s(2);
    let told = server.all(Resource::NodeClaim);
    assert!(told.iter().any(|claim| holds(claim, "Drifted")), "{told:#?}");
    // Changed back in time: nothing is replaced.
    server.apply(Resource::NodePool, &pool("default", "0s"));
    server.run_for_s(5);
    let told = server.all(Resource::NodeClaim);
    assert!(!told.iter().any(|claim| holds(claim, "Drifted")), "{told:#?}");
    let names = |claims: &[Arc<Value>]| {
        claims.iter().map(|claim| claim["metadata"]["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&told), names(&before));
}

#[test]
fn a_pod_that_no_pool_can_take_is_told_why() {
    let mut server = started(0);
    let mut huge = pod_of("500");
    faults::json::merge(
        &mut huge,
        &json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Pending"},
        "metadata": {"name": "huge", "namespace": "shop"}}),
    );
    server.apply(Resource::Pod, &huge);
    server.run_for_s(30);
    assert!(server.all(Resource::NodeClaim).is_empty());
    let events = server.all(Resource::Event);
    let said: Vec<&str> = events.iter().filter_map(|event| event["message"].as_str()).collect();
    assert_eq!(said.len(), 1, "said once: {said:?}");
    assert!(
        said[0].starts_with("Failed to schedule pod, incompatible with nodepool \"default\""),
        "{said:?}"
    );
}

/// The plan of a command is 15 seconds old when it is carried out, and says of pools which they are by their number.
#[test]
fn a_pool_that_goes_while_a_command_is_checked_makes_no_claims_of_others() {
    for moment_ms in (0..30_000).step_by(3_000) {
        let mut server = started(20);
        let mut other = pool("a-first", "0s");
        other["spec"]["template"]["spec"]["taints"] = json!([{"key": "apart", "effect": "NoSchedule"}]);
        server.apply(Resource::NodePool, &other);
        server.run_for_s(60);
        server.owners.workloads[0].replicas = 3;
        server.poke();
        server.run_for_ms(moment_ms);
        server.delete(Resource::NodePool, "", "a-first");
        server.run_for_s(120);
        assert_eq!(unbound(&server), 0, "after {moment_ms} ms");
        for claim in server.all(Resource::NodeClaim) {
            assert_eq!(claim["metadata"]["labels"]["karpenter.sh/nodepool"], "default", "{moment_ms} ms");
            assert!(holds(&claim, "Ready"), "after {moment_ms} ms: {:#?}", server.trace());
        }
    }
}

/// A call about a pool that has gone is not made, and nothing waits for it.
#[test]
fn a_pool_that_goes_while_its_claims_are_made_holds_nobody_up() {
    for moment_ms in (0..3_000).step_by(300) {
        let kind = Kind::ApiError;
        let fault = Fault { kind, from_ms: 500, for_ms: 2_500, per_mille: 1_000 };
        let mut server = world(20, Faults { all: vec![fault], seed: 0 });
        server.apply(Resource::NodePool, &pool("a-first", "0s"));
        server.run_for_ms(moment_ms);
        server.delete(Resource::NodePool, "", "a-first");
        server.run_for_s(120);
        assert_eq!(unbound(&server), 0, "after {moment_ms} ms: {:#?}", server.trace());
        for claim in server.all(Resource::NodeClaim) {
            assert_eq!(claim["metadata"]["labels"]["karpenter.sh/nodepool"], "default", "{moment_ms} ms");
        }
    }
}

/// `pkg/controllers/disruption/controller.go`: a controller that was killed leaves its taints; the next one knows of no
/// command, and takes them back.
#[test]
fn a_taint_that_a_killed_controller_left_is_taken_back() {
    let mut server = started(4);
    server.run_for_s(60);
    let name = server.all(Resource::Node)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let key = (Resource::Node, String::new(), name.clone());
    let tainted = json!({"spec": {"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}});
    server.replace_the_controller();
    server.store.patch(faults::store::By::User, &key, false, &tainted).unwrap();
    server.run_for_s(60);
    let node = server.store.get(Resource::Node, "", &name).unwrap();
    assert_eq!(node["spec"]["taints"], json!([]), "{:#?}", server.trace());
}

/// A launch that arrived after its claim was given up.
#[test]
fn a_node_of_a_claim_that_is_gone_is_ended_when_it_is_old_enough() {
    let mut server = started(0);
    server.run_for_s(10);
    let node = |name: &str, taint: &str| {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "spec": {"providerID": format!("kwok://{name}"), "taints": [{"key": taint, "effect": "NoExecute"}]}})
    };
    server.apply(Resource::Node, &node("lost", "karpenter.sh/unregistered"));
    server.apply(Resource::Node, &node("foreign", "example.com/own"));
    let names = |server: &World| -> Vec<String> {
        let nodes = server.all(Resource::Node);
        nodes.iter().map(|node| node["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    server.run_for_s(25);
    assert_eq!(names(&server), ["foreign", "lost"], "its claim may not have been seen yet");
    server.run_for_s(10);
    assert_eq!(names(&server), ["foreign"], "{:#?}", server.trace());
}
