//! What is different between two values, as the fewest places of the old one that have to be touched.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A step is the position of a key in its map or of an item in its list: the index of its node.
pub(crate) type Steps = Vec<usize>;

/// One difference. Paths are those of the old value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change<'v> {
    /// Another value.
    Replace { at: Steps, value: &'v Value },
    /// A key that the map at `at` has not.
    InsertKey { at: Steps, key: &'v str, value: &'v Value },
    /// An item that comes before the item `index` of the list at `at`, or after the last.
    InsertItem { at: Steps, index: usize, value: &'v Value },
    /// A key or an item that goes.
    Remove { at: Steps },
}

impl Change<'_> {
    /// The place that is touched.
    pub(crate) fn at(&self) -> &Steps {
        match self {
            Change::Replace { at, .. }
            | Change::InsertKey { at, .. }
            | Change::InsertItem { at, .. }
            | Change::Remove { at } => at,
        }
    }
}

/// The differences, those inside a map before those of the map itself. Nothing deeper than `depth` is told apart.
pub(crate) fn changes<'v>(old: &Value, new: &'v Value, depth: usize) -> Vec<Change<'v>> {
    let mut changes = Vec::new();
    compare(old, new, depth, &mut Vec::new(), &mut changes);
    changes
}

fn compare<'v>(old: &Value, new: &'v Value, depth: usize, at: &mut Steps, out: &mut Vec<Change<'v>>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new))
            if at.len() < depth && old.keys().any(|key| new.contains_key(key)) =>
        {
            for (index, (key, value)) in old.iter().enumerate() {
                at.push(index);
                match new.get(key) {
                    Some(new) => compare(value, new, depth, at, out),
                    None => out.push(Change::Remove { at: at.clone() }),
                }
                at.pop();
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                out.push(Change::InsertKey { at: at.clone(), key, value });
            }
        }
        (Value::Array(old), Value::Array(new)) if at.len() < depth && !old.is_empty() && !new.is_empty() => {
            compare_lists(old, new, depth, at, out);
        }
        _ => out.push(Change::Replace { at: at.clone(), value: new }),
    }
}

/// Items that have names are the same items wherever they stand. Without: common start and end stay; what is between is replaced in pairs, the rest goes or comes.
fn compare_lists<'v>(
    old: &[Value],
    new: &'v [Value],
    depth: usize,
    at: &mut Steps,
    out: &mut Vec<Change<'v>>,
) {
    if let Some(pairs) = by_name(old, new) {
        return compare_named(old, new, &pairs, depth, at, out);
    }
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    let (old_middle, new_middle) = (old.len() - start - end, new.len() - start - end);
    let pairs = old_middle.min(new_middle);
    for index in start..start + pairs {
        at.push(index);
        compare(&old[index], &new[index], depth, at, out);
        at.pop();
    }
    for index in start + pairs..start + old_middle {
        at.push(index);
        out.push(Change::Remove { at: at.clone() });
        at.pop();
    }
    for value in &new[start + pairs..start + new_middle] {
        out.push(Change::InsertItem { at: at.clone(), index: start + pairs, value });
    }
}

/// What tells an item apart from the others of its list.
fn name_of(item: &Value) -> Option<(&str, &str, &str)> {
    let map = item.as_object()?;
    if let Some(metadata) = map.get("metadata") {
        let get = |key: &str| metadata.get(key).and_then(Value::as_str);
        let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
        return Some((kind, get("namespace").unwrap_or_default(), get("name")?));
    }
    ["name", "key"].into_iter().find_map(|key| Some((key, "", map.get(key)?.as_str()?)))
}

/// For each new item the old one of the same name; `None` unless all have names, each its own, in the same order.
fn by_name(old: &[Value], new: &[Value]) -> Option<Vec<Option<usize>>> {
    let mut places = BTreeMap::new();
    for (index, item) in old.iter().enumerate() {
        if places.insert(name_of(item)?, index).is_some() {
            return None;
        }
    }
    let mut pairs = Vec::with_capacity(new.len());
    let mut last = None;
    let mut seen = BTreeSet::new();
    for item in new {
        let name = name_of(item)?;
        let place = places.get(&name).copied();
        if !seen.insert(name) || (place.is_some() && place <= last) {
            return None;
        }
        last = place.or(last);
        pairs.push(place);
    }
    last.map(|_| pairs)
}

fn compare_named<'v>(
    old: &[Value],
    new: &'v [Value],
    pairs: &[Option<usize>],
    depth: usize,
    at: &mut Steps,
    out: &mut Vec<Change<'v>>,
) {
    let mut kept =
        pairs.iter().zip(new).filter_map(|(place, item)| place.map(|place| (place, item))).peekable();
    for (index, item) in old.iter().enumerate() {
        at.push(index);
        match kept.next_if(|(place, _)| *place == index) {
            Some((_, new)) => compare(item, new, depth, at, out),
            None => out.push(Change::Remove { at: at.clone() }),
        }
        at.pop();
    }
    for (position, value) in new.iter().enumerate().filter(|(position, _)| pairs[*position].is_none()) {
        let index = pairs[position..].iter().flatten().next().copied().unwrap_or(old.len());
        out.push(Change::InsertItem { at: at.clone(), index, value });
    }
}
