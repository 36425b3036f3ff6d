//! Where every value of a document was written: a tree that runs parallel to the JSON value.
//!
//! A node's children stand in the order of the map's keys or the list's items. They may be fewer than the value
//! has (an edit adds values that were never written): what has no node is where its parent is.

use std::ops::Range;

use serde_json::Value;

use crate::file::to_u32;
use crate::pointer::segments;

/// A stretch of a file's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Nothing is written: `key:` or `- `.
    Empty,
    /// A scalar without quotes.
    Plain,
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
    /// `|` or `>`.
    Block,
    /// An indented map.
    BlockMap,
    /// Items with dashes.
    BlockList,
    /// `{…}`.
    FlowMap,
    /// `[…]`.
    FlowList,
    /// A map without braces inside `[…]`: `[a: b]`.
    FlowPair,
    /// `*name`: the children are where the anchor is.
    Alias,
}

/// Where one value was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// The key; empty for list items and for the root.
    pub key: Bytes,
    /// The value, without the space around it.
    pub value: Bytes,
    /// How it is written.
    pub style: Style,
    /// Written elsewhere and merged in by `<<`: the spans are those of the anchor.
    pub merged: bool,
    /// The values inside.
    pub children: Vec<Node>,
}

impl Bytes {
    pub(crate) fn new(start: usize, end: usize) -> Bytes {
        Bytes { start: to_u32(start), end: to_u32(end.max(start)) }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// From the start of this to the end of `other`.
    pub(crate) fn to(self, other: Bytes) -> Bytes {
        Bytes { start: self.start, end: other.end.max(self.start) }
    }
}

impl Style {
    pub(crate) fn is_flow(self) -> bool {
        matches!(self, Style::FlowMap | Style::FlowList | Style::FlowPair)
    }
}

impl Node {
    /// A value without children.
    pub(crate) fn leaf(value: Bytes, style: Style) -> Node {
        Node { key: Bytes::default(), value, style, merged: false, children: Vec::new() }
    }

    /// Key and value together; the value alone where there is no key, or the value stands before its key
    /// (an alias).
    pub fn whole(&self) -> Bytes {
        if self.key.is_empty() || self.key.start > self.value.start {
            self.value
        } else {
            self.key.to(self.value)
        }
    }

    /// The node of `pointer`, or of its nearest ancestor that was written, and whether it is the one itself.
    pub(crate) fn nearest<'a>(&'a self, value: &Value, pointer: &str) -> (&'a Node, bool) {
        let (mut node, mut value) = (self, value);
        for segment in segments(pointer) {
            let found = child_index(value, &segment)
                .and_then(|(index, inner)| node.children.get(index).map(|child| (child, inner)));
            match found {
                Some((child, inner)) => (node, value) = (child, inner),
                None => return (node, false),
            }
        }
        (node, true)
    }
}

/// The position of a key or an index inside `value`, and what is there.
pub(crate) fn child_index<'a>(value: &'a Value, segment: &str) -> Option<(usize, &'a Value)> {
    match value {
        Value::Object(map) => map
            .iter()
            .enumerate()
            .find(|(_, (key, _))| *key == segment)
            .map(|(index, (_, inner))| (index, inner)),
        Value::Array(items) => {
            let index = crate::pointer::index(segment)?;
            items.get(index).map(|inner| (index, inner))
        }
        _ => None,
    }
}
