//! The scenario document as it is written.

use serde::Deserialize;
use serde_json::Value;

use crate::profile::wire::wire;

wire! {
    /// The document.
    WireScenario {
        api_version: String,
        kind: String,
        metadata: Value,
        spec: WireScenarioSpec,
    }
    /// `spec`.
    WireScenarioSpec {
        steps: Vec<WireStep>,
        expect: Vec<WireExpectation>,
    }
    /// A step.
    WireStep {
        at: Option<String>,
        apply: Option<Vec<String>>,
        objects: Option<Vec<Value>>,
        patch: Option<WirePatch>,
        delete: Option<WireDelete>,
        restart: Option<WireTarget>,
        node: Option<WireNodeStep>,
        zone: Option<WireZoneStep>,
        api: Option<WireApiStep>,
    }
    /// An object by name.
    WireTarget {
        kind: String,
        namespace: String,
        name: String,
    }
    /// An object that goes.
    WireDelete {
        kind: String,
        namespace: String,
        name: String,
        force: Option<bool>,
    }
    /// A patch.
    WirePatch {
        kind: String,
        namespace: String,
        name: String,
        merge: Option<Value>,
    }
    /// A node that is not ready.
    WireNodeStep {
        name: String,
        ready: Option<bool>,
        #[serde(rename = "for")]
        for_: Option<String>,
    }
    /// A zone without capacity.
    WireZoneStep {
        name: String,
        capacity: Option<String>,
        #[serde(rename = "for")]
        for_: Option<String>,
    }
    /// A service that answers with errors.
    WireApiStep {
        service: String,
        errors: String,
        #[serde(rename = "for")]
        for_: Option<String>,
    }
    /// An expectation.
    WireExpectation {
        at: Option<String>,
        by: Option<String>,
        verdict: Option<String>,
        running: Option<WireRunning>,
        nodes: Option<WireNodes>,
    }
    /// Nodes of a pool.
    WireNodes {
        node_pool: String,
        at_least: Option<u32>,
        at_most: Option<u32>,
    }
    /// Running pods.
    WireRunning {
        kind: String,
        namespace: String,
        name: String,
        at_least: Option<u32>,
        at_most: Option<u32>,
    }
}
