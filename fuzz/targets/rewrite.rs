//! Any documents and any edits of them: the text that the diff gives reads as the edited objects.
//!
//! The input is a stream; its last document is the value that is put somewhere into each of the objects before it,
//! where, is said by the bytes of the whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sources::{Action, Edit, Inputs, Limits, Loader};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let inputs = load(text);
    if !inputs.problems.is_empty() {
        return;
    }
    let objects = inputs.raw_objects();
    let Some(last) = objects.last() else { return };
    let new = last.value.get("data").cloned().unwrap_or(Value::Null);
    let picks: Vec<usize> = data.iter().rev().take(16).map(|byte| usize::from(*byte)).collect();
    let edits: Vec<Edit> = inputs.keys().take(4).map(|key| {
        let part = inputs.find(key).map(|part| part.value.as_ref().clone()).unwrap_or_default();
        let (path, action) = place(&part, &picks, &new);
        Edit { object: key.clone(), path: cluster::FieldPath(path), action }
    }).collect();
    let edited = inputs.edited(&edits);
    let diffs = inputs.diff(&edits);
    if let [diff] = diffs.as_slice() {
        let read = load(&diff.new);
        let values = |inputs: &Inputs| inputs.raw_objects().into_iter().map(|object| object.value).collect::<Vec<_>>();
        assert_eq!(values(&read), values(&edited), "{}\n---- became\n{}", diff.old, diff.new);
    }
});

fn load(text: &str) -> Inputs {
    let mut loader = Loader::new(Limits { alias_bytes: 1 << 20, ..Limits::default() });
    loader.add_text("fuzz.yaml", text.to_owned());
    loader.finish()
}

/// Somewhere below `/data` or `/spec`, and what to do there.
fn place(value: &Value, picks: &[usize], new: &Value) -> (String, Action) {
    // What makes it an object stays.
    let root = ["data", "spec"].into_iter().find(|key| value.get(key).is_some()).unwrap_or("data");
    let mut path = format!("/{root}");
    let mut value = value.get(root).unwrap_or(&Value::Null);
    for pick in picks {
        let step = match value {
            Value::Object(map) if !map.is_empty() => map.keys().nth(pick % map.len()).cloned(),
            Value::Array(items) if !items.is_empty() => Some((pick % items.len()).to_string()),
            _ => None,
        };
        let Some(step) = step.filter(|_| pick % 5 != 4) else { break };
        path = format!("{path}/{}", step.replace('~', "~0").replace('/', "~1"));
        value = match value {
            Value::Object(map) => &map[&step],
            Value::Array(items) => &items[step.parse::<usize>().unwrap_or(0)],
            other => other,
        };
    }
    let action = match picks.first().copied().unwrap_or(0) % 3 {
        0 if path.matches('/').count() > 1 => Action::Remove,
        1 if value.is_array() => Action::Append(new.clone()),
        _ => Action::Set(new.clone()),
    };
    (path, action)
}
