//! The events that people read of nodes that come and go.

use kubernetes::Resource;
use serde_json::{Value, json};

use super::server::Server;
use super::started;

/// Kind, reason and message of every event, by kind of object.
fn said(server: &Server, kind: &str) -> Vec<(String, String)> {
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let events = server.all(Resource::Event);
    let own = events.iter().filter(|event| event["involvedObject"]["kind"] == kind);
    own.map(|event| (text(event, "reason"), text(event, "message"))).collect()
}

fn count(said: &[(String, String)], reason: &str, message: &str) -> usize {
    said.iter().filter(|(own, text)| own == reason && text.starts_with(message)).count()
}

#[test]
fn a_claim_s_life_is_told_once() {
    let mut server = started(20);
    server.run_for_s(60);
    let claims = server.all(Resource::NodeClaim).len();
    let told = said(&server, "NodeClaim");
    for kind in ["Launched", "Registered", "Initialized", "Ready"] {
        let text = format!("Status condition transitioned, Type: {kind}, Status: Unknown -> True");
        assert_eq!(count(&told, kind, &text), claims, "{kind} in {told:?}");
    }
    let nominated = count(&said(&server, "Pod"), "Nominated", "Pod should schedule on: nodeclaim/default-");
    assert!((10..20).contains(&nominated), "ten at once, the rest is limited: {nominated}");

    server.delete_all(Resource::Pod);
    server.run_for_s(180);
    let (claim, node) = (said(&server, "NodeClaim"), said(&server, "Node"));
    assert_eq!(count(&claim, "DisruptionTerminating", "Disrupting NodeClaim: Empty"), claims, "{claim:?}");
    assert_eq!(count(&node, "DisruptionTerminating", "Disrupting Node: Empty"), claims, "{node:?}");
    assert_eq!(count(&node, "Finalized", "Finalized karpenter.sh/termination"), claims, "{node:?}");
    let about_nodes = server.all(Resource::Event);
    let mut about_nodes = about_nodes.iter().filter(|event| event["involvedObject"]["kind"] == "Node");
    assert!(about_nodes.all(|event| event["metadata"]["namespace"] == "default"));
}

/// The mind waits for budgets by itself; one that the API server does not grant is told.
#[test]
fn a_drain_that_the_api_server_holds_up_is_told_now_and_then() {
    let mut server = started(1);
    server.run_for_s(60);
    let claim = server.all(Resource::NodeClaim)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    // Of other pods, as far as the mind sees.
    server.apply(
        Resource::PodDisruptionBudget,
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": "other", "namespace": "shop"},
            "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "other"}}},
            "status": {"desiredHealthy": 1}}),
    );
    server.delete(Resource::NodeClaim, "", &claim);
    server.run_for_s(60);
    let text = "Failed to drain node, evicting pod violates a PDB (Pod=shop/web-0)";
    let node = said(&server, "Node");
    assert_eq!(count(&node, "FailedDraining", text), 1, "once in two minutes: {node:?}");
    server.delete_all(Resource::PodDisruptionBudget);
    server.run_for_s(60);
    let pod = said(&server, "Pod");
    assert!(count(&pod, "Evicted", "Evicted pod: Forceful Termination") > 0, "{pod:?}");
}
