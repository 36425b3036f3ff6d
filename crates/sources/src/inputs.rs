//! All that was handed over, and where each of its fields was written.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Problem, RawObject, Severity, generated_name};
use cluster::{FieldPath, Kind, Location, ObjectKey};
use serde_json::Value;

use crate::codes;
use crate::document::{Document, Part};
use crate::edit::Edit;
use crate::file::{File, FileId, Span, to_u32};
use crate::later::{self, Later};
use crate::node::{Bytes, Node, Style};

/// Everything the user handed over. Cheap to clone: texts and documents are shared.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The texts.
    pub files: Vec<Arc<File>>,
    /// The documents, in the order in which they were read; problems point into them.
    pub documents: Vec<Arc<Document>>,
    /// What is wrong with them so far.
    pub problems: Vec<Problem>,
    /// Of objects given twice the later one, as `kubectl apply` leaves it; `api` reports them.
    index: Arc<BTreeMap<ObjectKey, Slot>>,
    /// What only a scenario's steps bring.
    pub(crate) later: Arc<Later>,
}

/// An object's place: document and part.
pub(crate) type Slot = (u32, u32);

impl Inputs {
    pub(crate) fn new(
        files: Vec<Arc<File>>,
        mut documents: Vec<Arc<Document>>,
        problems: Vec<Problem>,
    ) -> Inputs {
        let later = Arc::new(later::hold_back(&files, &mut documents));
        let mut inputs = Inputs { files, documents, problems, index: Arc::default(), later };
        inputs.reindex();
        inputs
    }

    /// The text of a file.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |file| file.text.as_str())
    }

    /// The objects, `List`s unfolded, in order; without those that only a scenario's steps bring.
    pub fn raw_objects(&self) -> Vec<RawObject> {
        let mut objects = Vec::with_capacity(self.documents.len());
        for (document, slot) in self.documents.iter().zip(0u32..) {
            if self.later.held.contains(&slot) {
                continue;
            }
            let parts = document.parts.iter().zip(0u32..);
            for (part, _) in parts.filter(|(_, part)| !self.later.replaced.contains(&(slot, *part))) {
                let (value, root) = (Arc::clone(&part.value), part.root.clone());
                objects.push(RawObject { value, root, document: slot });
            }
        }
        objects
    }

    /// The object with this key. A key without a namespace finds an object in any, one in `default` finds
    /// an object that names none.
    pub fn find(&self, key: &ObjectKey) -> Option<&Part> {
        self.slot(key).and_then(|slot| self.part(slot))
    }

    /// The keys of all objects, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.index.keys()
    }

    /// Where a field was written: its key and value, or those of its nearest ancestor that was written. A list
    /// item has only a value. `None` when the object is not of the input.
    pub fn span(&self, location: &Location) -> Option<Span> {
        let slot = self.slot(&location.object)?;
        self.span_in(slot, &location.path.0)
    }

    /// Where a problem is.
    pub fn problem_span(&self, problem: &Problem) -> Option<Span> {
        self.document_span(problem.document, &problem.path)
    }

    /// Where a field of a document was written.
    pub fn document_span(&self, document: u32, path: &FieldPath) -> Option<Span> {
        let found = self.documents.get(document as usize)?;
        let Some((part, rest)) = found.part_of(&path.0) else {
            let file = self.files.get(found.file.0 as usize)?;
            return Some(file.span(found.file, found.place, found.place));
        };
        let (part, rest) = (part, rest.to_owned());
        self.span_of(found, part, &rest)
    }

    /// The template that Helm says the object comes from.
    pub fn source(&self, key: &ObjectKey) -> Option<&str> {
        let (document, _) = self.slot(key)?;
        self.documents.get(document as usize)?.source.as_deref()
    }

    pub(crate) fn slot(&self, key: &ObjectKey) -> Option<Slot> {
        let key = normal(key.clone());
        if let Some(slot) = self.index.get(&key) {
            return Some(*slot);
        }
        if !key.namespace.is_empty() {
            return None;
        }
        let first = ObjectKey::new(key.kind.clone(), "", "");
        let same_kind = self.index.range(first..).take_while(|(other, _)| other.kind == key.kind);
        same_kind.into_iter().find(|(other, _)| other.name == key.name).map(|(_, slot)| *slot)
    }

    pub(crate) fn part(&self, slot: Slot) -> Option<&Part> {
        self.documents.get(slot.0 as usize)?.parts.get(slot.1 as usize)
    }

    fn span_in(&self, slot: Slot, pointer: &str) -> Option<Span> {
        let document = self.documents.get(slot.0 as usize)?;
        self.span_of(document, document.parts.get(slot.1 as usize)?, pointer)
    }

    fn span_of(&self, document: &Document, part: &Part, pointer: &str) -> Option<Span> {
        let file = self.files.get(document.file.0 as usize)?;
        let (node, _) = part.node.nearest(&part.value, pointer);
        let head = head(&file.text, node, part);
        Some(file.span(document.file, node.whole(), head))
    }

    /// Builds the index anew.
    pub(crate) fn reindex(&mut self) {
        let mut index = BTreeMap::new();
        let mut held = Vec::new();
        for (document, number) in self.documents.iter().zip(0u32..) {
            for (part, inner) in document.parts.iter().zip(0u32..) {
                let (mut key, slot) = (normal(key_of(&part.value)), (number, inner));
                let mut copies = 0_u32;
                while is_generated(&part.value) && index.get(&key).is_some_and(|other| *other != slot) {
                    copies = copies.saturating_add(1);
                    key.name = generated_name(&part.value, copies);
                }
                if self.later.held.contains(&number) {
                    held.push((key, slot));
                } else if !self.later.replaced.contains(&slot) {
                    index.insert(key, slot);
                }
            }
        }
        for (key, slot) in held {
            index.entry(key).or_insert(slot);
        }
        self.index = Arc::new(index);
    }

    /// Adds documents and files behind what is there.
    pub(crate) fn append(&mut self, other: Inputs) {
        let (files, documents) = (to_u32(self.files.len()), to_u32(self.documents.len()));
        self.files.extend(other.files);
        self.documents.extend(other.documents.into_iter().map(|document| {
            let file = FileId(document.file.0.saturating_add(files));
            Arc::new(Document { file, ..Arc::unwrap_or_clone(document) })
        }));
        self.problems.extend(
            other
                .problems
                .into_iter()
                .map(|problem| Problem { document: problem.document.saturating_add(documents), ..problem }),
        );
    }
}

/// An edit that an [`Inputs`] took or refused.
impl Inputs {
    pub(crate) fn refuse(&mut self, edit: &Edit, reason: &str) {
        let (document, root) = match self.slot(&edit.object) {
            Some(slot) => (slot.0, self.part(slot).map(|part| part.root.clone()).unwrap_or_default()),
            None => (u32::MAX, FieldPath::root()),
        };
        self.problems.push(Problem {
            severity: Severity::Error,
            code: codes::PATCH,
            document,
            path: root.join(&edit.path),
            message: format!("{}: {}: {reason}", edit.object, edit.path),
            help: None,
        });
    }
}

impl Inputs {
    /// Notes a fault at a place of the first file.
    pub(crate) fn add_fault(&mut self, place: Bytes, code: &'static str, message: String) {
        let document = to_u32(self.documents.len());
        let parts = Vec::new();
        let broken =
            Document { file: FileId(0), bytes: place, place, parts, source: None, edits: Vec::new() };
        self.documents.push(Arc::new(broken));
        let (severity, path) = (Severity::Error, FieldPath::root());
        self.problems.push(Problem { severity, code, document, path, message, help: None });
    }
}

/// The key of an object, as `api` names it, except that a namespace is what is written.
pub(crate) fn key_of(value: &Value) -> ObjectKey {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let group = text("/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    let kind = match Kind::from(text("/kind")) {
        kind if is_known(&kind, group) => kind,
        _ => Kind::Other(text("/kind").into()),
    };
    let name = match (text("/metadata/name"), text("/metadata/generateName")) {
        ("", "") if matches!(kind, Kind::Cluster | Kind::Scenario) => "profile",
        ("", prefix) => prefix,
        (name, _) => name,
    };
    ObjectKey::new(kind, text("/metadata/namespace"), name)
}

/// The API server makes the name.
pub(crate) fn is_generated(value: &Value) -> bool {
    value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().is_empty()
        && value.pointer("/metadata/generateName").is_some()
}

/// The namespace `default` is where objects go that name none.
fn normal(mut key: ObjectKey) -> ObjectKey {
    if key.namespace == "default" {
        key.namespace = cluster::Name::default();
    }
    key
}

/// Whether the model's kind of that name is of this group; a CloudNativePG `Cluster` is not ours.
fn is_known(kind: &Kind, group: &str) -> bool {
    match kind {
        Kind::Cluster | Kind::Scenario => group == "plimsoll.dev",
        Kind::NodePool | Kind::NodeClaim => group == "karpenter.sh",
        Kind::Ec2NodeClass => group == "karpenter.k8s.aws",
        Kind::EniConfig => group == "crd.k8s.amazonaws.com",
        Kind::SecurityGroupPolicy | Kind::CniNode => group == "vpcresources.k8s.aws",
        Kind::CiliumNode => group == "cilium.io",
        Kind::Other(_) => true,
        _ => !group.contains('.') || group.ends_with(".k8s.io"),
    }
}

/// What to underline of a field that has many lines.
fn head(text: &str, node: &Node, part: &Part) -> Bytes {
    let whole = node.whole();
    let one_line = |bytes: Bytes| {
        let end = crate::file::line_end(text, bytes.start as usize).min(bytes.end as usize);
        Bytes::new(bytes.start as usize, end)
    };
    let is_line = |bytes: Bytes| !text.get(bytes.range()).unwrap_or("").contains('\n');
    if is_line(whole) {
        whole
    } else if !node.key.is_empty() && node.style != Style::Alias {
        node.key
    } else if std::ptr::eq(node, part.node.as_ref()) {
        // The object as a whole: its kind says most.
        let (kind, exact) = part.node.nearest(&part.value, "/kind");
        one_line(if exact { kind.whole() } else { whole })
    } else {
        one_line(whole)
    }
}
