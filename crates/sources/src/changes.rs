//! What is different between two values, as the fewest places of the old one that have to be touched.

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

/// Common start and end stay; what is between is replaced in pairs, the rest goes or comes.
fn compare_lists<'v>(
    old: &[Value],
    new: &'v [Value],
    depth: usize,
    at: &mut Steps,
    out: &mut Vec<Change<'v>>,
) {
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
