//! Cluster-wide tables that the lowering of workloads needs, and checks over several objects.

use std::collections::{BTreeMap, BTreeSet};

use cluster::admission::{PodRefusal, Refuser, Violation};
use cluster::profile::Provider;
use cluster::template::Container;
use cluster::{Declared, FieldPath, Kind, Location, Name, ObjectKey, Workload};
use serde_json::Value;

use crate::admission::{Admission, system_classes};
use crate::environment::ConfigMaps;
use crate::object::Object;
use crate::problem::{Problems, Reporter};
use crate::{code, lower, role, runtime_class, small};

/// The tables.
pub(crate) struct Tables {
    /// Priority classes, LimitRanges, cluster DNS.
    pub(crate) admission: Admission,
    /// ConfigMaps.
    pub(crate) config_maps: ConfigMaps,
    /// Quotas that ask for limits or requests to be written: namespace, quota, resource as written there.
    pub(crate) limit_quotas: Vec<(Name, ObjectKey, Name)>,
}

/// Reads the tables.
pub(crate) fn read(objects: &[Object], provider: Provider, problems: &mut Problems) -> Tables {
    let mut admission = Admission { classes: system_classes(), ..Admission::default() };
    admission.extended_resource_toleration = provider == Provider::Eks;
    let mut limit_quotas = Vec::new();
    for object in objects {
        match object.key.kind {
            Kind::PriorityClass => {
                let class = small::priority_class(object, &mut Reporter::new(problems, object));
                admission.classes.extend(class.map(|class| (class.name.clone(), class)));
            }
            Kind::LimitRange => {
                let limits =
                    small::limit_range(object, &mut Reporter::new(problems, object)).unwrap_or_default();
                admission.limit_ranges.entry(object.key.namespace.clone()).or_default().extend(limits);
            }
            Kind::ResourceQuota => limit_quotas.extend(demands(object)),
            Kind::ConfigMap => {
                small::config_map(object, &mut Reporter::new(problems, object));
                if has_login(object) {
                    admission.login_scripts.insert(object.key.clone());
                }
            }
            Kind::Other(ref kind) if kind == "RuntimeClass" && object.group == "node.k8s.io" => {
                let class = runtime_class::runtime_class(object);
                admission.runtime_classes.extend(class.map(|class| (object.key.name.clone(), class)));
            }
            _ => {}
        }
    }
    add_dns_selectors(objects, &mut admission);
    Tables { admission, config_maps: lower::config_maps(objects), limit_quotas }
}

/// Whether a ConfigMap's data logs in to a registry.
fn has_login(object: &Object) -> bool {
    let data = object.field("/data").and_then(Value::as_object);
    data.into_iter().flatten().filter_map(|(_, text)| text.as_str()).any(role::logs_in_to_registry)
}

/// The `kube-dns` Service is what nodes resolve by.
pub(crate) fn add_dns_selectors(objects: &[Object], admission: &mut Admission) {
    for object in
        objects.iter().filter(|object| object.key == ObjectKey::new(Kind::Service, "kube-system", "kube-dns"))
    {
        let selector = object.field("/spec/selector").and_then(Value::as_object);
        let pairs = selector
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())));
        admission.dns_selectors.push((object.key.namespace.clone(), pairs.collect()));
    }
}

/// Compute resources under a quota have to be asked for by every container of its namespace
/// (`pkg/quota/v1/evaluator/core` `Constraints`). Quotas with scopes are left out.
fn demands(object: &Object) -> Vec<(Name, ObjectKey, Name)> {
    if object.field("/spec/scopes").is_some() || object.field("/spec/scopeSelector").is_some() {
        return Vec::new();
    }
    let hard = object.field("/spec/hard").and_then(Value::as_object);
    let names = hard.into_iter().flatten().map(|(name, _)| name.as_str());
    let compute = names.filter(|name| {
        matches!(
            *name,
            "cpu" | "memory" | "requests.cpu" | "requests.memory" | "limits.cpu" | "limits.memory"
        )
    });
    compute.map(|name| (object.key.namespace.clone(), object.key.clone(), name.into())).collect()
}

/// Adds the workloads whose pods a quota refuses because a container does not name the resource. The message is that
/// of `pkg/quota/v1/evaluator/core/pods.go` `Constraints`: resources and containers in the order of their names.
pub(crate) fn check_quotas(declared: &mut Declared, demands: &[(Name, ObjectKey, Name)], objects: &[Object]) {
    let judged = |workload: &&Workload| !workload.arrival.existing && !workload.arrival.addon;
    let mut found = Vec::new();
    for workload in declared.workloads.iter().filter(judged) {
        let Some(object) = objects.iter().find(|object| object.key == workload.key) else { continue };
        let own = demands.iter().filter(|(namespace, ..)| *namespace == workload.key.namespace);
        let mut missing: BTreeMap<&ObjectKey, BTreeMap<&Name, BTreeSet<&Name>>> = BTreeMap::new();
        for (_, quota, resource) in own {
            for container in workload.template.all_containers() {
                if !names_resource(container, resource, workload, objects) {
                    let containers = missing.entry(quota).or_default().entry(resource).or_default();
                    containers.insert(&container.name);
                }
            }
        }
        // The first quota that is not met answers.
        let Some((quota, resources)) = missing.into_iter().next() else { continue };
        found.push((workload.key.clone(), quota_refusal(workload, object, quota, &resources)));
    }
    for (key, refusal) in found {
        declared.pod_refusals.entry(key).or_default().push(refusal);
    }
}

fn quota_refusal(
    workload: &Workload,
    object: &Object,
    quota: &ObjectKey,
    resources: &BTreeMap<&Name, BTreeSet<&Name>>,
) -> PodRefusal {
    let mut missing = Vec::new();
    let mut violations = Vec::new();
    let spec = workload.template.location.path.child("spec");
    for (resource, containers) in resources {
        let names: Vec<&str> = containers.iter().map(|name| name.as_str()).collect();
        missing.push(format!("{resource} for: {}", names.join(",")));
        let (part, name) = named_by(resource);
        violations.push(Violation {
            location: object.place.at(&spec.child("containers").0),
            what: format!("no {part} of {name} in {}", names.join(", ")).into(),
            instead: format!("write {part} of {name}").into(),
        });
    }
    PodRefusal {
        by: Refuser::ResourceQuota,
        message: format!("failed quota: {}: must specify {}", quota.name, missing.join("; ")).into(),
        object: Some(Location::object(quota.clone()).at("/spec/hard")),
        violations,
    }
}

/// The part of a container's resources that names what a quota limits, and the name there.
fn named_by(resource: &str) -> (&'static str, &str) {
    match resource.strip_prefix("limits.") {
        Some(name) => ("limits", name),
        None => ("requests", resource.strip_prefix("requests.").unwrap_or(resource)),
    }
}

fn names_resource(container: &Container, resource: &str, workload: &Workload, objects: &[Object]) -> bool {
    let (part, name) = named_by(resource);
    let amounts = if part == "limits" { &container.limits } else { &container.requests };
    amounts.get(name) != 0 || writes(workload, container, &[part, name], objects)
}

/// Whether a container's resources say something, be it zero, which is no absence.
fn writes(workload: &Workload, container: &Container, path: &[&str; 2], objects: &[Object]) -> bool {
    let Some(object) = objects.iter().find(|object| object.key == workload.key) else { return false };
    let list = |list: &str| {
        let containers = workload.template.location.path.child("spec").child(list);
        object.field(&containers.0).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    };
    list("containers").iter().chain(list("initContainers")).any(|written| {
        written.get("name").and_then(Value::as_str) == Some(container.name.as_str())
            && written.pointer(&format!("/resources/{}/{}", path[0], path[1])).is_some()
    })
}

/// CustomResourceDefinitions of Karpenter that do not serve the version that is read.
pub(crate) fn check_crd(object: &Object, reporter: &mut Reporter<'_>) {
    let needed = match object.key.name.as_str() {
        "nodepools.karpenter.sh" | "nodeclaims.karpenter.sh" | "ec2nodeclasses.karpenter.k8s.aws" => "v1",
        "provisioners.karpenter.sh" | "machines.karpenter.sh" | "awsnodetemplates.karpenter.k8s.aws" => {
            let path = FieldPath::of("/metadata/name");
            let message = format!(
                "{} belongs to Karpenter before v0.33 and is read by no version that is modelled",
                object.key.name
            );
            reporter.warning(&path, code::OUTDATED_CRD, message, "install the CRDs of Karpenter v1");
            return;
        }
        _ => return,
    };
    let versions = object.field("/spec/versions").and_then(Value::as_array);
    let served = |version: &Value| {
        version.get("name").and_then(Value::as_str) == Some(needed)
            && version.get("served") != Some(&Value::Bool(false))
    };
    if !versions.is_some_and(|versions| versions.iter().any(served)) {
        let path = FieldPath::of("/spec/versions");
        let message =
            format!("{} does not serve {needed}: objects of that version are refused", object.key.name);
        reporter.warning(&path, code::OUTDATED_CRD, message, "install the CRDs of Karpenter v1");
    }
}

/// Namespaces that are declared, and those that objects live in.
pub(crate) fn add_namespaces(objects: &[&Object], declared: &mut Declared) {
    for object in objects.iter().filter(|object| object.key.kind == Kind::Namespace) {
        let namespace = small::namespace(object);
        declared.namespaces.insert(namespace.name.clone(), namespace);
    }
    let used: BTreeSet<Name> =
        objects.iter().map(|object| object.key.namespace.clone()).filter(|name| !name.is_empty()).collect();
    for name in used {
        declared
            .namespaces
            .entry(name.clone())
            .or_insert_with(|| small::named_namespace(name, Default::default()));
    }
}
