//! All that was handed over, and where each of its fields was written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::{Problem, RawObject, Severity};
use cluster::{FieldPath, Kind, Location, Name, ObjectKey};
use serde_json::Value;

use crate::codes;
use crate::document::{Document, Part};
use crate::edit::Edit;
use crate::file::{File, FileId, Span, to_u32};
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
    index: Arc<Index>,
}

/// An object's place: document and part.
pub(crate) type Slot = (u32, u32);

#[derive(Debug, Default)]
struct Index {
    by_key: BTreeMap<ObjectKey, Slot>,
    /// Objects that a later one replaces.
    replaced: BTreeSet<Slot>,
}

impl Inputs {
    pub(crate) fn new(
        files: Vec<Arc<File>>,
        documents: Vec<Arc<Document>>,
        problems: Vec<Problem>,
    ) -> Inputs {
        let mut inputs = Inputs { files, documents, problems, index: Arc::default() };
        let replaced = inputs.reindex();
        inputs.problems.extend(replaced);
        inputs
    }

    /// The text of a file.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |file| file.text.as_str())
    }

    /// The objects, `List`s unfolded, in order; of objects given twice the later one.
    pub fn raw_objects(&self) -> Vec<RawObject> {
        let mut objects = Vec::with_capacity(self.documents.len());
        for (document, slot) in self.documents.iter().zip(0u32..) {
            for (part, number) in document.parts.iter().zip(0u32..) {
                if !self.index.replaced.contains(&(slot, number)) {
                    let (value, root) = (Arc::clone(&part.value), part.root.clone());
                    objects.push(RawObject { value, root, document: slot });
                }
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
        self.index.by_key.keys()
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
        if let Some(slot) = self.index.by_key.get(&key) {
            return Some(*slot);
        }
        if !key.namespace.is_empty() {
            return None;
        }
        let first = ObjectKey::new(key.kind.clone(), "", "");
        let same_kind = self.index.by_key.range(first..).take_while(|(other, _)| other.kind == key.kind);
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

    /// Builds the index anew; gives a warning for each object that a later one replaces.
    pub(crate) fn reindex(&mut self) -> Vec<Problem> {
        let mut index = Index::default();
        let mut last: BTreeMap<(ObjectKey, Name), Slot> = BTreeMap::new();
        let mut problems = Vec::new();
        for (document, number) in self.documents.iter().zip(0u32..) {
            for (part, inner) in document.parts.iter().zip(0u32..) {
                let slot = (number, inner);
                let (key, group) = (normal(key_of(&part.value)), group_of(&part.value));
                if key.name.is_empty() {
                    continue;
                }
                // Two profiles are an error that `api` reports.
                if group != "plimsoll.dev"
                    && let Some(before) = last.insert((key.clone(), group.clone()), slot)
                {
                    index.replaced.insert(before);
                    problems.push(self.replaced(&key, before, slot));
                }
                enter(&mut index.by_key, key, &group, slot, &self.documents);
            }
        }
        self.index = Arc::new(index);
        problems
    }

    fn replaced(&self, key: &ObjectKey, before: Slot, after: Slot) -> Problem {
        let place =
            self.span_in(after, "").map(|span| format!("{}:{}", span.name, span.line)).unwrap_or_default();
        let path = self.part(before).map(|part| part.root.clone()).unwrap_or_default();
        Problem {
            severity: Severity::Warning,
            code: codes::DUPLICATE_OBJECT,
            document: before.0,
            path,
            message: format!("{key} is given again in {place}, which replaces this one"),
            help: None,
        }
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

/// The key of an object, as far as its own text says it.
pub(crate) fn key_of(value: &Value) -> ObjectKey {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    ObjectKey::new(Kind::from(text("/kind")), text("/metadata/namespace"), text("/metadata/name"))
}

fn group_of(value: &Value) -> Name {
    let version = value.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    version.rsplit_once('/').map_or("", |(group, _)| group).into()
}

/// The namespace `default` is where objects go that name none.
fn normal(mut key: ObjectKey) -> ObjectKey {
    if key.namespace == "default" {
        key.namespace = Name::default();
    }
    key
}

/// Enters an object; where kinds of several API groups share a name, the group that the model knows wins.
fn enter(
    by_key: &mut BTreeMap<ObjectKey, Slot>,
    key: ObjectKey,
    group: &str,
    slot: Slot,
    documents: &[Arc<Document>],
) {
    let known_before = by_key.get(&key).is_some_and(|before| {
        let part =
            documents.get(before.0 as usize).and_then(|document| document.parts.get(before.1 as usize));
        part.is_some_and(|part| is_known(&key.kind, &group_of(&part.value)))
    });
    if is_known(&key.kind, group) || !known_before {
        by_key.insert(key, slot);
    }
}

/// Whether the model's kind of that name is of this group.
fn is_known(kind: &Kind, group: &str) -> bool {
    match kind {
        Kind::Cluster | Kind::Scenario => group == "plimsoll.dev",
        Kind::NodePool | Kind::NodeClaim => group == "karpenter.sh",
        Kind::Other(_) => true,
        _ => {
            !group.contains('.')
                || group.ends_with(".k8s.io")
                || [".aws", ".amazonaws.com", "cilium.io"].iter().any(|end| group.ends_with(end))
        }
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
