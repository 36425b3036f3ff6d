//! Builds a JSON value and its tree of positions from a stream of events: keys, scalars, starts and ends, aliases.
//!
//! Shared by the YAML and the JSON reader. Everything that YAML has and JSON has not is decided here: merge keys,
//! aliases and what they may expand to, keys that are not strings, keys written twice. Nothing recurses.
//!
//! Merge keys follow `goyaml.v2/decode.go`: `<<` sets what it brings when it is met, so a key written before it is
//! overridden, a key written after it wins.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::codes;
use crate::limits::Limits;
use crate::node::{Bytes, Node, Style};

/// Something wrong at a place of the text.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub code: &'static str,
    pub at: Bytes,
    pub message: String,
    pub help: Option<String>,
    /// Another place that belongs to it: the first of two keys.
    pub first: Option<Bytes>,
}

impl Fault {
    pub(crate) fn new(code: &'static str, at: Bytes, message: impl Into<String>) -> Fault {
        Fault { code, at, message: message.into(), help: None, first: None }
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }
}

/// A document that was read to its end.
#[derive(Debug)]
pub(crate) struct Built {
    pub value: Value,
    pub node: Node,
    /// Keys written twice: the value has the last one.
    pub faults: Vec<Fault>,
}

enum Frame {
    Map { map: Map<String, Value>, key: Option<Key> },
    List { items: Vec<Value> },
}

struct Key {
    text: String,
    at: Bytes,
    merge: bool,
}

struct Open {
    frame: Frame,
    node: Node,
    anchor: usize,
}

struct Anchored {
    value: Value,
    node: Node,
    bytes: u64,
    depth: usize,
}

/// See the module.
pub(crate) struct Builder<'b> {
    limits: &'b Limits,
    alias_bytes_left: &'b mut u64,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Anchored>,
    faults: Vec<Fault>,
    done: Option<(Value, Node)>,
}

impl<'b> Builder<'b> {
    pub(crate) fn new(limits: &'b Limits, alias_bytes_left: &'b mut u64) -> Builder<'b> {
        let (open, anchors, faults) = (Vec::new(), BTreeMap::new(), Vec::new());
        Builder { limits, alias_bytes_left, open, anchors, faults, done: None }
    }

    /// The document, once its last event was given.
    pub(crate) fn finish(self) -> Option<Built> {
        let faults = self.faults;
        self.done.map(|(value, node)| Built { value, node, faults })
    }

    /// Whether the document's root is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.done.is_some()
    }

    /// Whether the next event is a key.
    pub(crate) fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { frame: Frame::Map { key: None, .. }, .. }))
    }

    /// How the innermost open collection is written.
    pub(crate) fn style(&self) -> Option<Style> {
        self.open.last().map(|open| open.node.style)
    }

    /// A key that has an anchor.
    pub(crate) fn anchored_key(&mut self, text: &str, at: Bytes, anchor: usize) -> Result<(), Fault> {
        self.remember(anchor, &Value::from(text), &Node::leaf(at, Style::Plain))
    }

    /// A key. `merge`: it is an unquoted `<<`.
    pub(crate) fn key(&mut self, text: String, at: Bytes, merge: bool) {
        if let Some(Open { frame: Frame::Map { key, .. }, node, .. }) = self.open.last_mut() {
            if node.children.is_empty() && node.style == Style::BlockMap {
                node.value.start = at.start;
            }
            node.value.end = node.value.end.max(at.end);
            *key = Some(Key { text, at, merge });
        }
    }

    /// A scalar that is not a key.
    pub(crate) fn scalar(
        &mut self,
        value: Value,
        at: Bytes,
        style: Style,
        anchor: usize,
    ) -> Result<(), Fault> {
        self.complete(value, Node::leaf(at, style), anchor)
    }

    /// A map or a list begins.
    pub(crate) fn start(
        &mut self,
        is_map: bool,
        at: Bytes,
        style: Style,
        anchor: usize,
    ) -> Result<(), Fault> {
        if self.open.len() >= self.limits.depth {
            return Err(too_deep(at, self.limits.depth));
        }
        if self.expects_key() {
            return Err(Fault::new(codes::SYNTAX, at, "a key must be a scalar, not a map or a list"));
        }
        let frame = if is_map {
            Frame::Map { map: Map::new(), key: None }
        } else {
            Frame::List { items: Vec::new() }
        };
        self.open.push(Open { frame, node: Node::leaf(at, style), anchor });
        Ok(())
    }

    /// The innermost map or list ends; `at` is its closing bracket, if it has one.
    pub(crate) fn end(&mut self, at: Option<Bytes>) -> Result<(), Fault> {
        let Some(Open { frame, mut node, anchor }) = self.open.pop() else { return Ok(()) };
        if let Some(at) = at {
            node.value.end = node.value.end.max(at.end);
        }
        node.children.shrink_to_fit();
        let value = match frame {
            Frame::Map { map, .. } => Value::Object(map),
            Frame::List { items } => Value::Array(items),
        };
        self.complete(value, node, anchor)
    }

    /// `*name`, for the anchor with this number.
    pub(crate) fn alias(&mut self, anchor: usize, at: Bytes) -> Result<(), Fault> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Fault::new(codes::SYNTAX, at, "the alias stands inside what it names"));
        };
        if self.open.len() + anchored.depth > self.limits.depth {
            return Err(too_deep(at, self.limits.depth));
        }
        if *self.alias_bytes_left < anchored.bytes {
            return Err(too_many_aliases(at, self.limits));
        }
        *self.alias_bytes_left -= anchored.bytes;
        let value = anchored.value.clone();
        if self.expects_key() {
            let text = crate::scalar::key_text(value).ok_or_else(|| {
                Fault::new(codes::SYNTAX, at, "a key must be a scalar, not a map or a list")
            })?;
            self.key(text, at, false);
            return Ok(());
        }
        let mut node = anchored.node.clone();
        (node.value, node.style, node.key) = (at, Style::Alias, Bytes::default());
        self.complete(value, node, 0)
    }

    fn complete(&mut self, value: Value, mut node: Node, anchor: usize) -> Result<(), Fault> {
        if anchor != 0 {
            self.remember(anchor, &value, &node)?;
        }
        let Some(open) = self.open.last_mut() else {
            self.done = Some((value, node));
            return Ok(());
        };
        open.node.value.end = open.node.value.end.max(node.value.end);
        match &mut open.frame {
            Frame::List { items } => {
                items.push(value);
                open.node.children.push(node);
            }
            Frame::Map { map, key } => {
                let Some(key) = key.take() else { return Ok(()) };
                if key.merge {
                    return merge(map, &mut open.node.children, value, node);
                }
                node.key = key.at;
                insert(map, &mut open.node.children, key.text, value, node, &mut self.faults);
            }
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, value: &Value, node: &Node) -> Result<(), Fault> {
        let (bytes, depth) = measure(value);
        if *self.alias_bytes_left < bytes {
            return Err(too_many_aliases(node.value, self.limits));
        }
        *self.alias_bytes_left -= bytes;
        self.anchors.insert(anchor, Anchored { value: value.clone(), node: node.clone(), bytes, depth });
        Ok(())
    }
}

fn insert(
    map: &mut Map<String, Value>,
    children: &mut Vec<Node>,
    key: String,
    value: Value,
    node: Node,
    faults: &mut Vec<Fault>,
) {
    const MOST_FAULTS: usize = 20;
    if !map.contains_key(&key) {
        map.insert(key, value);
        children.push(node);
        return;
    }
    let before = map.keys().position(|known| *known == key).and_then(|index| children.get_mut(index));
    if let Some(before) = before {
        if !before.merged && faults.len() < MOST_FAULTS {
            let fault =
                Fault::new(codes::DUPLICATE_KEY, node.key, format!("the key `{key}` is written twice"));
            faults.push(Fault { first: Some(before.key), ..fault });
        }
        *before = node;
    }
    map.insert(key, value);
}

/// `<<: map` or `<<: [map, map]`, where an earlier map of the list wins.
fn merge(
    map: &mut Map<String, Value>,
    children: &mut Vec<Node>,
    value: Value,
    node: Node,
) -> Result<(), Fault> {
    let at = node.value;
    let not_a_map = || Fault::new(codes::SYNTAX, at, "`<<` takes a map, or a list of maps");
    match value {
        Value::Object(entries) => merge_one(map, children, entries, node.children),
        Value::Array(items) => {
            for (item, node) in items.into_iter().zip(node.children).rev() {
                let Value::Object(entries) = item else { return Err(not_a_map()) };
                merge_one(map, children, entries, node.children);
            }
        }
        _ => return Err(not_a_map()),
    }
    Ok(())
}

fn merge_one(
    map: &mut Map<String, Value>,
    children: &mut Vec<Node>,
    entries: Map<String, Value>,
    nodes: Vec<Node>,
) {
    for ((key, value), mut node) in entries.into_iter().zip(nodes) {
        node.merged = true;
        match map.keys().position(|known| *known == key) {
            Some(index) => {
                if let Some(before) = children.get_mut(index) {
                    *before = node;
                }
            }
            None => children.push(node),
        }
        map.insert(key, value);
    }
}

/// What a copy of `value` costs, about, in bytes; and how deep it is. Recursion is bounded by the depth limit.
fn measure(value: &Value) -> (u64, usize) {
    const VALUE_BYTES: u64 = 80;
    let inner = |values: &mut dyn Iterator<Item = (usize, &Value)>| {
        values.fold((VALUE_BYTES, 1), |(bytes, depth), (key, value)| {
            let (inner_bytes, inner_depth) = measure(value);
            (bytes + inner_bytes + key as u64, depth.max(inner_depth + 1))
        })
    };
    match value {
        Value::Object(map) => inner(&mut map.iter().map(|(key, value)| (key.len(), value))),
        Value::Array(items) => inner(&mut items.iter().map(|value| (0, value))),
        Value::String(text) => (VALUE_BYTES + text.len() as u64, 0),
        Value::Null | Value::Bool(_) | Value::Number(_) => (VALUE_BYTES, 0),
    }
}

/// Nested too deeply.
pub(crate) fn too_deep(at: Bytes, depth: usize) -> Fault {
    Fault::new(codes::TOO_LARGE, at, format!("nested more than {depth} levels deep"))
}

fn too_many_aliases(at: Bytes, limits: &Limits) -> Fault {
    let most = limits.alias_bytes >> 20;
    Fault::new(codes::TOO_LARGE, at, format!("anchors and aliases expand to more than {most} MiB"))
        .help("write the values out, or split the file")
}
