//! Tests of the parent module and of the plugin above it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::change::DeviceClaimChange;
use cluster::device::expression::{Expression, Function};
use cluster::device::{
    Attribute, ClaimSource, Consumer, Device, DeviceCapacity, DeviceClaim, DeviceClaimId, DeviceClaimSpec,
    DeviceClass, DeviceConstraint, DeviceReach, DeviceRequest, DeviceSelector, DeviceTaint, DevicesWanted,
    PodDeviceClaim, ResourceSlice, SliceReach,
};
use cluster::{Change, Cluster, Kind, Location, Name, ObjectKey, PodId, PodTemplate, Quantity};

use crate::testing::{add_node, add_pod, empty, node, template};
use crate::{Attempt, Placements, TieBreak, attempt};

fn nowhere() -> Location {
    Location::object(ObjectKey::new(Kind::Pod, "test", "test"))
}

fn device(name: &str, model: &str) -> Device {
    let memory = DeviceCapacity { value: Quantity::from_units(40), policy: None };
    Device {
        name: name.into(),
        attributes: BTreeMap::from([("model".into(), Attribute::String(model.into()))]),
        capacity: BTreeMap::from([("memory".into(), memory)]),
        taints: vec![],
        shared: false,
        consumes: vec![],
        reach: DeviceReach::Nowhere,
        binds_to_node: false,
        has_conditions: false,
    }
}

fn slice(node: &str, devices: Vec<Device>) -> ResourceSlice {
    ResourceSlice {
        name: format!("slice-{node}").into(),
        location: nowhere(),
        driver: "gpu.example.com".into(),
        pool: node.into(),
        generation: 1,
        slices_in_pool: 1,
        reach: SliceReach::Common(DeviceReach::Node(node.into())),
        devices,
        counters: vec![],
    }
}

fn wanted(name: &str, count: Option<i64>) -> DevicesWanted {
    DevicesWanted {
        name: name.into(),
        class: "gpu".into(),
        selectors: vec![],
        count,
        admin: false,
        tolerations: vec![],
        capacity: BTreeMap::new(),
    }
}

fn exactly(name: &str, count: Option<i64>) -> DeviceRequest {
    DeviceRequest { name: name.into(), prioritized: false, alternatives: vec![wanted(name, count)] }
}

/// `device.attributes["gpu.example.com"].model == model`.
fn of_model(model: &str) -> DeviceSelector {
    let select = |of, field: &str| Expression::Select { of: Box::new(of), field: field.into() };
    let attributes = select(Expression::Variable("device".into()), "attributes");
    let key = Expression::String("gpu.example.com".into());
    let domain = Expression::Call { function: Function::Index, arguments: vec![attributes, key] };
    let arguments = vec![select(domain, "model"), Expression::String(model.into())];
    DeviceSelector {
        expression: Expression::Call { function: Function::Equals, arguments },
        location: nowhere(),
    }
}

/// Nodes with so many devices, and the class `gpu`.
fn cluster(devices: &[(&str, Vec<Device>)]) -> Cluster {
    let mut cluster = empty();
    let declared = Arc::make_mut(&mut cluster.declared);
    declared.devices.classes = vec![DeviceClass {
        name: "gpu".into(),
        location: nowhere(),
        selectors: vec![],
        extended_resource: None,
    }];
    declared.devices.slices = devices.iter().map(|(node, devices)| slice(node, devices.clone())).collect();
    for (name, _) in devices {
        add_node(&mut cluster, node(name));
    }
    cluster
}

fn claim(
    cluster: &mut Cluster,
    name: &str,
    requests: Vec<DeviceRequest>,
    constraints: Vec<DeviceConstraint>,
) {
    let id = DeviceClaimId(u32::try_from(cluster.device_claims.len()).unwrap());
    cluster.device_claims.push(DeviceClaim {
        id,
        namespace: "default".into(),
        name: name.into(),
        location: nowhere(),
        spec: Arc::new(DeviceClaimSpec { requests, constraints }),
        made_for: None,
        deleting: false,
        gone: false,
        allocation: None,
        reserved_for: vec![],
    });
}

fn user(cluster: &mut Cluster, claim: &str) -> PodId {
    let asked = PodDeviceClaim { name: "mine".into(), source: ClaimSource::Named(claim.into()) };
    let template = PodTemplate { device_claims: vec![asked], ..template(100, 0) };
    add_pod(cluster, &Arc::new(template))
}

/// Where a pod goes, with the devices that its claims get; or the message.
fn place(index: &mut Placements, cluster: &mut Cluster, pod: PodId) -> Result<(String, Vec<Name>), String> {
    match attempt(index, cluster, pod, TieBreak::Lowest) {
        Attempt::Bind(placement) => {
            index.place(cluster, pod, placement.node);
            index.reserve_devices(&placement.devices);
            let mut got = Vec::new();
            for (claim, allocation) in placement.devices {
                let known = &mut cluster.device_claims[claim.0 as usize];
                got.extend(
                    allocation.iter().flat_map(|given| given.devices.iter().map(|d| d.device.device.clone())),
                );
                known.allocation = allocation.or(known.allocation.take());
                known.reserved_for.push(Consumer::Pod(pod));
                let how = DeviceClaimChange::Updated;
                index.observe(&Change::DeviceClaimChanged { claim, how }, cluster);
            }
            Ok((cluster.node(placement.node).name.to_string(), got))
        }
        Attempt::Preempt(preemption) => Err(preemption.rejection.message),
        Attempt::Reject { rejection, .. } => Err(rejection.message),
    }
}

fn one(name: &str) -> Vec<DeviceRequest> {
    vec![exactly(name, Some(1))]
}

#[test]
fn a_device_that_is_given_away_is_not_free_until_its_claim_lets_go() {
    let mut cluster = cluster(&[("a", vec![]), ("b", vec![device("gpu-0", "x")])]);
    claim(&mut cluster, "first", one("r"), vec![]);
    claim(&mut cluster, "second", one("r"), vec![]);
    let (first, second) = (user(&mut cluster, "first"), user(&mut cluster, "second"));
    let mut index = Placements::new(&cluster);
    assert_eq!(place(&mut index, &mut cluster, first), Ok(("b".into(), vec!["gpu-0".into()])));
    assert_eq!(
        place(&mut index, &mut cluster, second).unwrap_err(),
        "0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are \
         available: 2 Preemption is not helpful for scheduling."
    );
    cluster.device_claims[0].allocation = None;
    let how = DeviceClaimChange::Deallocated;
    let freed = Change::DeviceClaimChanged { claim: DeviceClaimId(0), how };
    let events = index.observe(&freed, &cluster);
    let plugin = [cluster::rejection::Plugin::DynamicResources];
    assert!(events.iter().any(|event| crate::hints::may_help(&index, &cluster, second, &plugin, event)));
    assert_eq!(place(&mut index, &mut cluster, second), Ok(("b".into(), vec!["gpu-0".into()])));
}

#[test]
fn pods_that_share_a_claim_go_where_its_devices_are() {
    let mut cluster = cluster(&[("a", vec![device("gpu-0", "x")]), ("b", vec![])]);
    claim(&mut cluster, "shared", one("r"), vec![]);
    let (first, second) = (user(&mut cluster, "shared"), user(&mut cluster, "shared"));
    let mut index = Placements::new(&cluster);
    assert_eq!(place(&mut index, &mut cluster, first).unwrap().0, "a");
    assert_eq!(place(&mut index, &mut cluster, second), Ok(("a".into(), vec![])));
    let mut elsewhere = cluster.clone();
    elsewhere.nodes[0].gone = true;
    let mut index = Placements::new(&elsewhere);
    let third = user(&mut elsewhere, "shared");
    assert!(
        place(&mut index, &mut elsewhere, third)
            .unwrap_err()
            .contains("1 resourceclaim not available on the node")
    );
}

#[test]
fn selectors_constraints_and_taints_choose_among_devices() {
    let mut tainted = device("gpu-0", "y");
    tainted.taints =
        vec![DeviceTaint { key: "broken".into(), value: "".into(), effect: "NoSchedule".into() }];
    let devices = vec![tainted, device("gpu-1", "x"), device("gpu-2", "y"), device("gpu-3", "y")];
    let mut cluster = cluster(&[("a", devices)]);
    let mut chosen = exactly("r", Some(1));
    chosen.alternatives[0].selectors = vec![of_model("y")];
    claim(&mut cluster, "model", vec![chosen], vec![]);
    let pod = user(&mut cluster, "model");
    let mut index = Placements::new(&cluster);
    let mut of_one = cluster.clone();
    assert_eq!(place(&mut index, &mut of_one, pod).unwrap().1, ["gpu-2"]);

    let attribute = Name::from("gpu.example.com/model");
    let alike = DeviceConstraint { requests: vec![], attribute, distinct: false };
    let both = |distinct| vec![DeviceConstraint { distinct, ..alike.clone() }];
    claim(&mut cluster, "alike", vec![exactly("r", Some(2))], both(false));
    let two = vec![exactly("r", Some(1)), exactly("s", Some(1))];
    claim(&mut cluster, "unlike", two, both(true));
    let (alike, unlike) = (user(&mut cluster, "alike"), user(&mut cluster, "unlike"));
    let mut index = Placements::new(&cluster);
    assert_eq!(place(&mut index, &mut cluster.clone(), alike).unwrap().1, ["gpu-2", "gpu-3"]);
    let mut index = Placements::new(&cluster);
    assert_eq!(place(&mut index, &mut cluster, unlike).unwrap().1, ["gpu-1", "gpu-2"]);
}

#[test]
fn the_first_alternative_that_works_counts_and_all_means_all() {
    let mut cluster = cluster(&[("a", vec![device("gpu-0", "x"), device("gpu-1", "x")])]);
    let alternatives = vec![wanted("many", Some(3)), wanted("two", Some(2)), wanted("one", Some(1))];
    let request = DeviceRequest { name: "r".into(), prioritized: true, alternatives };
    claim(&mut cluster, "prioritized", vec![request], vec![]);
    claim(&mut cluster, "all", vec![exactly("r", None)], vec![]);
    let (first, all) = (user(&mut cluster, "prioritized"), user(&mut cluster, "all"));
    let mut index = Placements::new(&cluster);
    assert_eq!(place(&mut index, &mut cluster.clone(), all).unwrap().1, ["gpu-0", "gpu-1"]);
    let mut index = Placements::new(&cluster);
    assert_eq!(place(&mut index, &mut cluster, first).unwrap().1, ["gpu-0", "gpu-1"]);
    assert_eq!(cluster.device_claims[0].allocation.as_ref().unwrap().devices[0].request, "r/two");
    assert!(place(&mut index, &mut cluster, all).is_err());
}

#[test]
fn claims_that_are_missing_and_expressions_that_fail_are_said_in_upstreams_words() {
    let mut cluster = cluster(&[("a", vec![device("gpu-0", "x")])]);
    let missing = user(&mut cluster, "nothing");
    let mut wrong = exactly("r", Some(1));
    wrong.alternatives[0].class = "tpu".into();
    claim(&mut cluster, "classless", vec![wrong], vec![]);
    let mut broken = exactly("r", Some(1));
    broken.alternatives[0].selectors = vec![of_model("x")];
    let Expression::Call { arguments, .. } = &mut broken.alternatives[0].selectors[0].expression else {
        panic!()
    };
    let Expression::Select { field, .. } = &mut arguments[0] else { panic!() };
    *field = "size".into();
    claim(&mut cluster, "broken", vec![broken], vec![]);
    let (classless, broken) = (user(&mut cluster, "classless"), user(&mut cluster, "broken"));
    let mut index = Placements::new(&cluster);
    let mut said = |pod| place(&mut index, &mut cluster, pod).unwrap_err();
    assert_eq!(said(missing), "could not find ResourceClaim \"default/nothing\"");
    assert_eq!(
        said(classless),
        "0/1 nodes are available: request r: device class tpu does not exist. no new claims to deallocate, \
         preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    );
    assert_eq!(
        said(broken),
        "running \"DynamicResources\" filter plugin: claim default/broken: selector #0: CEL runtime error: no such key: size"
    );
}
