//! A document of the input and the objects in it.

use std::sync::Arc;

use cluster::FieldPath;
use serde_json::Value;

use crate::edit::Action;
use crate::file::FileId;
use crate::node::{Bytes, Node, Style};

/// One document: usually one object, none when it was broken, many when it is a `List`.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it is.
    pub file: FileId,
    /// Its text, with the `---` before it.
    pub bytes: Bytes,
    /// What to show of a document without objects: the place of the fault.
    pub place: Bytes,
    /// Its objects, `List`s unfolded.
    pub parts: Vec<Part>,
    /// The template that Helm says it comes from.
    pub source: Option<String>,
    /// What edits changed since it was read, in order: pointers into the document.
    pub(crate) edits: Vec<(String, Action)>,
}

/// An object of a document.
#[derive(Clone, Debug)]
pub struct Part {
    /// The root of the document, or `/items/N` of a `List`.
    pub root: FieldPath,
    /// The object.
    pub value: Arc<Value>,
    /// Where its fields were written.
    pub node: Arc<Node>,
}

impl Document {
    /// The object that a pointer into the document leads into, and the rest of the pointer.
    pub(crate) fn part_of<'p>(&self, pointer: &'p str) -> Option<(&Part, &'p str)> {
        self.parts.iter().find_map(|part| {
            let rest = pointer.strip_prefix(part.root.0.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((part, rest))
        })
    }
}

/// Whether a value is an object of the API: has `apiVersion` and `kind`.
pub(crate) fn is_object(value: &Value) -> bool {
    ["apiVersion", "kind"]
        .iter()
        .all(|key| value.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty()))
}

/// Unfolds `List`s: what has `items` and a kind that ends in `List` is replaced by its items, to any depth.
///
/// As in `apimachinery` (`unstructured.UnstructuredList`), an item of a `PodList` without `apiVersion` and `kind`
/// is a `Pod` of the list's version.
pub(crate) fn unfold(value: Value, node: Node) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut open = vec![(String::new(), value, node)];
    while let Some((root, mut value, mut node)) = open.pop() {
        let Some((version, kind, position)) = list_of(&value) else {
            parts.push(Part { root: FieldPath(root), value: Arc::new(value), node: Arc::new(node) });
            continue;
        };
        let items = value.get_mut("items").map(Value::take);
        let inner = node.children.get_mut(position).map(|items| std::mem::take(&mut items.children));
        let (Some(Value::Array(items)), inner) = (items, inner.unwrap_or_default()) else { continue };
        let list_value = node.value;
        let mut nodes = inner.into_iter();
        let mut found = Vec::with_capacity(items.len());
        for (index, mut item) in items.into_iter().enumerate() {
            let node = nodes.next().unwrap_or_else(|| Node::leaf(list_value, Style::Alias));
            name_kind(&mut item, &version, &kind);
            found.push((format!("{root}/items/{index}"), item, node));
        }
        open.extend(found.into_iter().rev());
    }
    parts
}

/// The version and item kind of a list, and the position of `items`.
fn list_of(value: &Value) -> Option<(String, String, usize)> {
    let map = value.as_object()?;
    let kind = map.get("kind")?.as_str()?.strip_suffix("List")?;
    let version = map.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let position = map.keys().position(|key| key == "items")?;
    let named = map.get("metadata").and_then(|metadata| metadata.get("name")).is_some();
    let fits = matches!(map.get("items"), Some(Value::Array(_))) && !named;
    fits.then(|| (version.to_owned(), kind.to_owned(), position))
}

fn name_kind(item: &mut Value, version: &str, kind: &str) {
    let Some(map) = item.as_object_mut() else { return };
    if kind.is_empty() || map.contains_key("kind") || map.contains_key("apiVersion") {
        return;
    }
    map.insert("apiVersion".to_owned(), Value::from(version));
    map.insert("kind".to_owned(), Value::from(kind));
}
