//! CapacityBuffers: room that is there before the pods are. The cases are those of Karpenter's own suite, shortened.

use cluster::declared::KarpenterSettings;
use kubernetes::Resource;
use kubernetes::edge::Settings;
use kubernetes::record::{self, Tape};
use serde_json::{Value, json};

use crate::server::{START_UNIX_MS, Server, settings};
use crate::{class, pod, pool};

fn gate() -> KarpenterSettings {
    KarpenterSettings { capacity_buffer: true, ..KarpenterSettings::default() }
}

/// One pool of nodes with two CPUs: a buffer's pod of one CPU takes one for itself.
fn small_nodes(settings: KarpenterSettings) -> Server {
    let mut server = Server::with(settings);
    server.apply(Resource::KwokNodeClass, class());
    let mut pool = pool("default", "0s");
    pool["spec"]["template"]["spec"]["requirements"] = json!([
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["c-2x-amd64-linux"]},
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
    ]);
    server.apply(Resource::NodePool, pool);
    server
}

fn template(cpu: &str, generation: u64) -> Value {
    json!({"apiVersion": "v1", "kind": "PodTemplate",
        "metadata": {"name": "room", "namespace": "shop", "generation": generation},
        "template": {"metadata": {"labels": {"app": "room"}}, "spec": {"containers": [{"name": "c", "image": "i",
            "resources": {"requests": {"cpu": cpu, "memory": "512Mi"}}}]}}})
}

fn deployment(name: &str, replicas: u64, cpu: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i",
                "resources": {"requests": {"cpu": cpu, "memory": "512Mi"}}}]}}}})
}

fn buffer(spec: Value) -> Value {
    json!({"apiVersion": "autoscaling.x-k8s.io/v1beta1", "kind": "CapacityBuffer",
        "metadata": {"name": "room", "namespace": "shop", "generation": 1}, "spec": spec})
}

fn of_template(replicas: u64) -> Value {
    buffer(json!({"podTemplateRef": {"name": "room"}, "replicas": replicas}))
}

/// A buffer of so many pods of one CPU, and its nodes.
fn with_room(replicas: u64) -> Server {
    let mut server = small_nodes(gate());
    server.apply(Resource::PodTemplate, template("1", 1));
    server.apply(Resource::CapacityBuffer, of_template(replicas));
    server.run_for_s(60);
    server
}

fn status(server: &Server) -> Value {
    server.get(Resource::CapacityBuffer, "shop", "room").unwrap()["status"].clone()
}

/// Status and reason of a condition.
fn condition(server: &Server, kind: &str) -> (String, String) {
    let status = status(server);
    let own = status["conditions"].as_array().unwrap().iter().find(|own| own["type"] == kind);
    let text = |field: &str| own.map_or("", |own| own[field].as_str().unwrap()).to_owned();
    (text("status"), text("reason"))
}

fn is_provided(server: &Server) -> bool {
    condition(server, "Provisioning") == ("True".to_owned(), "FitsExistingCapacity".to_owned())
}

fn claims(server: &Server) -> usize {
    server.all(Resource::NodeClaim).len()
}

#[test]
fn a_buffer_gives_room_and_says_so() {
    let mut server = with_room(3);
    assert_eq!((claims(&server), server.all(Resource::Node).len()), (3, 3), "{:#}", status(&server));
    let status = status(&server);
    assert_eq!(status["replicas"], 3);
    assert_eq!(status["podTemplateRef"], json!({"name": "room"}));
    assert_eq!(status["podTemplateGeneration"], 1);
    let ready = ("True".to_owned(), "Resolved".to_owned());
    assert_eq!(condition(&server, "ReadyForProvisioning"), ready);
    assert!(is_provided(&server), "{status:#}");
    // Nodes that only hold room are not empty ones.
    let names = |server: &Server| {
        let all = server.all(Resource::NodeClaim);
        all.iter().map(|claim| claim["metadata"]["name"].clone()).collect::<Vec<Value>>()
    };
    let (before, written) = (names(&server), server.log.len());
    server.run_for_s(120);
    assert_eq!(names(&server), before);
    let said = server.log[written..].iter().filter(|call| call.contains("CapacityBuffer")).count();
    assert_eq!(said, 0, "nothing new, nothing said");
}

#[test]
fn pods_use_the_room_and_it_is_filled_again() {
    let mut server = with_room(2);
    assert_eq!(claims(&server), 2);
    server.apply(Resource::Pod, pod("web-0", "1"));
    server.run_for_ms(1_000);
    assert_eq!((server.unbound(), claims(&server)), (0, 2), "there is room for it at once");
    server.run_for_s(60);
    assert_eq!(claims(&server), 3);
    assert!(is_provided(&server), "{:#}", status(&server));
}

#[test]
fn a_buffer_that_goes_takes_its_nodes_with_it() {
    let mut server = with_room(2);
    server.delete(Resource::CapacityBuffer, "shop", "room");
    server.run_for_s(180);
    assert_eq!((claims(&server), server.all(Resource::Node).len()), (0, 0));
}

#[test]
fn without_its_gate_a_buffer_is_nobodys() {
    let mut server = small_nodes(KarpenterSettings::default());
    server.apply(Resource::PodTemplate, template("1", 1));
    server.apply(Resource::CapacityBuffer, of_template(3));
    server.run_for_s(60);
    assert_eq!((claims(&server), status(&server)), (0, Value::Null));
}

#[test]
fn what_a_buffer_is_made_of_changes() {
    let mut server = with_room(2);
    server.apply(Resource::PodTemplate, template("1500m", 2));
    server.change(Resource::CapacityBuffer, "shop", "room", |buffer| {
        buffer["spec"]["replicas"] = json!(1);
        buffer["metadata"]["generation"] = json!(2);
    });
    server.run_for_s(180);
    let status = status(&server);
    assert_eq!((&status["podTemplateGeneration"], &status["replicas"]), (&json!(2), &json!(1)));
    let conditions = status["conditions"].as_array().unwrap();
    assert!(conditions.iter().all(|own| own["observedGeneration"] == 2), "{status:#}");
    assert_eq!(claims(&server), 1, "what is not needed any more went");
    server.change(Resource::CapacityBuffer, "shop", "room", |buffer| {
        buffer["spec"] = json!({"podTemplateRef": {"name": "room"}, "limits": {"cpu": "5"}});
    });
    server.run_for_s(60);
    assert_eq!((claims(&server), is_provided(&server)), (3, true));
}

/// The workload that it scales with comes after it, and grows; another one makes no difference.
#[test]
fn a_buffer_follows_the_workload_that_it_names() {
    let mut server = small_nodes(gate());
    let scaled =
        json!({"scalableRef": {"apiGroup": "apps", "kind": "Deployment", "name": "web"}, "percentage": 20});
    server.apply(Resource::CapacityBuffer, buffer(scaled));
    server.apply(Resource::Deployment, deployment("other", 100, "1"));
    server.run_for_s(10);
    let not_found = ("False".to_owned(), "ScalableRefNotFound".to_owned());
    assert_eq!(condition(&server, "ReadyForProvisioning"), not_found);
    let written = server.log.len();
    server.change(Resource::Deployment, "shop", "other", |other| other["spec"]["replicas"] = json!(50));
    server.run_for_s(40);
    assert_eq!(server.log.len(), written, "it names another one: {:?}", &server.log[written..]);
    server.apply(Resource::Deployment, deployment("web", 5, "1"));
    server.run_for_s(2);
    assert_eq!(condition(&server, "ReadyForProvisioning").0, "True", "at once");
    server.run_for_s(60);
    assert_eq!((status(&server)["replicas"].as_u64(), claims(&server)), (Some(1), 1));
    server.change(Resource::Deployment, "shop", "web", |web| web["spec"]["replicas"] = json!(20));
    server.run_for_s(60);
    assert_eq!((status(&server)["replicas"].as_u64(), claims(&server)), (Some(4), 4));
    assert!(status(&server)["podTemplateRef"].is_null());
}

#[test]
fn a_pool_limit_holds_for_room_as_well() {
    let mut server = small_nodes(gate());
    server.change(Resource::NodePool, "", "default", |pool| pool["spec"]["limits"] = json!({"cpu": "4"}));
    server.apply(Resource::PodTemplate, template("1", 1));
    server.apply(Resource::CapacityBuffer, of_template(10));
    server.run_for_s(120);
    assert_eq!(claims(&server), 2);
    let needs_more = ("False".to_owned(), "RequiresNewCapacity".to_owned());
    assert_eq!(condition(&server, "Provisioning"), needs_more);
}

#[test]
fn nodes_with_room_drift() {
    let mut server = with_room(2);
    let before = server.all(Resource::NodeClaim);
    server.change(Resource::NodePool, "", "default", |pool| {
        pool["spec"]["template"]["metadata"]["annotations"] = json!({"a": "b"});
    });
    server.run_for_s(240);
    let left = |claim: &Value| {
        server.get(Resource::NodeClaim, "", claim["metadata"]["name"].as_str().unwrap()).is_some()
    };
    assert!(!before.iter().any(left), "all of them were replaced");
    assert_eq!((claims(&server), is_provided(&server)), (2, true), "{:#}", status(&server));
}

#[test]
fn buffers_that_come_and_go_leave_nothing() {
    let mut server = with_room(1);
    server.delete(Resource::CapacityBuffer, "shop", "room");
    for round in 0..5 {
        let mut rapid = of_template(2);
        rapid["metadata"]["name"] = json!(format!("rapid-{round}"));
        server.apply(Resource::CapacityBuffer, rapid);
        server.run_for_s(2);
        server.delete(Resource::CapacityBuffer, "shop", &format!("rapid-{round}"));
    }
    server.run_for_s(120);
    assert_eq!((claims(&server), server.all(Resource::Node).len()), (0, 0));
}

/// Another controller begins with what the status says: it makes no room twice, and ends none.
#[test]
fn another_controller_keeps_the_room() {
    let mut server = with_room(2);
    let before = server.all(Resource::Node).len();
    server.replace_the_controller();
    server.run_for_s(90);
    assert_eq!((before, server.all(Resource::Node).len(), claims(&server)), (2, 2, 2));
}

/// Somebody else writes the status at the same time: what they wrote stays, and ours is written on top.
#[test]
fn conditions_of_others_stay() {
    let mut server = small_nodes(gate());
    server.apply(Resource::PodTemplate, template("1", 1));
    server.apply(Resource::CapacityBuffer, of_template(1));
    server.run_for_ms(300);
    let others = json!([{"type": "LimitedByQuotas", "status": "False", "reason": "a", "message": "b"}]);
    server.change(Resource::CapacityBuffer, "shop", "room", |buffer| {
        buffer["status"] = json!({"conditions": others});
    });
    server.run_for_s(60);
    assert!(is_provided(&server));
    assert_eq!(condition(&server, "LimitedByQuotas").0, "False");
}

#[test]
fn a_replay_keeps_the_same_room() {
    let mut server = small_nodes(gate());
    let settings = Settings { karpenter: gate(), ..settings(0) };
    server.edge().record(Tape::new(&settings, START_UNIX_MS, u64::MAX));
    server.apply(Resource::PodTemplate, template("1", 1));
    server.apply(Resource::CapacityBuffer, of_template(2));
    server.run_for_s(60);
    let text = server.edge().tape().unwrap().take().join("\n") + "\n";
    let replayed = record::replay(&record::read(&text).unwrap());
    assert!(replayed.difference.is_none(), "{:?}", replayed.difference);
    let said = |step: &&record::Step| step.what.starts_with("say of ");
    assert!(replayed.steps.iter().filter(said).count() >= 2, "{:?}", replayed.steps);
}
