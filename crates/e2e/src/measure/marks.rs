//! What happened when: the first instant at which each pod and each claim was seen in a state. No clock and no
//! network; the instants are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::DynamicObject;

use crate::api;

/// First instants by name.
pub type Instants = BTreeMap<String, Duration>;

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// Pods that kube-scheduler has refused.
    pub refused: BTreeSet<String>,
    /// Pods with a node.
    pub bound: Instants,
    /// Pods that run.
    pub running: Instants,
    /// NodeClaims.
    pub claims: Instants,
    /// NodeClaims whose nodes are initialized.
    pub initialized: Instants,
}

impl Marks {
    /// Notes a pod.
    pub fn see_pod(&mut self, pod: &Pod, at: Duration) {
        let Some(name) = &pod.metadata.name else { return };
        if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) {
            self.bound.entry(name.clone()).or_insert(at);
        }
        let Some(status) = &pod.status else { return };
        if status.phase.as_deref() == Some("Running") {
            self.running.entry(name.clone()).or_insert(at);
        }
        let refusal = |condition: &k8s_openapi::api::core::v1::PodCondition| {
            condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable")
        };
        if status.conditions.iter().flatten().any(refusal) {
            self.refused.insert(name.clone());
        }
    }

    /// Notes a NodeClaim.
    pub fn see_claim(&mut self, claim: &DynamicObject, at: Duration) {
        let name = api::name(claim).to_owned();
        if api::holds(claim, "Initialized") {
            self.initialized.entry(name.clone()).or_insert(at);
        }
        self.claims.entry(name).or_insert(at);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EARLY: Duration = Duration::from_secs(1);
    const LATE: Duration = Duration::from_secs(2);

    fn pod(spec: serde_json::Value, status: serde_json::Value) -> Pod {
        let pod = json!({ "metadata": { "name": "a" }, "spec": spec, "status": status });
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn a_pods_states_are_noted_once() {
        let mut marks = Marks::default();
        marks.see_pod(&pod(json!({ "containers": [] }), json!({})), EARLY);
        assert!(marks.refused.is_empty() && marks.bound.is_empty() && marks.running.is_empty());
        let refused = json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable" }] });
        marks.see_pod(&pod(json!({ "containers": [] }), refused), EARLY);
        assert!(marks.refused.contains("a"));
        let bound = json!({ "containers": [], "nodeName": "n" });
        marks.see_pod(&pod(bound.clone(), json!({ "phase": "Pending" })), EARLY);
        marks.see_pod(&pod(bound, json!({ "phase": "Running" })), LATE);
        assert_eq!((marks.bound["a"], marks.running["a"]), (EARLY, LATE));
    }

    #[test]
    fn a_claim_is_there_before_it_is_initialized() {
        let mut marks = Marks::default();
        let claim = |status: &str| {
            let conditions = json!([{ "type": "Initialized", "status": status }]);
            let claim = json!({ "metadata": { "name": "a" }, "status": { "conditions": conditions } });
            serde_json::from_value::<DynamicObject>(claim).unwrap()
        };
        marks.see_claim(&claim("Unknown"), EARLY);
        assert!(marks.initialized.is_empty());
        marks.see_claim(&claim("True"), LATE);
        assert_eq!((marks.claims["a"], marks.initialized["a"]), (EARLY, LATE));
    }
}
