//! Objects that the input names and does not hold.
//!
//! **The rule.** The input is often a part of a cluster: classes come with Terraform, service accounts with eksctl,
//! Secrets with operators. A name that somebody wrote is evidence that the object exists, so it is taken to exist,
//! and a warning says what happens if it does not:
//!
//! | named, not in the input | taken to be |
//! |---|---|
//! | ServiceAccount, PriorityClass, RuntimeClass, StorageClass | there, with a warning |
//! | StorageClass | beside that: with the cluster's own driver, waiting for its first consumer |
//! | ConfigMap, Secret (optional or not), Namespace | there, without a word: nearly every input leaves some out |
//! | PersistentVolumeClaim | missing: its zone and its driver decide, and it belongs to what uses it |
//!
//! Absent is only what is known to be: what comes in a later wave ([`crate::late`]; service accounts and priority
//! classes by the simulation); a kind of which the input is a dump of the cluster (objects of it have a uid), for
//! service accounts in that namespace; a class whose name is the system's and that no user can make. Always there are
//! the service account `default`, the two system priority classes, and the classes that a provider brings.
//!
//! A default that nobody wrote is no evidence: EKS brings no default StorageClass since 1.30, and claims that name
//! none stay unbound there.
//!
//! The messages are those of `kubernetes/kubernetes` v1.36 `plugin/pkg/admission/{serviceaccount,priority,
//! runtimeclass}`.

use std::collections::{BTreeMap, BTreeSet};

use cluster::admission::{PodRefusal, Refuser, Violation};
use cluster::role::Program;
use cluster::storage::StorageClass;
use cluster::template::PodVolume;
use cluster::{Declared, FieldPath, Kind, Location, Name, ObjectKey, Workload};
use serde_json::Value;

use crate::object::Object;
use crate::problem::{Problems, Reporter};
use crate::{code, suggest};

/// The driver of a class of which nothing is known but its name: it is taken to work everywhere.
const UNKNOWN_DRIVER: &str = "an unknown driver";

/// A reference from an object to one that the input does not hold.
struct Reference {
    from: ObjectKey,
    at: FieldPath,
    to: ObjectKey,
}

/// Finds them, refuses the pods whose objects are known to be absent, takes the others to exist and says so.
pub(crate) fn check(objects: &[&Object], declared: &mut Declared, problems: &mut Problems) {
    let known = Known::of(objects);
    let by_key: BTreeMap<&ObjectKey, &Object> = objects.iter().map(|object| (&object.key, *object)).collect();
    let mut assumed: BTreeMap<ObjectKey, Vec<Reference>> = BTreeMap::new();
    let mut refusals = Vec::new();
    for workload in &declared.workloads {
        let Some(object) = by_key.get(&workload.key) else { continue };
        for (by, reference) in references(workload, object, declared, &known) {
            if known.is_absent(&reference.to) {
                refusals.push((workload.key.clone(), refusal(by, &reference, object)));
            } else if !object.live && !object.addon {
                assumed.entry(reference.to.clone()).or_default().push(reference);
            }
        }
    }
    for (key, refusal) in refusals {
        declared.pod_refusals.entry(key).or_default().push(refusal);
    }
    for reference in classes_of_claims(declared, &by_key) {
        if !known.is_absent(&reference.to) {
            assumed.entry(reference.to.clone()).or_default().push(reference);
        }
    }
    for (to, references) in &assumed {
        if to.kind == Kind::StorageClass {
            declared.storage_classes.push(assumed_class(to, &references[0], declared));
        }
        say(to, references, objects, problems);
    }
}

/// What the input is known to hold all of.
struct Known<'a> {
    keys: BTreeSet<&'a ObjectKey>,
    /// Kinds and namespaces of which objects come from a cluster.
    dumped: BTreeSet<(&'a Kind, &'a Name)>,
}

impl<'a> Known<'a> {
    fn of(objects: &[&'a Object]) -> Known<'a> {
        let live = objects.iter().filter(|object| object.live);
        Known {
            keys: objects.iter().map(|object| &object.key).collect(),
            dumped: live.map(|object| (&object.key.kind, &object.key.namespace)).collect(),
        }
    }

    fn is_absent(&self, key: &ObjectKey) -> bool {
        let reserved = key.kind == Kind::PriorityClass && key.name.starts_with("system-");
        reserved || self.dumped.contains(&(&key.kind, &key.namespace))
    }
}

fn runtime_class(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Other("RuntimeClass".into()), "", name)
}

/// What a workload's pods name and the input does not hold, with the check that asks for it.
fn references(
    workload: &Workload,
    object: &Object,
    declared: &Declared,
    known: &Known<'_>,
) -> Vec<(Refuser, Reference)> {
    let template = &workload.template;
    let spec = crate::pod_security::template_path(&workload.key.kind).child("spec");
    let mut found = Vec::new();
    let mut add = |by, field: &str, to: ObjectKey| {
        if !known.keys.contains(&to) {
            let (from, at) = (workload.key.clone(), spec.child(field));
            found.push((by, Reference { from, at, to }));
        }
    };
    let account = &template.service_account;
    if account != "default" {
        let key = ObjectKey::new(Kind::ServiceAccount, workload.key.namespace.clone(), account.clone());
        add(Refuser::ServiceAccount, "serviceAccountName", key);
    }
    let class = &template.priority_class;
    if !class.is_empty() && !declared.priority_classes.contains_key(class) {
        add(Refuser::Priority, "priorityClassName", ObjectKey::new(Kind::PriorityClass, "", class.clone()));
    }
    let runtime = object.field(&spec.child("runtimeClassName").0).and_then(Value::as_str);
    if let Some(name) = runtime {
        add(Refuser::RuntimeClass, "runtimeClassName", runtime_class(name));
    }
    found
}

fn refusal(by: Refuser, reference: &Reference, object: &Object) -> PodRefusal {
    let ObjectKey { kind, namespace, name } = &reference.to;
    let message = match by {
        Refuser::ServiceAccount => format!(
            "error looking up service account {namespace}/{name}: serviceaccount {:?} not found",
            name.as_str()
        ),
        Refuser::Priority => format!("no PriorityClass with name {name} was found"),
        _ => format!("pod rejected: {kind} {:?} not found", name.as_str()),
    };
    let violation = Violation {
        location: object.place.at(&reference.at.0),
        what: format!("{} does not exist", reference.to).into(),
        instead: format!("add {}, or name one that exists", reference.to).into(),
    };
    PodRefusal { by, message: message.into(), object: None, violations: vec![violation] }
}

/// Classes that claims and claim templates name and that are not there. A claim that has its volume, or a volume
/// written for its class, needs no class.
fn classes_of_claims(declared: &Declared, by_key: &BTreeMap<&ObjectKey, &Object>) -> Vec<Reference> {
    let missing = |class: &Name| {
        let static_volume =
            || declared.volumes.iter().any(|volume| volume.storage_class.as_ref() == Some(class));
        !class.is_empty() && declared.storage_class(class).is_none() && !static_volume()
    };
    let key = |class: &Name| ObjectKey::new(Kind::StorageClass, "", class.clone());
    let mut found = Vec::new();
    for claim in declared.volume_claims.iter().filter(|claim| claim.volume.is_none()) {
        if let Some(class) = claim.storage_class.as_ref().filter(|class| missing(class)) {
            let (from, at) = (claim.location.object.clone(), FieldPath::of("/spec/storageClassName"));
            found.push(Reference { from, at, to: key(class) });
        }
    }
    for workload in &declared.workloads {
        for volume in &workload.template.volumes {
            let PodVolume::Template { name, storage_class: Some(class), stateful } = volume else { continue };
            let object = by_key.get(&workload.key).filter(|_| missing(class));
            let Some(object) = object else { continue };
            let at = template_class(object, name, *stateful);
            found.push(Reference { from: workload.key.clone(), at, to: key(class) });
        }
    }
    found
}

/// Where a claim template of a workload names its class.
fn template_class(object: &Object, name: &str, stateful: bool) -> FieldPath {
    let spec = crate::pod_security::template_path(&object.key.kind).child("spec");
    let (list, named, tail) = match stateful {
        true => (FieldPath::of("/spec/volumeClaimTemplates"), "/metadata/name", "/spec/storageClassName"),
        false => (spec.child("volumes"), "/name", "/ephemeral/volumeClaimTemplate/spec/storageClassName"),
    };
    let items = object.field(&list.0).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let own = |item: &Value| item.pointer(named).and_then(Value::as_str) == Some(name);
    match items.iter().position(own) {
        Some(index) => list.child(index).join(&FieldPath::of(tail)),
        None => list,
    }
}

/// The class as it is taken to be.
fn assumed_class(key: &ObjectKey, reference: &Reference, declared: &Declared) -> StorageClass {
    let has_ebs =
        declared.workloads.iter().any(|workload| workload.template.role.program == Program::EbsCsiController);
    StorageClass {
        name: key.name.clone(),
        location: Location { object: reference.from.clone(), path: reference.at.clone() },
        provisioner: if has_ebs { "ebs.csi.aws.com" } else { UNKNOWN_DRIVER }.into(),
        wait_for_consumer: true,
        is_default: false,
        allowed_topologies: Vec::new(),
    }
}

/// One warning for an object, where it is first named.
fn say(to: &ObjectKey, references: &[Reference], objects: &[&Object], problems: &mut Problems) {
    let first = &references[0];
    let Some(object) = objects.iter().find(|object| object.key == first.from) else { return };
    let users: BTreeSet<&ObjectKey> = references.iter().map(|reference| &reference.from).collect();
    let more = if users.len() > 1 { format!(" and {} more", users.len() - 1) } else { String::new() };
    let (what, becomes) = match to.kind {
        Kind::StorageClass => ("claims", "stay unbound"),
        _ => ("pods", "be refused"),
    };
    let message = format!(
        "{to} is not in the input and is taken to exist; without it the {what} of {}{more} would {becomes}",
        first.from
    );
    let same_kind = objects.iter().map(|object| &object.key);
    let same_kind = same_kind.filter(|key| key.kind == to.kind && key.namespace == to.namespace);
    let help = suggest::did_you_mean(&to.name, same_kind.map(|key| key.name.as_str()))
        .unwrap_or_else(|| format!("add {to} to the input, where it does not come from elsewhere"));
    let code = match to.kind {
        Kind::PriorityClass => code::UNKNOWN_PRIORITY_CLASS,
        _ => code::UNKNOWN_REFERENCE,
    };
    Reporter::new(problems, object).warning(&first.at, code, message, help);
}

#[cfg(test)]
mod tests {
    use crate::testing::{lowered, shown};

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {serviceAccountName: sa, priorityClassName: high, runtimeClassName: kata, containers: [{name: a, image: a}]}\n";

    fn dumped(kind: &str, api: &str, more: &str) -> String {
        format!("---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: other, uid: u}}\n{more}\n")
    }

    #[test]
    fn what_the_input_does_not_hold_is_taken_to_exist() {
        let lowered = lowered(POD);
        assert!(lowered.declared.pod_refusals.is_empty());
        let codes: Vec<_> = lowered.problems.iter().map(|problem| (problem.severity, problem.code)).collect();
        let warning = crate::Severity::Warning;
        assert_eq!(
            codes,
            [(warning, "CONF108"), (warning, "CONF115"), (warning, "CONF115")],
            "{}",
            shown(&lowered.problems)
        );
    }

    #[test]
    fn what_a_dump_does_not_hold_is_absent() {
        let dump = [
            dumped("ServiceAccount", "v1", ""),
            dumped("PriorityClass", "scheduling.k8s.io/v1", "value: 1"),
            dumped("RuntimeClass", "node.k8s.io/v1", "handler: a"),
        ];
        let lowered = lowered(&format!("{POD}{}", dump.concat()));
        assert_eq!(shown(&lowered.problems), "");
        let refusals = lowered.declared.pod_refusals.values().flatten();
        let messages: Vec<&str> = refusals.map(|refusal| refusal.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "error looking up service account default/sa: serviceaccount \"sa\" not found",
                "no PriorityClass with name high was found",
                "pod rejected: RuntimeClass \"kata\" not found",
            ]
        );
    }

    #[test]
    fn a_class_that_no_user_can_make_is_absent() {
        let lowered = lowered(&POD.replace("high", "system-pod-critical"));
        assert_eq!(lowered.declared.pod_refusals.len(), 1);
    }

    #[test]
    fn a_storage_class_of_elsewhere_waits_for_its_consumer() {
        let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {storageClassName: fast, accessModes: [ReadWriteOnce]}\n";
        let taken = lowered(claim);
        assert!(taken.declared.storage_class("fast").is_some_and(|class| class.wait_for_consumer));
        assert_eq!(taken.problems[0].code, "CONF115");
        let dump = dumped("StorageClass", "storage.k8s.io/v1", "provisioner: a");
        assert!(lowered(&format!("{claim}{dump}")).declared.storage_class("fast").is_none());
        let volume = "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v}\nspec: {storageClassName: fast, nfs: {server: a, path: /}}\n";
        let manual = lowered(&format!("{claim}{volume}"));
        assert!(manual.declared.storage_class("fast").is_none() && manual.problems.is_empty());
    }
}
