//! Devices that drivers offer on nodes, and the claims for them (dynamic resource allocation).
//!
//! Follows `k8s.io/api` v0.36.3 `resource/v1/types.go`. What decides nothing about placement (`config`, the status of
//! devices) is not here. How claims are matched with devices is in `scheduling`.

pub mod expression;
pub mod version;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::location::Location;
use crate::template::NodeSelectorTerm;
use crate::{Name, PodId, Quantity};

use expression::Expression;

/// What is declared of devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// DeviceClasses.
    pub classes: Vec<DeviceClass>,
    /// ResourceSlices, in name order.
    pub slices: Vec<ResourceSlice>,
    /// ResourceClaims of the input.
    pub claims: Vec<DeviceClaim>,
    /// ResourceClaimTemplates.
    pub templates: Vec<DeviceClaimTemplate>,
}

impl Devices {
    /// The class with this name.
    pub fn class(&self, name: &str) -> Option<&DeviceClass> {
        self.classes.iter().find(|class| class.name == name)
    }

    /// The template with this namespace and name.
    pub fn template(&self, namespace: &str, name: &str) -> Option<&DeviceClaimTemplate> {
        self.templates.iter().find(|template| template.namespace == namespace && template.name == name)
    }
}

/// A DeviceClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceClass {
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// All must hold of a device.
    pub selectors: Vec<DeviceSelector>,
    /// `extendedResourceName`.
    pub extended_resource: Option<Name>,
}

/// One CEL expression over a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSelector {
    /// What it says.
    pub expression: Expression,
    /// Where it is written.
    pub location: Location,
}

/// A ResourceSlice: some of the devices of a driver's pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceSlice {
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// `driver`.
    pub driver: Name,
    /// `pool.name`.
    pub pool: Name,
    /// `pool.generation`: older slices of a pool are out of date.
    pub generation: i64,
    /// `pool.resourceSliceCount`: with fewer slices the pool is incomplete.
    pub slices_in_pool: i64,
    /// From which nodes the devices can be reached.
    pub reach: SliceReach,
    /// The devices, in their order.
    pub devices: Vec<Device>,
    /// `sharedCounters`, which devices of the pool consume.
    pub counters: Vec<CounterSet>,
}

/// From which nodes the devices of a slice can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SliceReach {
    /// All of them from these.
    Common(DeviceReach),
    /// `perDeviceNodeSelection`: each device says.
    PerDevice,
    /// Nothing that is known was written.
    Unsaid,
}

/// From which nodes a device can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceReach {
    /// `nodeName`.
    Node(Name),
    /// `allNodes`.
    All,
    /// `nodeSelector`.
    Selector(Vec<NodeSelectorTerm>),
    /// Nothing was written.
    Nowhere,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, unique in its pool.
    pub name: Name,
    /// `attributes`, by qualified name; without a domain, the driver's.
    pub attributes: BTreeMap<Name, Attribute>,
    /// `capacity`, by qualified name.
    pub capacity: BTreeMap<Name, DeviceCapacity>,
    /// `taints`.
    pub taints: Vec<DeviceTaint>,
    /// `allowMultipleAllocations`: it is given away by capacity, to several claims.
    pub shared: bool,
    /// `consumesCounters`: set, counter, amount.
    pub consumes: Vec<(Name, BTreeMap<Name, Quantity>)>,
    /// For `perDeviceNodeSelection`.
    pub reach: DeviceReach,
    /// `bindsToNode`: a claim that gets it can only be used on the node for which it was allocated.
    pub binds_to_node: bool,
    /// `bindingConditions` are written: its pool is looked at last, and pods wait for the conditions.
    pub has_conditions: bool,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A text.
    String(Name),
    /// A semantic version, as written.
    Version(Name),
    /// A kind of value that Kubernetes 1.36 does not read by default (lists).
    Unsupported,
}

/// One capacity of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCapacity {
    /// How much there is.
    pub value: Quantity,
    /// `requestPolicy`.
    pub policy: Option<RequestPolicy>,
}

/// What may be asked of a capacity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestPolicy {
    /// What a request that names nothing takes.
    pub default: Option<Quantity>,
    /// `validRange`: the least, the most, the step.
    pub range: Option<(Quantity, Option<Quantity>, Option<Quantity>)>,
    /// `validValues`, ascending; `None` when not written.
    pub values: Option<Vec<Quantity>>,
}

/// Counters that devices of a pool share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterSet {
    /// Its name, unique in the pool.
    pub name: Name,
    /// Counters with what there is of each.
    pub counters: BTreeMap<Name, Quantity>,
}

/// A taint of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTaint {
    /// `key`.
    pub key: Name,
    /// `value`.
    pub value: Name,
    /// `effect`: `NoSchedule` and `NoExecute` keep claims away, others do nothing.
    pub effect: Name,
}

/// A toleration of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceToleration {
    /// `key`; empty tolerates every key.
    pub key: Name,
    /// `operator: Exists`; otherwise the value must be equal.
    pub exists: bool,
    /// `value`.
    pub value: Name,
    /// `effect`; empty tolerates every effect.
    pub effect: Name,
}

impl DeviceToleration {
    /// By `ToleratesTaint` of `k8s.io/dynamic-resource-allocation/resourceclaim`.
    pub fn tolerates(&self, taint: &DeviceTaint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && (self.exists || self.value == taint.value)
    }
}

/// What a claim asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceClaimSpec {
    /// All must be met.
    pub requests: Vec<DeviceRequest>,
    /// All must hold.
    pub constraints: Vec<DeviceConstraint>,
}

/// One request of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// Its name.
    pub name: Name,
    /// `firstAvailable`: the first of `alternatives` that can be met counts. Otherwise there is one, `exactly`.
    pub prioritized: bool,
    /// What would do.
    pub alternatives: Vec<DevicesWanted>,
}

/// Devices of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicesWanted {
    /// The name of the subrequest; the request's own for `exactly`.
    pub name: Name,
    /// `deviceClassName`.
    pub class: Name,
    /// All must hold, beside those of the class.
    pub selectors: Vec<DeviceSelector>,
    /// `allocationMode: ExactCount` with its count; `None` for `All`.
    pub count: Option<i64>,
    /// `adminAccess`: also devices that are in use.
    pub admin: bool,
    /// `tolerations`.
    pub tolerations: Vec<DeviceToleration>,
    /// `capacity.requests`.
    pub capacity: BTreeMap<Name, Quantity>,
}

/// What the devices of a claim must have in common, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConstraint {
    /// `requests`: for which devices; empty is all. `request/subrequest` is one alternative.
    pub requests: Vec<Name>,
    /// The attribute's full name.
    pub attribute: Name,
    /// `distinctAttribute`: no two may have the same value; otherwise (`matchAttribute`) all must.
    pub distinct: bool,
}

/// A ResourceClaimTemplate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceClaimTemplate {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// What its claims ask for.
    pub spec: Arc<DeviceClaimSpec>,
}

/// A claim's index in [`crate::Cluster::device_claims`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct DeviceClaimId(pub u32);

/// A ResourceClaim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceClaim {
    /// Its index.
    pub id: DeviceClaimId,
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// Where it, or the template that it is made from, is written.
    pub location: Location,
    /// What it asks for.
    pub spec: Arc<DeviceClaimSpec>,
    /// The pod for whose template it was made.
    pub made_for: Option<MadeFor>,
    /// It is being deleted.
    pub deleting: bool,
    /// It is gone.
    pub gone: bool,
    /// What it got.
    pub allocation: Option<Arc<DeviceAllocation>>,
    /// `status.reservedFor`: who uses it.
    pub reserved_for: Vec<Consumer>,
}

/// The pod for which a claim was made from a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFor {
    /// The pod's name.
    pub pod: Name,
    /// Which of its `resourceClaims`.
    pub claim: Name,
}

/// Who uses a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// A pod of the run.
    Pod(PodId),
    /// A pod of the input, by name.
    Named(Name),
    /// Something that is not a pod.
    Other,
}

/// What a claim got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceAllocation {
    /// The devices.
    pub devices: Vec<AllocatedDevice>,
    /// Where they can be used: any term may hold; `None` is everywhere.
    pub nodes: Option<Vec<NodeSelectorTerm>>,
}

/// A device that a claim got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocatedDevice {
    /// `request`, or `request/subrequest`.
    pub request: Name,
    /// Which.
    pub device: DeviceName,
    /// For administration: the device stays free for others.
    pub admin: bool,
    /// For devices that several claims share: what was taken of each capacity.
    pub share: Option<BTreeMap<Name, Quantity>>,
}

/// A device by its full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceName {
    /// The driver.
    pub driver: Name,
    /// The pool.
    pub pool: Name,
    /// The device.
    pub device: Name,
}

/// One of a pod's `resourceClaims`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodDeviceClaim {
    /// Its name in the pod.
    pub name: Name,
    /// Where the claim comes from.
    pub source: ClaimSource,
}

/// Where a pod's claim comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimSource {
    /// `resourceClaimName`.
    Named(Name),
    /// `resourceClaimTemplateName`: the pod gets a claim of its own.
    Template(Name),
}
