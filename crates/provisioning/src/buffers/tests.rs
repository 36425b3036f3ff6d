//! What buffers come to, where their pods go, and what is said of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::capacity_buffer::BufferShape;
use cluster::change::ClaimOrNode;
use cluster::node_pool::DisruptionReason;
use cluster::template::PodVolume;
use cluster::workload::Shape;
use cluster::{CapacityBuffer, Kind, ObjectKey, PodId, Timestamp};

use super::status::{after_plan, resolved};
use super::{Hosted, Imagined, solve_with_room};
use crate::disruption::candidate::Held;
use crate::disruption::commands;
use crate::disruption::consolidation::is_still_valid;
use crate::disruption::tests::managed;
use crate::input::{Input, Policy, Purpose, Solution};
use crate::testing::*;

fn buffer(name: &str, replicas: Option<u32>) -> CapacityBuffer {
    let template = Arc::new(template(1_000, GIB));
    CapacityBuffer {
        key: CapacityBuffer::key("apps", name),
        location: location(),
        generation: 1,
        shape: BufferShape::PodTemplate { name: "room".into(), found: Some((template, 4)) },
        replicas,
        percentage: None,
        limits: None,
        strategy: None,
    }
}

fn with_buffers(buffers: Vec<CapacityBuffer>) -> Fixture {
    let mut fixture = Fixture::new(vec![pool("default")]);
    fixture.declared.karpenter.capacity_buffer = true;
    fixture.declared.capacity_buffers = buffers;
    look(&mut fixture);
    fixture
}

/// The controller looks at every buffer.
fn look(fixture: &mut Fixture) {
    let cluster = fixture.sealed().clone();
    for buffer in &cluster.declared.capacity_buffers {
        fixture.cluster.buffers.insert(buffer.key.clone(), resolved(&cluster, buffer));
    }
}

fn planned(fixture: &mut Fixture, pods: &[PodId]) -> (Solution, Hosted) {
    let market = fixture.market();
    let none = BTreeSet::new();
    let (solution, hosted) = solve_with_room(&Input {
        cluster: fixture.sealed(),
        market: &market,
        pods,
        leaving: &none,
        settling: &none,
        policy: Policy::Karpenter,
        purpose: Purpose::Provisioning,
    });
    for (key, status) in after_plan(&fixture.cluster, &hosted) {
        fixture.cluster.buffers.insert(key, status);
    }
    (solution, hosted)
}

fn said(fixture: &Fixture, name: &str) -> (bool, String) {
    let status = &fixture.cluster.buffers[&CapacityBuffer::key("apps", name)];
    let condition = status.provisioning.as_ref().unwrap();
    (condition.holds, format!("{}: {}", condition.reason, condition.message))
}

#[test]
fn room_is_made_for_pods_that_are_not_there() {
    let mut fixture = with_buffers(vec![buffer("b", Some(3))]);
    let real = fixture.pending(1, template(500, GIB));
    let (solution, hosted) = planned(&mut fixture, &real);
    let pods: Vec<PodId> = solution.new_claims.iter().flat_map(|claim| claim.pods.clone()).collect();
    assert_eq!((pods, hosted.on.len()), (real, 0), "imagined pods are nobody's to expect");
    let asked: i64 = solution.new_claims.iter().map(|claim| claim.requests.cpu_millis).sum();
    assert_eq!(asked, 3_500);
    let text = "RequiresNewCapacity: 3/3 virtual pods required new capacity, 0 failed";
    assert_eq!(said(&fixture, "b"), (false, text.into()));
}

#[test]
fn room_that_is_there_is_enough_and_is_told() {
    let mut fixture = with_buffers(vec![buffer("a", Some(1)), buffer("b", Some(2))]);
    let node = fixture.node("n", "z1", 4);
    let (solution, hosted) = planned(&mut fixture, &[]);
    assert!(solution.new_claims.is_empty() && solution.on_existing.is_empty());
    assert_eq!(hosted.on, [ClaimOrNode::Node(node)].into());
    assert_eq!(
        said(&fixture, "b"),
        (true, "FitsExistingCapacity: All 2 virtual pods fit on existing capacity".into())
    );
    fixture.running(node, template(2_000, GIB));
    let (solution, _) = planned(&mut fixture, &[]);
    assert_eq!(solution.new_claims.len(), 1, "room that a real pod took is made again");
    assert!(said(&fixture, "a").0);
    assert!(!said(&fixture, "b").0);
}

#[test]
fn without_the_gate_or_without_pods_nothing_is_imagined() {
    let mut fixture = with_buffers(vec![buffer("b", Some(0))]);
    assert!(Imagined::of(fixture.sealed()).is_none());
    planned(&mut fixture, &[]);
    assert_eq!(said(&fixture, "b"), (false, "BufferEmpty: Buffer has zero desired replicas".into()));
    fixture.declared.capacity_buffers = vec![buffer("b", Some(2))];
    look(&mut fixture);
    assert!(Imagined::of(fixture.sealed()).is_some());
    fixture.declared.karpenter.capacity_buffer = false;
    assert!(Imagined::of(fixture.sealed()).is_none());
}

#[test]
fn real_pods_of_the_same_size_come_first() {
    let mut fixture = with_buffers(vec![buffer("b", Some(1))]);
    fixture.types.clear();
    let node = fixture.node("n", "z1", 2);
    let real = fixture.pending(1, template(1_000, GIB));
    let (solution, hosted) = planned(&mut fixture, &real);
    assert_eq!((solution.on_existing, hosted.on.len()), (vec![(real[0], ClaimOrNode::Node(node))], 0));
    assert_eq!(
        said(&fixture, "b").1,
        "RequiresNewCapacity: 0/1 virtual pods required new capacity, 1 failed"
    );
    assert!(solution.refused.is_empty(), "nobody is told of an imagined pod");
}

#[test]
fn without_a_pool_that_is_ready_nothing_is_said() {
    let mut fixture = with_buffers(vec![buffer("b", Some(1))]);
    fixture.not_ready.insert("default".into(), "why".into());
    assert_eq!(planned(&mut fixture, &[]).1, Hosted::default());
    assert_eq!(fixture.cluster.buffers.values().next().unwrap().provisioning, None);
}

#[test]
fn volumes_that_are_claimed_do_not_count() {
    let mut own = buffer("b", Some(1));
    let claimed = PodVolume::Claim("data".into());
    let template = Arc::new(cluster::PodTemplate { volumes: vec![claimed], ..template(1_000, GIB) });
    own.shape = BufferShape::PodTemplate { name: "room".into(), found: Some((template, 1)) };
    let mut fixture = with_buffers(vec![own]);
    assert_eq!(planned(&mut fixture, &[]).0.new_claims.len(), 1);
}

#[test]
fn a_buffer_comes_to_the_larger_wish_within_its_limits() {
    let count = |change: fn(&mut CapacityBuffer)| {
        let mut own = buffer("b", None);
        change(&mut own);
        let fixture = with_buffers(vec![own]);
        fixture.cluster.buffers.values().next().unwrap().replicas
    };
    assert_eq!(count(|own| own.replicas = Some(5)), Some(5));
    assert_eq!(count(|own| own.limits = Some(vec![("cpu".into(), 2_999)])), Some(2));
    assert_eq!(
        count(|own| (own.replicas, own.limits) =
            (Some(5), Some(vec![("cpu".into(), 9_000), ("memory".into(), 3 * GIB)]))),
        Some(3)
    );
    assert_eq!(
        count(|own| own.limits = Some(vec![("nvidia.com/gpu".into(), 3), ("pods".into(), 2)])),
        Some(0)
    );
    assert_eq!(count(|own| own.percentage = Some(50)), Some(0), "of a template there is no share");
    fn share(own: &mut CapacityBuffer, percentage: u32, replicas: u32) {
        let of = ObjectKey::new(Kind::StatefulSet, "apps", "elsewhere");
        own.percentage = Some(percentage);
        own.shape = BufferShape::Scalable { of, found: Some((Arc::new(template(1_000, GIB)), replicas)) };
    }
    assert_eq!(count(|own| share(own, 20, 10)), Some(2));
    assert_eq!(count(|own| share(own, 20, 11)), Some(3));
    assert_eq!(count(|own| share(own, 1, 1)), Some(1));
    assert_eq!(count(|own| share(own, 20, 0)), Some(0));
    assert_eq!(
        count(|own| {
            share(own, 20, 10);
            own.replicas = Some(1);
        }),
        Some(2),
        "the larger of both"
    );
}

#[test]
fn what_cannot_be_found_is_told_and_the_rest_stays() {
    let mut fixture = with_buffers(vec![buffer("b", Some(2))]);
    let key = CapacityBuffer::key("apps", "b");
    fixture.declared.capacity_buffers[0].shape =
        BufferShape::PodTemplate { name: "room".into(), found: None };
    look(&mut fixture);
    let status = fixture.cluster.buffers[&key].clone();
    let ready = status.ready.unwrap();
    assert_eq!((ready.holds, &*ready.reason), (false, "PodTemplateNotFound"));
    assert_eq!(ready.message, "PodTemplate \"room\" not found");
    assert_eq!((status.replicas, status.pod_template_generation), (Some(2), Some(4)));
    planned(&mut fixture, &[]);
    assert_eq!(said(&fixture, "b").1, "NotReadyForProvisioning: Buffer is not ReadyForProvisioning");

    let deployment = Shape::Deployment { replicas: 4, recreate: false, max_surge: 1, max_unavailable: 1 };
    fixture.workload("web", deployment, template(1_000, GIB));
    let of = ObjectKey::new(Kind::Deployment, "apps", "web");
    let found = Some((Arc::new(template(1_000, GIB)), 4));
    fixture.declared.capacity_buffers[0].shape = BufferShape::Scalable { of, found };
    fixture.cluster.arrived[0] = false;
    look(&mut fixture);
    let message =
        |fixture: &Fixture| fixture.cluster.buffers[&key].ready.clone().unwrap().message.to_string();
    assert_eq!(message(&fixture), "Deployment.apps \"web\" not found");
    fixture.cluster.arrived[0] = true;
    look(&mut fixture);
    assert_eq!(message(&fixture), "Pod template resolved successfully");
}

#[test]
fn a_node_that_keeps_room_is_not_empty() {
    let mut fixture = with_buffers(vec![buffer("b", Some(1))]);
    fixture.declared.node_pools[0].consolidate_after_ms = Some(0);
    let node = managed(&mut fixture, "m.02", "on-demand");
    let hosted = planned(&mut fixture, &[]).1.on;
    assert_eq!(hosted, [ClaimOrNode::Node(node)].into());
    fixture.cluster.now = Timestamp(1);
    let (going, nominated, market) = (BTreeSet::new(), BTreeMap::new(), fixture.market());
    let held = |buffered| Held { going: &going, nominated: &nominated, buffered, policy: Policy::Karpenter };
    let nothing = BTreeSet::new();
    let found = commands(fixture.sealed(), &market, held(&nothing)).remove(0);
    assert_eq!((&*found.nodes, found.reason), (&[node][..], DisruptionReason::Empty));
    assert!(commands(&fixture.cluster, &market, held(&hosted)).is_empty());
    assert!(!is_still_valid(&fixture.cluster, &market, held(&hosted), &found));
}

#[test]
fn pods_do_not_move_into_the_room_of_a_buffer() {
    let mut fixture = with_buffers(vec![]);
    fixture.declared.node_pools[0].consolidate_after_ms = Some(0);
    let (old, large) =
        (managed(&mut fixture, "m.02", "on-demand"), managed(&mut fixture, "m.02", "on-demand"));
    fixture.running(old, template(500, GIB));
    fixture.running(large, template(800, GIB));
    fixture.cluster.now = Timestamp(1);
    let (going, nominated, market) = (BTreeSet::new(), BTreeMap::new(), fixture.market());
    let none = BTreeSet::new();
    let held = Held { going: &going, nominated: &nominated, buffered: &none, policy: Policy::Karpenter };
    assert!(!commands(fixture.sealed(), &market, held).is_empty());
    fixture.declared.capacity_buffers = vec![buffer("b", Some(2))];
    look(&mut fixture);
    let found = commands(fixture.sealed(), &market, held);
    assert!(
        found
            .iter()
            .flat_map(|command| &command.replacements)
            .all(|claim| claim.pods.iter().all(|pod| pod.0 < 2))
    );
    assert!(found.iter().all(|command| !command.replacements.is_empty()), "{found:?}");
}
