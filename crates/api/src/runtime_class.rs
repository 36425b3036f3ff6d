//! RuntimeClasses: pods that name one get its overhead, node selector and tolerations.
//!
//! Follows `kubernetes/kubernetes` v1.36 `plugin/pkg/admission/runtimeclass`.

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::api::node::v1::RuntimeClass;

use crate::amounts::WireList;
use crate::object::Object;
use crate::reader;

/// Reads a RuntimeClass; what cannot be read is nobody's.
pub(crate) fn runtime_class(object: &Object) -> Option<RuntimeClass> {
    reader::read(object.value()).0.ok()
}

/// What admission makes of a pod's spec: overhead where none is written, node selector and tolerations added.
pub(crate) fn apply(class: &RuntimeClass, spec: &PodSpec) -> PodSpec {
    let mut spec = spec.clone();
    let overhead: Option<WireList> = class.overhead.as_ref().and_then(|overhead| overhead.pod_fixed.clone());
    spec.overhead = spec.overhead.or(overhead);
    if let Some(scheduling) = &class.scheduling {
        let selector = scheduling.node_selector.clone().unwrap_or_default();
        spec.node_selector.get_or_insert_with(Default::default).extend(selector);
        let tolerations = spec.tolerations.get_or_insert_with(Vec::new);
        for toleration in scheduling.tolerations.iter().flatten() {
            if !tolerations.contains(toleration) {
                tolerations.push(toleration.clone());
            }
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use crate::testing::lowered;

    #[test]
    fn overhead_and_scheduling_come_from_the_class() {
        let text = "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: kata}\nhandler: kata\noverhead: {podFixed: {cpu: 250m}}\nscheduling: {nodeSelector: {kata: \"true\"}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {runtimeClassName: kata, containers: [{name: a, image: a, resources: {requests: {cpu: 100m}}}]}\n";
        let lowered = lowered(text);
        let template = &lowered.declared.workloads[0].template;
        assert_eq!(template.requests.cpu_millis, 350);
        assert!(template.node_selector.contains_key("kata"));
        assert!(lowered.declared.would_matter.is_empty());
    }
}
