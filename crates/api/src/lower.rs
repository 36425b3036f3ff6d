//! The order in which the input is read: profile, cluster-wide tables, workloads, add-ons, nodes, the rest.

use std::collections::BTreeMap;

use catalog::Catalog;
use cluster::admission::PodRefusal;
use cluster::declared::Decides;
use cluster::{Declared, Kind, Name, Node, ObjectKey, Workload};

use crate::context::Context;
use crate::environment::ConfigMaps;
use crate::object::{Object, RawObject, read_all};
use crate::problem::{Problems, Reporter};
use crate::scenario::Scenario;
use crate::tables::Tables;
use crate::workload::MAX_PODS;
use crate::{
    Lowered, absent, addons, admission, autoscaler, capacity_buffer, cilium_node, claims, cni, code, device,
    gates, group_claims, kinds, late, live, node, node_class, node_overlay, node_pool, owners, packaging,
    pod_security, profile, small, storage, tables, unmodelled, webhook, workload,
};

/// Turns wire objects into the model. Nothing fails: what the API server would refuse is a problem and does not take
/// part.
pub fn lower(objects: &[RawObject], catalog: &Catalog) -> Lowered {
    let mut problems = Problems::default();
    let objects = read_all(objects, &mut problems);
    let (parsed, scenario) = documents(&objects, catalog, &mut problems);
    let tables = tables::read(&objects, parsed.profile.provider, &mut problems);
    let Tables { admission, config_maps, limit_quotas, .. } = tables;
    let (runtimes, existing) = (parsed.runtimes.clone(), parsed.existing.clone());
    let mut context = Context { admission, runtimes, existing, autoscalers: autoscaler::read(&objects) };

    let owners = owners::Owners::of(&objects);
    let mut declared =
        Declared { priority_classes: admission::system_classes(), ..Declared::empty(parsed.profile) };
    let made_by_hand = objects.iter().filter(|object| !owners.is_made(object));
    let mut workloads = workloads(made_by_hand, &context, &mut declared.pod_refusals, &mut problems);
    declared.defaults = parsed.defaults;
    for (location, why) in parsed.unread {
        unmodelled::note(&mut declared, location, why, Decides::Unread);
    }
    rest(&objects, &context, &mut declared, &mut problems);
    declared.capacity_buffers = capacity_buffer::buffers(&objects, &context, &mut problems);

    let nodes = nodes(&objects, parsed.nodes, &declared, &mut problems);
    let wanted = addons::Wanted {
        written: &parsed.addons,
        objects: &objects,
        workloads: &workloads,
        any_nodes: !nodes.is_empty(),
    };
    let brought = addons::bring(&wanted, &mut declared, &mut problems);
    if brought.iter().any(|object| object.key.kind == Kind::Service) {
        tables::add_dns_selectors(&brought, &mut context.admission);
    }
    let mut all = self::workloads(brought.iter(), &context, &mut declared.pod_refusals, &mut problems);
    rest(&brought, &context, &mut declared, &mut problems);
    all.append(&mut workloads);
    cap_pods(&mut all, &objects, &mut problems);

    let everything: Vec<&Object> = brought.iter().chain(&objects).collect();
    cni::read(
        &cni::Sources { objects: &everything, config_maps: &config_maps, ranges: parsed.ranges },
        &all,
        &mut declared,
        &mut problems,
    );
    declared.workloads = all;
    declared.nodes = nodes;
    declared.priority_classes = context.admission.classes.clone();
    finish(&everything, &owners, &context, &mut declared, scenario.as_ref(), &mut problems);
    let document = objects.iter().find(|object| object.key.kind == Kind::Cluster);
    group_claims::make(&mut declared, catalog, document, &mut problems);
    packaging::check(&objects, &mut declared, &mut problems);
    note_runtimes(&context, &mut declared);
    tables::check_quotas(&mut declared, &limit_quotas, &objects);
    refuse_pods(&everything, &mut declared, &mut problems);
    gates::check(&objects, &declared, &mut problems);
    unmodelled::say(&declared, &objects, &mut problems);
    Lowered { declared, problems: problems.finish(), scenario, faults: parsed.faults }
}

/// The profile and the scenario; of several the first counts, and the others are errors.
fn documents(
    objects: &[Object],
    catalog: &Catalog,
    problems: &mut Problems,
) -> (profile::Parsed, Option<Scenario>) {
    let of_kind = |kind: Kind| objects.iter().filter(move |object| object.key.kind == kind);
    for object in of_kind(Kind::Cluster).skip(1) {
        let mut reporter = Reporter::new(problems, object);
        let path = cluster::FieldPath::of("/kind");
        reporter.error(
            &path,
            code::SEVERAL_PROFILES,
            "there is more than one cluster profile",
            "keep one `kind: Cluster` document",
        );
    }
    let zone = of_kind(Kind::Node).find_map(|node| node.labels.get("topology.kubernetes.io/zone")).cloned();
    let document = of_kind(Kind::Cluster).next();
    let parsed = match document {
        Some(object) => profile::profile(
            Some(object),
            zone.as_deref(),
            catalog,
            Some(&mut Reporter::new(problems, object)),
        ),
        None => profile::profile(None, zone.as_deref(), catalog, None),
    };
    let mut scenarios: Vec<Scenario> = Vec::new();
    for object in of_kind(Kind::Scenario) {
        let mut reporter = Reporter::new(problems, object);
        if !scenarios.is_empty() {
            let path = cluster::FieldPath::of("/kind");
            reporter.error(
                &path,
                code::SEVERAL_PROFILES,
                "there is more than one scenario",
                "run them one at a time",
            );
        }
        scenarios.extend(crate::scenario::scenario(object, &mut reporter));
    }
    let first = (!scenarios.is_empty()).then(|| scenarios.swap_remove(0));
    (parsed, first)
}

fn workloads<'o>(
    objects: impl Iterator<Item = &'o Object>,
    context: &Context,
    refusals: &mut BTreeMap<ObjectKey, Vec<PodRefusal>>,
    problems: &mut Problems,
) -> Vec<Workload> {
    let makes_pods = |kind: &Kind| {
        matches!(
            kind,
            Kind::Pod
                | Kind::Deployment
                | Kind::ReplicaSet
                | Kind::ReplicationController
                | Kind::StatefulSet
                | Kind::DaemonSet
                | Kind::Job
                | Kind::CronJob
        )
    };
    let objects = objects.filter(|object| makes_pods(&object.key.kind));
    objects
        .filter_map(|object| {
            let mut reporter = Reporter::new(problems, object);
            let workload = workload::workload(object, context, &mut reporter)?;
            if !reporter.pod_refusals.is_empty() {
                refusals.insert(workload.key.clone(), reporter.pod_refusals);
            }
            Some(workload)
        })
        .collect()
}

/// Everything but workloads, nodes and tables.
fn rest(objects: &[Object], context: &Context, declared: &mut Declared, problems: &mut Problems) {
    let mut written_claims = Vec::new();
    for object in objects {
        let reporter = &mut Reporter::new(problems, object);
        match &object.key.kind {
            Kind::NodePool => declared.node_pools.extend(node_pool::node_pool(object, context, reporter)),
            Kind::Ec2NodeClass => {
                declared.node_classes.extend(node_class::node_class(object, context, reporter))
            }
            Kind::Service => declared.services.extend(small::service(object, reporter)),
            Kind::ValidatingWebhookConfiguration => {
                declared.webhooks.extend(webhook::validating(object, context, reporter))
            }
            Kind::MutatingWebhookConfiguration => {
                declared.webhooks.extend(webhook::mutating(object, context, reporter))
            }
            Kind::PodDisruptionBudget => {
                declared.disruption_budgets.extend(small::disruption_budget(object, reporter))
            }
            Kind::StorageClass => declared.storage_classes.extend(storage::storage_class(object, reporter)),
            Kind::PersistentVolume => declared.volumes.extend(storage::volume(object, reporter)),
            Kind::PersistentVolumeClaim => written_claims.extend(storage::volume_claim(object, reporter)),
            Kind::ResourceQuota => {
                if let Some((quota, others)) = small::quota(object, reporter) {
                    let others: Vec<&str> = others.iter().map(Name::as_str).collect();
                    if !others.is_empty() {
                        let why = format!("its limits on {} are not modelled", others.join(", "));
                        unmodelled::note(declared, object.place.at("/spec"), &why, Decides::Extent);
                    }
                    declared.quotas.push(quota);
                }
            }
            Kind::CustomResourceDefinition => tables::check_crd(object, reporter),
            Kind::Other(_) if kinds::check(object, reporter) => {}
            Kind::Other(_) if device::read(object, declared, reporter) => {}
            Kind::Other(kind) if kind == "NodeOverlay" && object.group == "karpenter.sh" => {
                declared.node_overlays.extend(node_overlay::node_overlay(object, reporter))
            }
            Kind::Other(_) if capacity_buffer::is_buffer(object) => {}
            Kind::Other(kind) if kind == "PodTemplate" && object.group.is_empty() => {
                capacity_buffer::check_pod_template(object, reporter)
            }
            Kind::Other(kind) if kind == "RuntimeClass" => {}
            Kind::Other(kind) => {
                *declared.not_modelled.entry(kind.clone()).or_insert(0) += 1;
                if let Some(why) = unmodelled::would_matter(object) {
                    unmodelled::note(declared, object.place.at(""), why, unmodelled::decides(why));
                }
            }
            _ => {}
        }
        if !object.addon {
            declared.objects.insert(object.key.clone(), object.labels.clone());
        }
    }
    storage::add_provided_class(objects, declared);
    live::add_claims(written_claims, declared);
}

/// Node objects, then the groups' nodes that no Node object stands for.
fn nodes(
    objects: &[Object],
    of_groups: Vec<Node>,
    declared: &Declared,
    problems: &mut Problems,
) -> Vec<Node> {
    let of_kind = |kind: Kind| objects.iter().filter(move |object| object.key.kind == kind);
    let mut nodes: Vec<Node> = of_kind(Kind::Node)
        .filter_map(|object| node::node(object, &mut Reporter::new(problems, object)))
        .collect();
    let mut real_groups = std::collections::BTreeSet::new();
    for node in &mut nodes {
        node.group = live::group_of(node, &declared.profile);
        real_groups.extend(node.group);
        node.network.subnet = live::subnet_of(node, &declared.profile);
    }
    let positions: BTreeMap<Name, usize> =
        nodes.iter().enumerate().map(|(index, node)| (node.name.clone(), index)).collect();
    let position = |object: &Object| positions.get(&object.key.name).copied();
    for object in of_kind(Kind::CsiNode) {
        let drivers = storage::csi_node(object, &mut Reporter::new(problems, object));
        if let (Some(drivers), Some(index)) = (drivers, position(object)) {
            nodes[index].volume_drivers = drivers;
        }
    }
    for object in of_kind(Kind::CiliumNode) {
        if let Some(index) = position(object) {
            cilium_node::fill(object, &mut nodes[index], &declared.profile.subnets);
        }
    }
    let stands = |node: &Node| {
        node.group.is_some_and(|group| !real_groups.contains(&group)) && !positions.contains_key(&node.name)
    };
    nodes.extend(of_groups.into_iter().filter(stands));
    for (id, node) in (0u32..).zip(&mut nodes) {
        node.id = cluster::NodeId(id);
    }
    nodes
}

/// What the API server refuses of the pods, by what else the input holds, in the order of its checks.
fn refuse_pods(objects: &[&Object], declared: &mut Declared, problems: &mut Problems) {
    pod_security::refuse(objects, declared, problems);
    absent::check(objects, declared, problems);
    for refusals in declared.pod_refusals.values_mut() {
        refusals.sort_by_key(|refusal| refusal.by);
    }
}

/// The default of `runtimes`, where a Job relies on it.
fn note_runtimes(context: &Context, declared: &mut Declared) {
    let finite = |workload: &&Workload| matches!(workload.key.kind, Kind::Job | Kind::CronJob);
    let relied = declared.workloads.iter().filter(finite).any(|workload| !context.has_runtime(&workload.key));
    let default = profile::defaults::default_of("/spec/runtimes").filter(|_| relied);
    declared
        .defaults
        .extend(default.map(|default| (cluster::FieldPath::of(default.field), Name::from(default.value))));
}

/// Caps the total of pods, in input order.
fn cap_pods(workloads: &mut [Workload], objects: &[Object], problems: &mut Problems) {
    let mut left = MAX_PODS;
    for workload in workloads {
        let wanted = workload.shape.replicas().unwrap_or(1);
        if wanted > left
            && let Some(object) = objects.iter().find(|object| object.key == workload.key)
        {
            let message =
                format!("{} asks for {wanted} pods more; a run holds {MAX_PODS} in all", workload.key);
            let path = cluster::FieldPath::of("/spec");
            Reporter::new(problems, object).error(&path, code::TOO_MANY_PODS, message, "lower the numbers");
            live::cap(&mut workload.shape, left);
        }
        left = left.saturating_sub(wanted);
    }
}

/// What needs everything else: names, arrivals, live pods and claims, orders.
fn finish(
    objects: &[&Object],
    owners: &owners::Owners,
    context: &Context,
    declared: &mut Declared,
    scenario: Option<&Scenario>,
    problems: &mut Problems,
) {
    declared.node_pools.sort_by(|a, b| a.name.cmp(&b.name));
    declared.node_classes.sort_by(|a, b| a.name.cmp(&b.name));
    declared.node_overlays.sort_by(|a, b| a.name.cmp(&b.name));
    tables::add_namespaces(objects, declared);
    late::arrivals(objects, context, declared);
    late::keep_late_needs(declared, scenario);
    let by_key: BTreeMap<ObjectKey, u32> =
        (0u32..).zip(&declared.workloads).map(|(id, workload)| (workload.key.clone(), id)).collect();
    live::select_nodes(objects, declared);
    live::add_pods(objects, owners, &by_key, declared);
    unmodelled::of_pods(declared);
    device::note_unknown_devices(declared);
    claims::read(objects, declared, problems);
}

/// The data of the ConfigMaps of the input.
pub(crate) fn config_maps(objects: &[Object]) -> ConfigMaps {
    let maps = objects.iter().filter(|object| object.key.kind == Kind::ConfigMap);
    maps.map(|object| {
        let data = object.field("/data").and_then(serde_json::Value::as_object);
        let pairs = data
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((Name::from(key.as_str()), Name::from(value.as_str()?))));
        (object.key.clone(), pairs.collect())
    })
    .collect()
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod robustness;
