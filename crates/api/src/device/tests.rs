//! Tests of the parent module.

use cluster::device::{Attribute, ClaimSource, Consumer, SliceReach};

use crate::testing::{lowered, shown};

const CLASS: &str = "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {name: gpu}\nspec: {selectors: [{cel: {expression: device.driver == 'gpu.example.com'}}]}\n---\n";

#[test]
fn classes_slices_claims_and_templates_are_read() {
    let text = format!(
        "{CLASS}apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {{name: s}}
spec:
  driver: gpu.example.com
  nodeName: a
  pool: {{name: a, generation: 1, resourceSliceCount: 1}}
  devices:
  - {{name: gpu-0, attributes: {{model: {{string: a100}}, index: {{int: 0}}}}, capacity: {{memory: {{value: 40Gi}}}}}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {{name: shared}}
spec: {{devices: {{requests: [{{name: r, exactly: {{deviceClassName: gpu, allocationMode: All}}}}]}}}}
status:
  allocation: {{devices: {{results: [{{request: r, driver: gpu.example.com, pool: a, device: gpu-0}}]}}}}
  reservedFor: [{{resource: pods, name: p, uid: x}}]
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {{name: one}}
spec: {{spec: {{devices: {{requests: [{{name: r, firstAvailable: [{{name: big, deviceClassName: gpu, count: 2}}, {{name: small, deviceClassName: gpu}}]}}]}}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec: {{containers: [{{name: c, image: i, resources: {{claims: [{{name: mine}}]}}}}], resourceClaims: [{{name: mine, resourceClaimTemplateName: one}}]}}
"
    );
    let lowered = lowered(&text);
    assert_eq!(shown(&lowered.problems), "");
    let devices = &lowered.declared.devices;
    assert_eq!(devices.classes[0].selectors.len(), 1);
    assert!(matches!(devices.slices[0].reach, SliceReach::Common(_)));
    assert_eq!(devices.slices[0].devices[0].attributes["model"], Attribute::String("a100".into()));
    let claim = &devices.claims[0];
    assert_eq!(
        (claim.spec.requests[0].alternatives[0].count, claim.reserved_for.as_slice()),
        (None, [Consumer::Named("p".into())].as_slice())
    );
    assert_eq!(claim.allocation.as_ref().unwrap().devices[0].device.device, "gpu-0");
    let request = &devices.templates[0].spec.requests[0];
    assert!(
        request.prioritized
            && request.alternatives[0].count == Some(2)
            && request.alternatives[1].count == Some(1)
    );
    let pod = &lowered.declared.workloads[0].template;
    assert_eq!(pod.device_claims[0].source, ClaimSource::Template("one".into()));
    assert!(lowered.declared.would_matter.is_empty());
}

#[test]
fn older_versions_are_read_and_the_oldest_is_not() {
    let claim = |version: &str| {
        format!(
            "{CLASS}apiVersion: resource.k8s.io/{version}\nkind: ResourceClaim\nmetadata: {{name: c}}\nspec: {{devices: {{requests: [{{name: r, deviceClassName: gpu, count: 3}}]}}}}\n"
        )
    };
    let read = lowered(&claim("v1beta1"));
    assert_eq!(shown(&read.problems), "");
    assert_eq!(read.declared.devices.claims[0].spec.requests[0].alternatives[0].count, Some(3));
    let refused = lowered(&claim("v1alpha3"));
    assert_eq!(refused.problems[0].code, "CONF103");
    assert!(refused.declared.devices.claims.is_empty());
}

#[test]
fn expressions_that_are_wrong_are_errors_and_those_not_understood_leave_it_open() {
    let class = |expression: &str| {
        format!(
            "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {{name: gpu}}\nspec: {{selectors: [{{cel: {{expression: \"{expression}\"}}}}]}}\n"
        )
    };
    let wrong = lowered(&class("device.driver =="));
    assert_eq!(
        (wrong.problems[0].code, wrong.problems[0].path.0.as_str()),
        ("CONF102", "/spec/selectors/0/cel/expression")
    );
    let open = lowered(&class("device.driver.matches('a')"));
    assert_eq!(open.declared.would_matter.len(), 1);
    assert_eq!(open.problems[0].code, "CONF119");
    assert!(lowered(&class("device.driver == 'a'")).problems.is_empty());
}

#[test]
fn claims_without_any_slice_leave_it_open() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}], resourceClaims: [{name: mine, resourceClaimName: one}]}\n";
    assert_eq!(lowered(pod).declared.would_matter.len(), 1);
    let both = pod.replace("one}", "one, resourceClaimTemplateName: two}");
    assert_eq!(lowered(&both).problems[0].code, "CONF111");
    let unknown = pod.replace("image: i", "image: i, resources: {claims: [{name: other}]}");
    assert_eq!(lowered(&unknown).problems[0].code, "CONF115");
}
