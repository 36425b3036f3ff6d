//! Edits as changes to the user's own files.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::builder::Built;
use crate::document::Document;
use crate::edit::{Action, Edit, apply};
use crate::file::FileId;
use crate::inputs::Inputs;
use crate::load::Parsed;
use crate::node::Node;
use crate::rewrite::{read_one, rewrite, write};

/// What edits do to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiff {
    /// Which file; past the end of the input's files for one that does not exist yet.
    pub file: FileId,
    /// Its name, as it is printed.
    pub name: String,
    /// The text before: with the edits that the input already carries.
    pub old: String,
    /// The text after.
    pub new: String,
}

impl FileDiff {
    /// A unified diff with three lines of context, as `git apply` and `patch -p1` take it.
    pub fn unified(&self) -> String {
        let diff = similar::TextDiff::from_lines(&self.old, &self.new);
        let before = if self.old.is_empty() { "/dev/null".to_owned() } else { format!("a/{}", self.name) };
        let after = if self.new.is_empty() { "/dev/null".to_owned() } else { format!("b/{}", self.name) };
        diff.unified_diff().context_radius(3).header(&before, &after).to_string()
    }
}

type Splices = Vec<(Range<usize>, String)>;

impl Inputs {
    /// What these edits change in the files, in file order: only the lines that have to change. Edits that the
    /// input already carries belong to the text before.
    pub fn diff(&self, edits: &[Edit]) -> Vec<FileDiff> {
        let edited = self.edited(edits);
        let mut touched: BTreeMap<FileId, (Splices, Splices)> = BTreeMap::new();
        for (index, after) in edited.documents.iter().enumerate() {
            let before = self.documents.get(index);
            if before.is_some_and(|before| Arc::ptr_eq(before, after)) && after.edits.is_empty() {
                continue;
            }
            let original = self.text(after.file).get(after.bytes.range()).unwrap_or("");
            let old = before.map_or_else(String::new, |before| current(original, before));
            let new = current(original, after);
            let (olds, news) = touched.entry(after.file).or_default();
            olds.push((after.bytes.range(), old));
            news.push((after.bytes.range(), new));
        }
        let diffs = touched.into_iter().filter_map(|(file, (olds, news))| {
            let name = edited.files.get(file.0 as usize)?.name.clone();
            let (old, new) = (put(self.text(file), olds), put(self.text(file), news));
            (old != new).then_some(FileDiff { file, name, old, new })
        });
        diffs.collect()
    }
}

fn put(text: &str, mut splices: Splices) -> String {
    splices.sort_by_key(|(range, _)| range.start);
    crate::splice::put(text, &splices).unwrap_or_else(|| text.to_owned())
}

/// A document's text with the edits that it carries.
fn current(original: &str, document: &Document) -> String {
    if document.edits.is_empty() {
        return original.to_owned();
    }
    let parsed = read_one(original);
    let is_gone = document.edits.iter().any(|(path, action)| path.is_empty() && *action == Action::Remove);
    if is_gone {
        return String::new();
    }
    let Some(Parsed { built: Built { mut value, mut node, .. }, .. }) = parsed else {
        // A document that only edits made: its last root is all there is.
        let mut value = Value::Null;
        let mut node = Node::leaf(crate::Bytes::default(), crate::Style::Empty);
        replay(&mut value, &mut node, document);
        return write(&value);
    };
    replay(&mut value, &mut node, document);
    rewrite(original, &value)
}

fn replay(value: &mut Value, node: &mut Node, document: &Document) {
    let is_item = |path: &str| !document.parts.iter().any(|part| part.root.0 == path);
    let (gone, kept): (Vec<_>, Vec<_>) = document
        .edits
        .iter()
        .partition(|(path, action)| *action == Action::Remove && is_list_item(path) && is_item(path));
    for (path, action) in kept {
        // What did not fit was refused when the edit was made.
        let _ = apply(value, node, path, action);
    }
    // Items of a `List` go last and from behind, so that the paths of the others hold.
    let mut gone: Vec<&String> = gone.into_iter().map(|(path, _)| path).collect();
    gone.sort_by_key(|path| std::cmp::Reverse(indexes(path)));
    for path in gone {
        let _ = apply(value, node, path, &Action::Remove);
    }
}

/// `/items/3`, `/items/3/items/0`.
fn is_list_item(path: &str) -> bool {
    !path.is_empty()
        && path
            .split('/')
            .skip(1)
            .collect::<Vec<_>>()
            .chunks(2)
            .all(|pair| pair.len() == 2 && pair[0] == "items")
}

fn indexes(path: &str) -> Vec<usize> {
    path.split('/').filter_map(crate::pointer::index).collect()
}
