//! The edge against an API server in memory: what it writes is what the next watch brings, as in a cluster whose nodes
//! KWOK keeps alive and whose scheduler binds pods to nodes with room.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod allowed;
mod measured;
mod recorded;
mod said;
mod server;
mod upkeep;

use kubernetes::Resource;
use serde_json::{Value, json};
use server::Server;

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
        "spec": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "r",
                "controller": true}]},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}]},
        "status": {"phase": "Pending"},
    })
}

/// A budget under which none of the pods may go.
fn budget() -> Value {
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"desiredHealthy": 4}})
}

/// A server with one pool and so many pods of one CPU.
fn started(pods: usize) -> Server {
    let mut server = Server::new();
    server.apply(Resource::KwokNodeClass, class());
    server.apply(Resource::NodePool, pool("default", "0s"));
    (0..pods).for_each(|index| server.apply(Resource::Pod, pod(&format!("web-{index}"), "1")));
    server
}

fn holds(claim: &Value, condition: &str) -> bool {
    let conditions = claim.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|own| own["type"] == condition && own["status"] == "True")
}

#[test]
fn pods_get_nodes_and_claims_come_to_their_end() {
    let mut server = started(20);
    server.run_for_s(60);
    let claims = server.all(Resource::NodeClaim);
    assert!(!claims.is_empty(), "{:#?}", server.log);
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
    assert_eq!(server.unbound(), 0);
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
    server.delete_all(Resource::Pod);
    server.run_for_s(180);
    assert_eq!(server.all(Resource::NodeClaim), Vec::<Value>::new());
    assert_eq!(server.all(Resource::Node), Vec::<Value>::new());
}

#[test]
fn a_disruption_budget_holds_an_eviction_back_until_it_allows_it() {
    let mut server = started(4);
    server.apply(Resource::PodDisruptionBudget, budget());
    server.run_for_s(60);
    let claim = server.all(Resource::NodeClaim)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    server.delete(Resource::NodeClaim, "", &claim);
    server.run_for_s(120);
    assert!(server.get(Resource::NodeClaim, "", &claim).is_some(), "its pods may not go");
    assert_eq!(server.evicted, 0);
    server.delete_all(Resource::PodDisruptionBudget);
    server.run_for_s(120);
    assert!(server.get(Resource::NodeClaim, "", &claim).is_none());
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
        assert_eq!(server.unbound(), 0, "after {moment_ms} ms");
        let (claims, nodes) = (server.all(Resource::NodeClaim), server.all(Resource::Node));
        assert_eq!(claims.len(), nodes.len(), "after {moment_ms} ms");
        server.delete_all(Resource::Pod);
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
        server.delete_all(Resource::Pod);
        server.run_for_s(60);
        server.log
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
    server.apply(Resource::NodePool, arm);
    server.run_for_s(2);
    let told = server.all(Resource::NodeClaim);
    assert!(told.iter().any(|claim| holds(claim, "Drifted")), "{told:#?}");
    // Changed back in time: nothing is replaced.
    server.apply(Resource::NodePool, pool("default", "0s"));
    server.run_for_s(5);
    let told = server.all(Resource::NodeClaim);
    assert!(!told.iter().any(|claim| holds(claim, "Drifted")), "{told:#?}");
    let names =
        |claims: &[Value]| claims.iter().map(|claim| claim["metadata"]["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&told), names(&before));
}

#[test]
fn a_pod_that_no_pool_can_take_is_told_why() {
    let mut server = started(0);
    server.apply(Resource::Pod, pod("huge", "500"));
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
