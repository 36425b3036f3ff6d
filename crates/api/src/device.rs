//! Dynamic resource allocation: DeviceClasses, ResourceClaims and their templates, pods' `resourceClaims`.
//!
//! Follows `k8s.io/api` v0.36.3 `resource/v1` and its defaults (`pkg/apis/resource/v1/defaults.go`). Slices are in
//! [`slice`], the expressions of selectors in [`expression`], the shapes of older versions in [`beta`].

mod beta;
mod expression;
mod slice;

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::declared::Decides;
use cluster::device::{
    AllocatedDevice, ClaimSource, Consumer, DeviceAllocation, DeviceClaim, DeviceClaimId, DeviceClaimSpec,
    DeviceClaimTemplate, DeviceClass, DeviceConstraint, DeviceName, DeviceRequest, DeviceSelector,
    DeviceToleration, DevicesWanted, MadeFor, PodDeviceClaim,
};
use cluster::{Declared, FieldPath, Kind, Name, Quantity};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::resource::v1 as wire;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;

use crate::object::Object;
use crate::problem::Reporter;
use crate::selector::node_term;
use crate::{code, unmodelled};

/// The API group.
const GROUP: &str = "resource.k8s.io";
/// The annotation that says which of a pod's `resourceClaims` a claim was made for.
const POD_CLAIM: &str = "resource.kubernetes.io/pod-claim-name";

/// Reads an object of the group, if it is one that is modelled; whether it was.
pub(crate) fn read(object: &Object, declared: &mut Declared, reporter: &mut Reporter<'_>) -> bool {
    let Kind::Other(kind) = &object.key.kind else { return false };
    if object.group != GROUP {
        return false;
    }
    let reader = &mut Reader { object, reporter, unsupported: Vec::new() };
    let devices = &mut declared.devices;
    match kind.as_str() {
        "DeviceClass" => devices.classes.extend(reader.class()),
        "ResourceSlice" => {
            devices.slices.extend(slice::slice(reader));
            devices.slices.sort_by(|a, b| a.name.cmp(&b.name));
        }
        "ResourceClaim" => {
            let id = DeviceClaimId(u32::try_from(devices.claims.len()).unwrap_or(u32::MAX));
            devices.claims.extend(reader.claim(id));
        }
        "ResourceClaimTemplate" => devices.templates.extend(reader.template()),
        _ => return false,
    }
    for (path, what) in std::mem::take(&mut reader.unsupported) {
        let why = format!("{what} in the expression of a selector is not modelled");
        unmodelled::note(declared, object.place.at(&path.0), &why, Decides::Placement);
    }
    true
}

/// Pods ask for devices, and the input says nothing of the devices that there are.
pub(crate) fn note_unknown_devices(declared: &mut Declared) {
    const WHY: &str = "no ResourceSlice says which devices there are: where its pods go is not modelled";
    note_extended_resources(declared);
    if !declared.devices.slices.is_empty() {
        return;
    }
    let asks = declared.workloads.iter().filter(|workload| !workload.template.device_claims.is_empty());
    let at: Vec<_> = asks.map(|workload| workload.template.location.at("/spec/resourceClaims")).collect();
    for location in at {
        unmodelled::note(declared, location, WHY, Decides::Placement);
    }
}

/// Pods that ask for a class's devices as an extended resource (`DRAExtendedResource`, on since 1.36).
fn note_extended_resources(declared: &mut Declared) {
    const WHY: &str =
        "a DeviceClass offers an extended resource that its pods ask for, which is not modelled";
    let mut found = Vec::new();
    for workload in &declared.workloads {
        let template = &workload.template;
        let asks = |name: &str| template.requests.extended.iter().any(|(known, _)| known == name);
        let offers = |class: &DeviceClass| {
            class.extended_resource.as_ref().is_some_and(|name| asks(name))
                || asks(&format!("deviceclass.resource.kubernetes.io/{}", class.name))
        };
        if declared.devices.classes.iter().any(offers) {
            found.push(template.location.at("/spec/containers"));
        }
    }
    for location in found {
        unmodelled::note(declared, location, WHY, Decides::Placement);
    }
}

/// A pod's `resourceClaims`.
pub(crate) fn pod_claims(
    spec: &core::PodSpec,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<PodDeviceClaim> {
    let mut claims = Vec::new();
    for (index, claim) in spec.resource_claims.iter().flatten().enumerate() {
        let named = claim.resource_claim_name.as_deref().filter(|name| !name.is_empty());
        let template = claim.resource_claim_template_name.as_deref().filter(|name| !name.is_empty());
        let source = match (named, template) {
            (Some(name), None) => ClaimSource::Named(name.into()),
            (None, Some(name)) => ClaimSource::Template(name.into()),
            _ => {
                let at = path.child("resourceClaims").child(index);
                let message = format!(
                    "{at}: must specify exactly one of: `resourceClaimName`, `resourceClaimTemplateName`"
                );
                reporter.error(&at, code::EXCLUSIVE_FIELDS, message, "");
                continue;
            }
        };
        claims.push(PodDeviceClaim { name: claim.name.as_str().into(), source });
    }
    let known = |name: &str| claims.iter().any(|claim| claim.name == name);
    let lists =
        [("initContainers", spec.init_containers.as_deref()), ("containers", Some(&spec.containers[..]))];
    for (field, list) in lists {
        for (index, container) in list.into_iter().flatten().enumerate() {
            let used = container.resources.iter().flat_map(|resources| resources.claims.iter().flatten());
            for (number, claim) in used.enumerate().filter(|(_, claim)| !known(&claim.name)) {
                let at = path.child(field).child(index).child("resources").child("claims").child(number);
                let message = format!(
                    "{at}: not found: {:?}: must be one of the names in pod.spec.resourceClaims",
                    claim.name
                );
                reporter.error(&at, code::UNKNOWN_REFERENCE, message, "");
            }
        }
    }
    claims
}

/// Reads one object.
pub(crate) struct Reader<'r, 'p> {
    pub(crate) object: &'r Object,
    pub(crate) reporter: &'r mut Reporter<'p>,
    /// Parts of expressions that cannot be evaluated, and where.
    pub(crate) unsupported: Vec<(FieldPath, Name)>,
}

impl Reader<'_, '_> {
    fn class(&mut self) -> Option<DeviceClass> {
        let wire: wire::DeviceClass = beta::decode_any(self)?;
        let selectors = self.selectors(wire.spec.selectors.as_deref(), &FieldPath::of("/spec/selectors"));
        (!self.reporter.refused).then(|| DeviceClass {
            name: self.object.key.name.clone(),
            location: self.object.place.at(""),
            selectors,
            extended_resource: wire.spec.extended_resource_name.as_deref().map(Name::from),
        })
    }

    fn template(&mut self) -> Option<DeviceClaimTemplate> {
        let wire: wire::ResourceClaimTemplate = beta::decode_any(self)?;
        let spec = self.spec(&wire.spec.spec, &FieldPath::of("/spec/spec"));
        (!self.reporter.refused).then(|| DeviceClaimTemplate {
            namespace: self.object.key.namespace.clone(),
            name: self.object.key.name.clone(),
            location: self.object.place.at(""),
            spec: Arc::new(spec),
        })
    }

    fn claim(&mut self, id: DeviceClaimId) -> Option<DeviceClaim> {
        let wire: wire::ResourceClaim = beta::decode_any(self)?;
        let spec = self.spec(&wire.spec, &FieldPath::of("/spec"));
        let status = wire.status.unwrap_or_default();
        let allocation = status.allocation.as_ref().map(|allocation| Arc::new(self.allocation(allocation)));
        let of_pod =
            self.object.controller().filter(|(kind, _)| *kind == "Pod").map(|(_, pod)| Name::from(pod));
        let made_for = of_pod.map(|pod| MadeFor {
            pod,
            claim: self.object.annotations.get(POD_CLAIM).cloned().unwrap_or_default(),
        });
        let reserved_for = status.reserved_for.iter().flatten().map(|user| match user.resource.as_str() {
            "pods" => Consumer::Named(user.name.as_str().into()),
            _ => Consumer::Other,
        });
        (!self.reporter.refused).then(|| DeviceClaim {
            id,
            namespace: self.object.key.namespace.clone(),
            name: self.object.key.name.clone(),
            location: self.object.place.at(""),
            spec: Arc::new(spec),
            made_for,
            deleting: self.object.field("/metadata/deletionTimestamp").is_some(),
            gone: false,
            allocation,
            reserved_for: reserved_for.collect(),
        })
    }

    fn spec(&mut self, wire: &wire::ResourceClaimSpec, path: &FieldPath) -> DeviceClaimSpec {
        let Some(devices) = &wire.devices else { return DeviceClaimSpec::default() };
        let path = path.child("devices");
        let mut spec = DeviceClaimSpec::default();
        for (index, request) in devices.requests.iter().flatten().enumerate() {
            let at = path.child("requests").child(index);
            spec.requests.push(self.request(request, &at));
        }
        for (index, constraint) in devices.constraints.iter().flatten().enumerate() {
            let (equal, distinct) = (&constraint.match_attribute, &constraint.distinct_attribute);
            let Some(attribute) = equal.as_ref().or(distinct.as_ref()) else {
                let at = path.child("constraints").child(index);
                let message =
                    format!("{at}: exactly one of `distinctAttribute`, `matchAttribute` is required");
                self.reporter.error(&at, code::MISSING_FIELD, message, "");
                continue;
            };
            spec.constraints.push(DeviceConstraint {
                requests: crate::selector::names(constraint.requests.as_deref()),
                attribute: attribute.as_str().into(),
                distinct: equal.is_none(),
            });
        }
        spec
    }

    fn request(&mut self, wire: &wire::DeviceRequest, at: &FieldPath) -> DeviceRequest {
        let mut alternatives = Vec::new();
        let subrequests = wire.first_available.as_deref().unwrap_or_default();
        match &wire.exactly {
            Some(exactly) if subrequests.is_empty() => {
                let below = if beta::is_flat(self.object) { at.clone() } else { at.child("exactly") };
                let wanted = self.wanted(&wire.name, exactly, &below);
                alternatives.push(DevicesWanted { admin: exactly.admin_access.unwrap_or(false), ..wanted });
            }
            None if !subrequests.is_empty() => {
                for (index, subrequest) in subrequests.iter().enumerate() {
                    let below = at.child("firstAvailable").child(index);
                    alternatives.push(self.wanted(&subrequest.name, &exact(subrequest), &below));
                }
            }
            _ => {
                let message = format!("{at}: exactly one of `exactly`, `firstAvailable` is required");
                self.reporter.error(at, code::MISSING_FIELD, message, "");
            }
        }
        let prioritized = wire.exactly.is_none();
        DeviceRequest { name: wire.name.as_str().into(), prioritized, alternatives }
    }

    fn wanted(&mut self, name: &str, wire: &wire::ExactDeviceRequest, at: &FieldPath) -> DevicesWanted {
        if wire.device_class_name.is_empty() {
            let path = at.child("deviceClassName");
            self.reporter.error(
                &path,
                code::MISSING_FIELD,
                format!("{path}: required value"),
                "name a DeviceClass",
            );
        }
        let mode = wire.allocation_mode.as_deref().filter(|mode| !mode.is_empty()).unwrap_or("ExactCount");
        if !matches!(mode, "ExactCount" | "All") {
            let path = at.child("allocationMode");
            let known = ["All", "ExactCount"];
            let message = format!("{path}: {mode:?} is not one of {}", known.join(", "));
            self.reporter.error(&path, code::BAD_VALUE, message, crate::suggest::did_you_mean(mode, known));
        }
        let count = wire.count.filter(|count| *count != 0).unwrap_or(1);
        if mode == "ExactCount" && count < 1 {
            let path = at.child("count");
            self.reporter.error(&path, code::BAD_VALUE, format!("{path}: must be greater than zero"), "");
        }
        let requests = wire.capacity.as_ref().and_then(|capacity| capacity.requests.as_ref());
        DevicesWanted {
            name: name.into(),
            class: wire.device_class_name.as_str().into(),
            selectors: self.selectors(wire.selectors.as_deref(), &at.child("selectors")),
            count: (mode == "ExactCount").then_some(count),
            admin: false,
            tolerations: wire.tolerations.iter().flatten().map(toleration).collect(),
            capacity: self.quantities(requests, &at.child("capacity").child("requests")),
        }
    }

    fn selectors(&mut self, wire: Option<&[wire::DeviceSelector]>, at: &FieldPath) -> Vec<DeviceSelector> {
        let mut selectors = Vec::new();
        for (index, selector) in wire.unwrap_or_default().iter().enumerate() {
            let path = at.child(index).child("cel").child("expression");
            let Some(cel) = &selector.cel else {
                self.reporter.error(
                    &at.child(index),
                    code::MISSING_FIELD,
                    format!("{path}: required value"),
                    "",
                );
                continue;
            };
            match expression::parse(&cel.expression) {
                Ok(expression) => {
                    self.unsupported
                        .extend(expression.unsupported().map(|what| (path.clone(), what.clone())));
                    selectors.push(DeviceSelector { expression, location: self.object.place.at(&path.0) });
                }
                Err(error) => {
                    let message = format!("{path}: compilation failed: {error}");
                    self.reporter.error(&path, code::BAD_VALUE, message, "write one expression of CEL");
                }
            }
        }
        selectors
    }

    fn allocation(&mut self, wire: &wire::AllocationResult) -> DeviceAllocation {
        let results = wire.devices.iter().flat_map(|devices| devices.results.iter().flatten());
        let at = FieldPath::of("/status/allocation");
        let devices = results.map(|result| AllocatedDevice {
            request: result.request.as_str().into(),
            device: DeviceName {
                driver: result.driver.as_str().into(),
                pool: result.pool.as_str().into(),
                device: result.device.as_str().into(),
            },
            admin: result.admin_access.unwrap_or(false),
            share: result.share_id.as_ref().map(|_| self.quantities(result.consumed_capacity.as_ref(), &at)),
        });
        let devices = devices.collect();
        let nodes =
            wire.node_selector.as_ref().map(|selector| self.node_terms(selector, &at.child("nodeSelector")));
        DeviceAllocation { devices, nodes }
    }

    fn node_terms(
        &mut self,
        wire: &core::NodeSelector,
        at: &FieldPath,
    ) -> Vec<cluster::template::NodeSelectorTerm> {
        let terms = wire.node_selector_terms.iter().enumerate();
        terms
            .map(|(index, term)| node_term(term, &at.child("nodeSelectorTerms").child(index), self.reporter))
            .collect()
    }

    fn quantities(
        &mut self,
        wire: Option<&BTreeMap<String, WireQuantity>>,
        at: &FieldPath,
    ) -> BTreeMap<Name, Quantity> {
        let named = wire.into_iter().flatten();
        named
            .filter_map(|(name, quantity)| {
                Some((name.as_str().into(), self.quantity(quantity, &at.child(name))?))
            })
            .collect()
    }

    fn quantity(&mut self, wire: &WireQuantity, at: &FieldPath) -> Option<Quantity> {
        let read = Quantity::parse(&wire.0);
        read.map_err(|error| self.reporter.error(at, code::BAD_VALUE, format!("{at}: {error}"), "")).ok()
    }
}

/// A subrequest has the fields of an exact one, but for `adminAccess`.
fn exact(wire: &wire::DeviceSubRequest) -> wire::ExactDeviceRequest {
    wire::ExactDeviceRequest {
        admin_access: None,
        allocation_mode: wire.allocation_mode.clone(),
        capacity: wire.capacity.clone(),
        count: wire.count,
        device_class_name: wire.device_class_name.clone(),
        selectors: wire.selectors.clone(),
        tolerations: wire.tolerations.clone(),
    }
}

fn toleration(wire: &wire::DeviceToleration) -> DeviceToleration {
    let text = |field: &Option<String>| Name::from(field.as_deref().unwrap_or_default());
    DeviceToleration {
        key: text(&wire.key),
        exists: wire.operator.as_deref() == Some("Exists"),
        value: text(&wire.value),
        effect: text(&wire.effect),
    }
}

#[cfg(test)]
mod tests;
