//! `--with PATCH`: what the user wants to have tried.
//!
//! A patch is text in one of these forms, several documents of them included:
//! - a partial object with `apiVersion`, `kind` and `metadata.name`, laid over the object it names ([`crate::merge`]);
//!   one that names no object of the input, and is complete in itself, is added;
//! - JSON patch operations with a target: `{target: {kind, namespace, name}, patch: [{op, path, value}]}`, also as
//!   kustomize writes it (`patch: |-` with operations or a partial object in the text), or a list of those, or a
//!   list of operations with a `target` in the first (it holds until another one is named);
//! - one assignment of the command line ([`crate::assign`]).
//!
//! Whatever its form, a patch becomes [`Edit`]s of the fields that it changes, so that what it does not touch
//! keeps its places.

use std::sync::Arc;

use api::{Problem, Severity};
use cluster::{FieldPath, Kind, ObjectKey};
use serde_json::Value;

use crate::changes::{Change, changes};
use crate::codes;
use crate::edit::{Action, Edit};
use crate::inputs::{Inputs, key_of};
use crate::limits::Limits;
use crate::load::Loader;
use crate::node::{Bytes, child_index};
use crate::pointer;

/// A patch that was read against an input.
#[derive(Clone, Debug)]
pub struct Patch {
    /// What it changes.
    pub edits: Vec<Edit>,
    /// The patch's own text, the objects that it adds, and what is wrong with it.
    pub added: Inputs,
}

impl Inputs {
    /// Reads a patch; `name` is the file it comes from, or the assignment as it was written.
    pub fn patch(&self, name: &str, text: &str) -> Patch {
        let mut reader = Reader { inputs: self, current: self.clone(), faults: Vec::new(), target: None };
        let mut loader = Loader::new(Limits::default());
        if crate::assign::is_assignment(text) {
            loader.add_text(name, String::new());
            let mut added = loader.finish();
            match crate::assign::parse(self, text) {
                Ok(edit) => reader.take(vec![edit]),
                Err(reason) => reader.fault(Bytes::default(), &reason),
            }
            let edits = reader.edits();
            reader.report(&mut added);
            return Patch { edits, added };
        }
        loader.add_text(name, text.to_owned());
        let mut added = loader.finish();
        let is_broken = |problem: &&Problem| problem.code != codes::NOT_AN_OBJECT;
        added.problems = added.problems.iter().filter(is_broken).cloned().collect();
        reader.objects(&mut added);
        for chunk in crate::split::split(text) {
            let mut alias_bytes = Limits::default().alias_bytes;
            let parsed = crate::load::parse_chunk(text, &chunk, &Limits::default(), &mut alias_bytes);
            for document in parsed.unwrap_or_default() {
                reader.operations(&document.built.value, document.built.node.value);
            }
        }
        let edits = reader.edits();
        reader.report(&mut added);
        Patch { edits, added }
    }

    /// The input with a patch applied; what is wrong with it is among the problems.
    #[must_use]
    pub fn with(&self, patch: &Patch) -> Inputs {
        let mut inputs = self.edited(&patch.edits);
        inputs.append(patch.added.clone());
        inputs.reindex();
        inputs
    }
}

struct Reader<'i> {
    inputs: &'i Inputs,
    /// The input with what the patch did so far.
    current: Inputs,
    faults: Vec<(Bytes, String)>,
    target: Option<ObjectKey>,
}

impl Reader<'_> {
    /// Lays partial objects over those they name; leaves in `added` the ones that are new.
    fn objects(&mut self, added: &mut Inputs) {
        for document in &mut added.documents {
            let mut kept = document.as_ref().clone();
            kept.parts.retain(|part| {
                let key = key_of(&part.value);
                if self.current.find(&key).is_some() {
                    self.overlay(&key, part.value.as_ref().clone());
                    return false;
                }
                let complete = is_complete(&key.kind, &part.value);
                if !complete {
                    self.fault(
                        part.node.value,
                        &format!("{key} is not in the input, and is not complete in itself"),
                    );
                }
                complete
            });
            *document = Arc::new(kept);
        }
        added.reindex();
        let notes: Vec<Problem> = added
            .raw_objects()
            .into_iter()
            .map(|object| Problem {
                severity: Severity::Note,
                code: codes::ADDED,
                document: object.document,
                path: object.root,
                message: format!("{} is not in the input: it is added", key_of(&object.value)),
                help: None,
            })
            .collect();
        added.problems.extend(notes);
    }

    fn overlay(&mut self, key: &ObjectKey, mut patch: Value) {
        // What names the object is not part of the change: `namespace: default` need not be written in both.
        if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("name");
            metadata.shift_remove("namespace");
        }
        if let Some(map) = patch.as_object_mut() {
            map.shift_remove("apiVersion");
            map.shift_remove("kind");
            if map.get("$patch").is_some_and(|action| action == "delete") {
                return self.take(vec![Edit {
                    object: key.clone(),
                    path: FieldPath::root(),
                    action: Action::Remove,
                }]);
            }
        }
        self.change(key, |value| {
            crate::merge::merge(value, patch);
            Ok(())
        });
    }

    /// Changes a copy of an object, and takes what is different as edits.
    fn change(&mut self, key: &ObjectKey, change: impl FnOnce(&mut Value) -> Result<(), String>) {
        let Some(part) = self.current.find(key) else {
            return self.fault(Bytes::default(), &format!("{key} is not in the input"));
        };
        let mut new = part.value.as_ref().clone();
        let object = key_of(&part.value);
        match change(&mut new) {
            Ok(()) => {
                let edits = edits_of(&object, &part.value, &new);
                self.take(edits);
            }
            Err(reason) => self.fault(Bytes::default(), &format!("{object}: {reason}")),
        }
    }

    /// Documents that are no objects: operations with targets.
    fn operations(&mut self, value: &Value, at: Bytes) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.operations(item, at)),
            Value::Object(map) if !crate::document::is_object(value) => {
                if let Some(target) = map.get("target") {
                    self.target = self.target_of(target, at);
                }
                match (map.get("patch").or_else(|| map.get("ops")), map.get("op")) {
                    (Some(patch), _) => self.targeted(patch, at),
                    (None, Some(_)) => self.operation(value, at),
                    (None, None) if map.contains_key("target") && map.len() == 1 => {}
                    _ => self.fault(
                        at,
                        "a patch is an object with apiVersion and kind, or has `target` and `patch`",
                    ),
                }
            }
            Value::Object(_) => {}
            _ => self.fault(at, "a patch is an object, or a list of JSON patch operations"),
        }
    }

    fn targeted(&mut self, patch: &Value, at: Bytes) {
        let parsed;
        let patch = match patch {
            Value::String(text) => match crate::rewrite::read_one(text) {
                Some(inner) => {
                    parsed = inner.built.value;
                    &parsed
                }
                None => return self.fault(at, "the text of `patch` is no YAML"),
            },
            other => other,
        };
        match patch {
            Value::Array(operations) => operations.iter().for_each(|operation| self.operation(operation, at)),
            Value::Object(_) => match self.target.clone() {
                Some(key) => self.overlay(&key, patch.clone()),
                None => self.no_target(at),
            },
            _ => self.fault(at, "`patch` is a list of operations, or a partial object"),
        }
    }

    fn operation(&mut self, operation: &Value, at: Bytes) {
        match self.target.clone() {
            Some(key) => self.change(&key, |value| crate::json_patch::apply(value, operation)),
            None => self.no_target(at),
        }
    }

    fn no_target(&mut self, at: Bytes) {
        if self.faults.is_empty() {
            self.fault(at, "a JSON patch needs a `target: {kind, namespace, name}`");
        }
    }

    fn target_of(&mut self, target: &Value, at: Bytes) -> Option<ObjectKey> {
        let text = |key: &str| target.get(key).and_then(Value::as_str).unwrap_or_default();
        let fits = |key: &&ObjectKey| {
            key.kind.as_str() == text("kind")
                && key.name == text("name")
                && (text("namespace").is_empty()
                    || key.namespace == text("namespace")
                    || text("namespace") == "default" && key.namespace.is_empty())
        };
        let found = self.current.keys().find(fits).cloned();
        if found.is_none() {
            let key = ObjectKey::new(Kind::from(text("kind")), text("namespace"), text("name"));
            self.fault(at, &format!("{key} is not in the input"));
        }
        found
    }

    fn take(&mut self, edits: Vec<Edit>) {
        self.current = self.current.edited(&edits);
    }

    fn fault(&mut self, at: Bytes, message: &str) {
        self.faults.push((at, message.to_owned()));
    }

    /// All that the patch changed, field by field.
    fn edits(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (before, after) in self.inputs.documents.iter().zip(&self.current.documents) {
            if Arc::ptr_eq(before, after) {
                continue;
            }
            for part in &before.parts {
                let object = key_of(&part.value);
                match after.parts.iter().find(|other| other.root == part.root) {
                    Some(other) if Arc::ptr_eq(&part.value, &other.value) => {}
                    Some(other) => edits.extend(edits_of(&object, &part.value, &other.value)),
                    None => edits.push(Edit { object, path: FieldPath::root(), action: Action::Remove }),
                }
            }
        }
        edits
    }

    fn report(&mut self, added: &mut Inputs) {
        let refused =
            self.current.problems.split_off(self.inputs.problems.len().min(self.current.problems.len()));
        let faults = std::mem::take(&mut self.faults);
        let messages =
            faults.into_iter().chain(refused.into_iter().map(|problem| (Bytes::default(), problem.message)));
        for (at, message) in messages {
            added.add_fault(at, codes::PATCH, message);
        }
    }
}

/// The edits that turn `old` into `new`.
pub(crate) fn edits_of(object: &ObjectKey, old: &Value, new: &Value) -> Vec<Edit> {
    let mut edits = Vec::new();
    for change in changes(old, new, usize::MAX) {
        let at = pointer_of(old, change.at());
        let edit =
            |path: String, action: Action| Edit { object: object.clone(), path: FieldPath(path), action };
        match change {
            Change::Replace { value, .. } => edits.push(edit(at, Action::Set(value.clone()))),
            Change::InsertKey { key, value, .. } => {
                edits.push(edit(pointer::child(&at, key), Action::Set(value.clone())));
            }
            Change::InsertItem { index, value, .. } => {
                let is_end = pointer::get(old, &at)
                    .and_then(Value::as_array)
                    .is_some_and(|items| items.len() == index);
                if is_end {
                    edits.push(edit(at, Action::Append(value.clone())));
                } else {
                    whole_list(&mut edits, object, at, new);
                }
            }
            Change::Remove { .. } => match pointer::split_last(&at) {
                Some((parent, _)) if pointer::get(old, parent).is_some_and(Value::is_array) => {
                    whole_list(&mut edits, object, parent.to_owned(), new);
                }
                _ => edits.push(edit(at, Action::Remove)),
            },
        }
    }
    edits
}

/// Lists whose items move are set as a whole: the path of one edit must not depend on another.
fn whole_list(edits: &mut Vec<Edit>, object: &ObjectKey, at: String, new: &Value) {
    edits.retain(|edit| edit.path.0 != at && !edit.path.0.starts_with(&format!("{at}/")));
    if let Some(value) = pointer::get(new, &at) {
        let (object, path) = (object.clone(), FieldPath(at));
        edits.push(Edit { object, path, action: Action::Set(value.clone()) });
    }
}

fn pointer_of(value: &Value, steps: &[usize]) -> String {
    let (mut path, mut value) = (String::new(), Some(value));
    for step in steps {
        let segment = match value {
            Some(Value::Object(map)) => map.keys().nth(*step).cloned().unwrap_or_default(),
            _ => step.to_string(),
        };
        path = pointer::child(&path, &segment);
        value = value.and_then(|value| child_index(value, &segment)).map(|(_, inner)| inner);
    }
    path
}

/// Whether an object could be created as it is.
fn is_complete(kind: &Kind, value: &Value) -> bool {
    let has = |pointer: &str| value.pointer(pointer).is_some_and(|value| !value.is_null());
    match kind {
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet => {
            has("/spec/selector") && has("/spec/template/spec/containers/0/image")
        }
        Kind::Job | Kind::ReplicationController => has("/spec/template/spec/containers/0/image"),
        Kind::CronJob => {
            has("/spec/schedule") && has("/spec/jobTemplate/spec/template/spec/containers/0/image")
        }
        Kind::Pod => has("/spec/containers/0/image"),
        Kind::NodePool => {
            has("/spec/template/spec/nodeClassRef/name") && has("/spec/template/spec/requirements")
        }
        Kind::Ec2NodeClass => has("/spec/subnetSelectorTerms") && has("/spec/securityGroupSelectorTerms"),
        Kind::Service => has("/spec/ports") || has("/spec/externalName"),
        Kind::PriorityClass => has("/value"),
        Kind::StorageClass => has("/provisioner"),
        _ => true,
    }
}
