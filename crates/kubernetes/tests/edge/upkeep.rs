//! What is kept true beside launches and drains: static pools, statuses, repair, what was lost.

use cluster::declared::KarpenterSettings;
use kubernetes::Resource;
use serde_json::{Value, json};

use crate::server::Server;
use crate::{class, holds, pool, started};

fn gates() -> KarpenterSettings {
    KarpenterSettings { static_capacity: true, node_repair: true, ..KarpenterSettings::default() }
}

fn static_pool(replicas: u64) -> Value {
    let mut pool = pool("fixed", "0s");
    pool["spec"]["replicas"] = json!(replicas);
    pool
}

/// A server with these settings and one static pool, half a minute on.
fn with_replicas(settings: KarpenterSettings, replicas: u64) -> Server {
    let mut server = Server::with(settings);
    server.apply(Resource::KwokNodeClass, class());
    server.apply(Resource::NodePool, static_pool(replicas));
    server.run_for_s(30);
    server
}

#[test]
fn a_static_pool_has_its_replicas_and_its_status_says_so() {
    let mut server = with_replicas(gates(), 3);
    assert_eq!(server.all(Resource::Node).len(), 3);
    let pool = server.get(Resource::NodePool, "", "fixed").unwrap();
    assert_eq!(pool["status"]["nodes"], 3);
    assert_eq!(pool["status"]["resources"]["nodes"], "3");
    assert!(pool["metadata"]["annotations"]["karpenter.sh/nodepool-hash"].is_string());
    for condition in ["ValidationSucceeded", "NodeClassReady", "NodeRegistrationHealthy", "Ready"] {
        assert!(holds(pool, condition), "{condition} of {pool:#}");
    }
    server.change(Resource::NodePool, "", "fixed", |pool| pool["spec"]["replicas"] = json!(1));
    server.run_for_s(120);
    assert_eq!((server.all(Resource::Node).len(), server.all(Resource::NodeClaim).len()), (1, 1));
}

/// Without its feature gate a static pool is nobody's.
#[test]
fn a_static_pool_needs_its_gate() {
    let server = with_replicas(KarpenterSettings::default(), 3);
    assert_eq!(server.all(Resource::NodeClaim), Vec::<Value>::new());
}

#[test]
fn a_changed_template_replaces_nodes_and_its_hash() {
    let mut server = started(4);
    server.run_for_s(30);
    let hash = |value: &Value| value["metadata"]["annotations"]["karpenter.sh/nodepool-hash"].clone();
    let before: Vec<Value> = server.all(Resource::NodeClaim);
    assert!(
        before
            .iter()
            .all(|claim| hash(claim) == hash(server.get(Resource::NodePool, "", "default").unwrap()))
    );
    server.change(Resource::NodePool, "", "default", |pool| {
        pool["spec"]["template"]["metadata"]["annotations"] = json!({"a": "b"});
    });
    server.run_for_s(10);
    let after = hash(server.get(Resource::NodePool, "", "default").unwrap());
    assert!(before.iter().all(|claim| hash(claim) != after));
    server.run_for_s(180);
    let now = server.all(Resource::NodeClaim);
    assert!(!now.is_empty() && now.iter().all(|claim| hash(claim) == after), "{now:#?}");
    assert_eq!(server.unbound(), 0);
}

/// Hashes that another version of the controller wrote say nothing: they are written anew, and nothing drifts.
#[test]
fn hashes_of_another_version_are_written_anew() {
    let mut server = started(4);
    server.run_for_s(30);
    let names: Vec<String> = names(&server, Resource::NodeClaim);
    let forget = |value: &mut Value| {
        value["metadata"]["annotations"]["karpenter.sh/nodepool-hash"] = json!("1");
        value["metadata"]["annotations"]["karpenter.sh/nodepool-hash-version"] = json!("v1");
    };
    server.change(Resource::NodePool, "", "default", forget);
    names.iter().for_each(|name| server.change(Resource::NodeClaim, "", name, forget));
    server.run_for_s(60);
    assert_eq!(names, self::names(&server, Resource::NodeClaim));
    let all = server.all(Resource::NodeClaim).into_iter().chain(server.all(Resource::NodePool));
    for value in all {
        assert_eq!(value["metadata"]["annotations"]["karpenter.sh/nodepool-hash-version"], "v3");
        assert_ne!(value["metadata"]["annotations"]["karpenter.sh/nodepool-hash"], "1");
    }
}

fn names(server: &Server, resource: Resource) -> Vec<String> {
    let all = server.all(resource);
    all.iter().map(|value| value["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// Sets a node's condition `Ready` as it has been for this many seconds.
fn break_node(server: &mut Server, name: &str, for_s: i64) {
    let since = server.instant(-for_s * 1_000);
    server.change(Resource::Node, "", name, |node| {
        node["status"]["conditions"] =
            json!([{"type": "Ready", "status": "False", "lastTransitionTime": since}]);
    });
}

#[test]
fn a_node_that_is_not_ready_for_long_is_replaced() {
    let mut server = with_replicas(gates(), 5);
    let before = names(&server, Resource::Node);
    break_node(&mut server, &before[0], 60);
    server.run_for_s(30);
    assert_eq!(before, names(&server, Resource::Node), "not for long enough");
    break_node(&mut server, &before[0], 601);
    server.run_for_s(60);
    let after = names(&server, Resource::Node);
    assert!(!after.contains(&before[0]) && after.len() == 5, "{after:?}");
}

/// More than a fifth: something else is wrong than the nodes.
#[test]
fn many_nodes_that_are_not_ready_stay() {
    let mut server = with_replicas(gates(), 5);
    let before = names(&server, Resource::Node);
    before.iter().take(2).for_each(|name| break_node(&mut server, name, 10));
    server.run_for_s(5);
    before.iter().take(2).for_each(|name| break_node(&mut server, name, 700));
    server.run_for_s(60);
    assert_eq!(before, names(&server, Resource::Node));
}

/// A node whose finalizer somebody took off is gone, and its instance with it: so is its claim.
#[test]
fn a_claim_whose_node_was_lost_goes() {
    let mut server = started(4);
    server.run_for_s(30);
    let lost = names(&server, Resource::Node)[0].clone();
    server.remove(Resource::Node, "", &lost);
    server.replace_the_controller();
    server.run_for_s(120);
    let nodes: Vec<Value> =
        server.all(Resource::NodeClaim).iter().map(|own| own["status"]["nodeName"].clone()).collect();
    assert!(!nodes.contains(&json!(lost)), "{nodes:?}");
    assert_eq!(nodes.len(), server.all(Resource::Node).len());
}

/// And a node whose claim was lost.
#[test]
fn a_node_whose_claim_was_lost_can_go() {
    let mut server = started(4);
    server.run_for_s(30);
    let claim = server.all(Resource::NodeClaim)[0].clone();
    let (claim, node) =
        (claim["metadata"]["name"].as_str().unwrap(), claim["status"]["nodeName"].as_str().unwrap());
    server.remove(Resource::NodeClaim, "", claim);
    server.run_for_s(5);
    server.delete(Resource::Node, "", node);
    server.run_for_s(30);
    assert!(server.get(Resource::Node, "", node).is_none(), "nothing holds it");
}

/// A claim that somebody made by hand gets its node, and keeps it without pods.
#[test]
fn a_claim_without_a_pool_is_served() {
    let mut server = Server::new();
    server.apply(Resource::KwokNodeClass, class());
    let mut claim = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": {"name": "mine"},
        "spec": {
            "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"},
            "requirements": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}],
            "resources": {"requests": {"cpu": "3"}},
        },
    });
    server.apply(Resource::NodeClaim, claim.clone());
    server.run_for_s(120);
    let own = server.get(Resource::NodeClaim, "", "mine").unwrap();
    assert!(holds(own, "Ready"), "{own:#}");
    let node = server.all(Resource::Node)[0].clone();
    assert_eq!(node["metadata"]["labels"]["kubernetes.io/arch"], "arm64");
    assert_eq!(node["status"]["capacity"]["cpu"], "4");
    server.delete(Resource::NodeClaim, "", "mine");
    server.run_for_s(60);
    assert!(server.all(Resource::Node).is_empty() && server.all(Resource::NodeClaim).is_empty());
    // One that nobody can serve goes.
    claim["spec"]["requirements"][0]["values"] = json!(["riscv64"]);
    server.apply(Resource::NodeClaim, claim);
    server.run_for_s(60);
    assert!(server.all(Resource::NodeClaim).is_empty());
}

/// A pod that must not be disturbed holds its node, until somebody takes the annotation off.
#[test]
fn a_pod_that_loses_its_protection_lets_its_node_go() {
    let mut server = started(1);
    server.change(Resource::Pod, "shop", "web-0", |pod| {
        pod["metadata"]["annotations"] = json!({"karpenter.sh/do-not-disrupt": "true"});
    });
    server.run_for_s(30);
    let before = names(&server, Resource::Node);
    server.change(Resource::NodePool, "", "default", |pool| {
        pool["spec"]["template"]["metadata"]["annotations"] = json!({"a": "b"});
    });
    server.run_for_s(120);
    assert_eq!(names(&server, Resource::Node), before);
    assert!(holds(&server.all(Resource::NodeClaim)[0], "Drifted"));
    server.change(Resource::Pod, "shop", "web-0", |pod| pod["metadata"]["annotations"] = json!({}));
    server.run_for_s(120);
    let after = names(&server, Resource::Node);
    assert!(after.len() == 1 && after != before, "{after:?}");
}

/// A static pool that goes makes nothing any more while its claims go.
#[test]
fn a_pool_that_goes_makes_no_claims() {
    let mut server = with_replicas(gates(), 3);
    server.change(Resource::NodePool, "", "fixed", |pool| {
        pool["metadata"]["finalizers"] = json!(["foregroundDeletion"])
    });
    server.delete(Resource::NodePool, "", "fixed");
    server.run_for_s(5);
    names(&server, Resource::NodeClaim)
        .iter()
        .for_each(|claim| server.delete(Resource::NodeClaim, "", claim));
    server.run_for_s(60);
    assert_eq!(server.all(Resource::NodeClaim), Vec::<Value>::new());
    server.remove(Resource::NodePool, "", "fixed");
    server.run_for_s(60);
    assert_eq!(server.all(Resource::NodeClaim), Vec::<Value>::new());
}
