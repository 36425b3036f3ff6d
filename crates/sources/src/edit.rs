//! Changes to the input as values: what a remedy proposes and what `--with` asks for.
//!
//! An edit replaces nothing but what it names: the other fields keep their places in the files, and documents that
//! no edit touches are shared with the input they came from.

use std::sync::Arc;

use cluster::{FieldPath, ObjectKey};
use serde_json::{Map, Value};

use crate::document::{Document, Part};
use crate::file::{File, FileId, to_u32};
use crate::inputs::{Inputs, key_of};
use crate::node::{Bytes, Node, Style, child_index};
use crate::pointer;

/// The file that objects which only an edit names are put into.
pub(crate) const ADDED_FILE: &str = "plimsoll-added.yaml";

/// One change of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// Which object. One that is not there is created by a [`Action::Set`] of its root.
    pub object: ObjectKey,
    /// Which field; the root is the object itself.
    pub path: FieldPath,
    /// What happens to it.
    pub action: Action,
}

/// What an [`Edit`] does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Gives the field a value; the maps on the way to it are made.
    Set(Value),
    /// Takes the field or list item away, the object with the root.
    Remove,
    /// Adds an item to a list; a list that is not there is made.
    Append(Value),
}

impl Edit {
    fn canonical(&self) -> Edit {
        let mut edit = self.clone();
        if let Action::Set(value) | Action::Append(value) = &mut edit.action {
            crate::scalar::canonical(value);
        }
        edit
    }

    /// Sets a field.
    pub fn set(object: ObjectKey, path: &str, value: Value) -> Edit {
        Edit { object, path: FieldPath::of(path), action: Action::Set(value) }
    }

    /// Removes a field.
    pub fn remove(object: ObjectKey, path: &str) -> Edit {
        Edit { object, path: FieldPath::of(path), action: Action::Remove }
    }

    /// Appends to a list.
    pub fn append(object: ObjectKey, path: &str, value: Value) -> Edit {
        Edit { object, path: FieldPath::of(path), action: Action::Append(value) }
    }
}

impl Inputs {
    /// The input with these edits. One that cannot be applied becomes a problem.
    #[must_use]
    pub fn edited(&self, edits: &[Edit]) -> Inputs {
        let mut inputs = self.clone();
        let mut keys_changed = false;
        for edit in edits {
            let edit = &edit.canonical();
            if keys_changed {
                inputs.reindex();
            }
            keys_changed =
                edit.path.0.is_empty() || edit.path.0.starts_with("/metadata") || edit.path.0 == "/kind";
            if let Err(reason) = inputs.apply(edit) {
                inputs.refuse(edit, &reason);
            }
        }
        if keys_changed {
            inputs.reindex();
        }
        inputs
    }

    fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        let Some((document, part)) = self.slot(&edit.object) else {
            return match (&edit.action, edit.path.0.is_empty()) {
                (Action::Set(value), true) if key_of(value).name == edit.object.name => {
                    self.create(value.clone());
                    Ok(())
                }
                _ => Err("there is no such object in the input".to_owned()),
            };
        };
        let Some(document) = self.documents.get_mut(document as usize).map(Arc::make_mut) else {
            return Err("there is no such document".to_owned());
        };
        let Some(target) = document.parts.get_mut(part as usize) else {
            return Err("there is no such object in the input".to_owned());
        };
        let absolute = format!("{}{}", target.root.0, edit.path.0);
        if edit.path.0.is_empty() && edit.action == Action::Remove {
            document.parts.remove(part as usize);
        } else {
            let (value, node) = (Arc::make_mut(&mut target.value), Arc::make_mut(&mut target.node));
            apply(value, node, &edit.path.0, &edit.action)?;
        }
        document.edits.push((absolute, edit.action.clone()));
        Ok(())
    }

    /// Puts a new object behind the input.
    fn create(&mut self, value: Value) {
        let file = FileId(to_u32(self.files.len()));
        self.files.push(File::new(ADDED_FILE, String::new()));
        let edits = vec![(String::new(), Action::Set(value.clone()))];
        let node = Arc::new(Node::leaf(Bytes::default(), Style::Empty));
        let parts = vec![Part { root: FieldPath::root(), value: Arc::new(value), node }];
        let (bytes, place) = (Bytes::default(), Bytes::default());
        self.documents.push(Arc::new(Document { file, bytes, place, parts, source: None, edits }));
    }
}

/// Applies an action to a value, and keeps `node` parallel to it.
pub(crate) fn apply(value: &mut Value, node: &mut Node, path: &str, action: &Action) -> Result<(), String> {
    let Some((parent, last)) = pointer::split_last(path) else {
        return match action {
            Action::Set(new) => {
                graft(value, node, new.clone());
                Ok(())
            }
            Action::Append(new) => append(value, node, new.clone()),
            Action::Remove => Err("the object itself cannot be removed from within".to_owned()),
        };
    };
    if *action == Action::Remove {
        return remove(value, node, parent, &last);
    }
    let (target, node) = descend(value, node, path)?;
    match action {
        Action::Append(new) => append(target, node, new.clone()),
        Action::Set(new) => {
            graft(target, node, new.clone());
            Ok(())
        }
        Action::Remove => Ok(()),
    }
}

/// Walks to a field and makes the maps that are missing on the way; a missing field is null.
fn descend<'v>(
    mut value: &'v mut Value,
    mut node: &'v mut Node,
    path: &str,
) -> Result<(&'v mut Value, &'v mut Node), String> {
    const DEEPEST: usize = 250;
    if pointer::segments(path).count() > DEEPEST {
        return Err("the path is too deep".to_owned());
    }
    for segment in pointer::segments(path) {
        if value.is_null() {
            *value = Value::Object(Map::new());
            node.children.clear();
        }
        if child_index(value, &segment).is_none() {
            match value {
                Value::Object(map) => {
                    map.insert(segment.clone().into_owned(), Value::Null);
                }
                Value::Array(items) if segment == "-" || pointer::index(&segment) == Some(items.len()) => {
                    items.push(Value::Null);
                }
                Value::Array(items) => {
                    return Err(format!("the list has {} items, no item {segment}", items.len()));
                }
                _ => return Err(format!("`{segment}` cannot be inside a scalar")),
            }
        }
        let index = match (&*value, segment.as_ref()) {
            (Value::Array(items), "-") => items.len().saturating_sub(1),
            (other, segment) => child_index(other, segment).map_or(0, |(index, _)| index),
        };
        cover(node, index);
        let inner = match value {
            Value::Object(map) => map.get_mut(segment.as_ref()),
            Value::Array(items) => items.get_mut(index),
            _ => None,
        };
        let (Some(inner), Some(child)) = (inner, node.children.get_mut(index)) else {
            return Err(format!("`{segment}` is not there"));
        };
        (value, node) = (inner, child);
    }
    Ok((value, node))
}

/// Gives the children up to `index` a node: what was never written is where its parent is.
fn cover(node: &mut Node, index: usize) {
    let (key, place) = (node.key, node.value);
    while node.children.len() <= index {
        node.children.push(Node { key, ..Node::leaf(place, Style::Empty) });
    }
}

fn remove(value: &mut Value, node: &mut Node, parent: &str, last: &str) -> Result<(), String> {
    let missing = || format!("`{last}` is not there");
    let (target, node) = walk(value, node, parent).ok_or_else(missing)?;
    let (index, _) = child_index(target, last).ok_or_else(missing)?;
    match target {
        Value::Object(map) => {
            map.shift_remove(last);
        }
        Value::Array(items) => {
            items.remove(index);
        }
        _ => return Err(missing()),
    }
    if let Some(node) = node
        && index < node.children.len()
    {
        node.children.remove(index);
    }
    Ok(())
}

type Found<'v> = (&'v mut Value, Option<&'v mut Node>);

fn walk<'v>(value: &'v mut Value, node: &'v mut Node, path: &str) -> Option<Found<'v>> {
    let mut found: Found<'v> = (value, Some(node));
    for segment in pointer::segments(path) {
        let (index, _) = child_index(found.0, &segment)?;
        let inner = match found.0 {
            Value::Object(map) => map.get_mut(segment.as_ref())?,
            Value::Array(items) => items.get_mut(index)?,
            _ => return None,
        };
        found = (inner, found.1.and_then(|node| node.children.get_mut(index)));
    }
    Some(found)
}

fn append(value: &mut Value, node: &mut Node, new: Value) -> Result<(), String> {
    match value {
        Value::Null => {
            *value = Value::Array(vec![new]);
            node.children.clear();
            Ok(())
        }
        Value::Array(items) => {
            items.push(new);
            Ok(())
        }
        _ => Err("this is no list".to_owned()),
    }
}

/// Replaces `old` by `new`; what both have keeps its place.
pub(crate) fn graft(old: &mut Value, node: &mut Node, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => graft_map(old, node, new),
        (Value::Array(old), Value::Array(new)) => {
            let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
            // Items of equal number are taken to be the same items, changed; else only the common start is.
            let keep = if old.len() == new.len() { old.len() } else { same };
            node.children.truncate(keep);
            old.truncate(keep);
            for (index, item) in new.into_iter().enumerate() {
                match (old.get_mut(index), node.children.get_mut(index)) {
                    (Some(old), Some(node)) => graft(old, node, item),
                    (Some(old), None) => *old = item,
                    (None, _) => old.push(item),
                }
            }
        }
        (old, new) => {
            node.children.clear();
            *old = new;
        }
    }
}

fn graft_map(old: &mut Map<String, Value>, node: &mut Node, mut new: Map<String, Value>) {
    let gone: Vec<String> = old.keys().filter(|key| !new.contains_key(*key)).cloned().collect();
    for key in gone {
        if let Some(index) = old.keys().position(|known| *known == key)
            && index < node.children.len()
        {
            node.children.remove(index);
        }
        old.shift_remove(&key);
    }
    for (index, (key, value)) in old.iter_mut().enumerate() {
        let Some(new) = new.shift_remove(key) else { continue };
        match node.children.get_mut(index) {
            Some(node) => graft(value, node, new),
            None => *value = new,
        }
    }
    old.extend(new);
}
