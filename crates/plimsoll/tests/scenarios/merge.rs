//! JSON merge patches (RFC 7386), applied to the text of a YAML file so that the rest of it stays as it is written.

use cluster::ObjectKey;
use serde_json::{Map, Value};
use sources::{Edit, Inputs, Limits, Loader};

/// The file's text with the patch merged into its one document, or into the one of the patch's `kind`. The patch is
/// YAML; blank or only comments changes nothing.
pub fn patched(text: &str, patch: &str) -> Result<String, String> {
    let patch = value(patch)?;
    if patch.is_null() {
        return Ok(text.to_owned());
    }
    let inputs = load(text)?;
    let key = target(&inputs, &patch)?;
    let before = inputs.find(&key).map(|part| part.value.as_ref().clone()).unwrap_or_default();
    let wanted = merge(before.clone(), &patch);
    let diffs = inputs.diff(&[Edit::set(key, "", wanted.clone())]);
    let after = diffs.into_iter().next().map_or_else(|| text.to_owned(), |diff| diff.new);
    // What is tested later must not rest on a rewriting that went wrong.
    let all: Vec<Value> = values(&inputs)
        .into_iter()
        .map(|value| if value == before { wanted.clone() } else { value })
        .collect();
    if values(&load(&after)?) == all {
        return Ok(after);
    }
    Ok(all.iter().map(|value| format!("---\n{value:#}\n")).collect())
}

/// The document that a patch changes.
fn target(inputs: &Inputs, patch: &Value) -> Result<ObjectKey, String> {
    let keys: Vec<_> = inputs.keys().cloned().collect();
    if let [key] = keys.as_slice() {
        return Ok(key.clone());
    }
    let kind = patch.get("kind").and_then(Value::as_str).unwrap_or_default();
    let mut of_kind = keys.iter().filter(|key| key.kind.to_string() == kind);
    match (of_kind.next(), of_kind.next()) {
        (Some(key), None) => Ok(key.clone()),
        _ => Err(format!("a file with {} documents needs a patch with the `kind` of just one", keys.len())),
    }
}

fn values(inputs: &Inputs) -> Vec<Value> {
    inputs.raw_objects().iter().map(|object| object.value.as_ref().clone()).collect()
}

/// RFC 7386: maps are merged, null removes, everything else replaces.
pub fn merge(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut merged = match target {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            merged.shift_remove(key);
        } else {
            let before = merged.get(key).cloned().unwrap_or_default();
            merged.insert(key.clone(), merge(before, value));
        }
    }
    Value::Object(merged)
}

/// Reads any YAML value. Only objects of the API are read as such, so it is put into one.
pub fn value(yaml: &str) -> Result<Value, String> {
    let indented: String = yaml.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("apiVersion: v1\nkind: Patch\nmetadata: {{name: patch}}\nspec:\n{indented}");
    let object = load(&text)?.raw_objects().into_iter().next().ok_or("the patch cannot be read")?;
    Ok(object.value.get("spec").cloned().unwrap_or_default())
}

fn load(text: &str) -> Result<Inputs, String> {
    let mut loader = Loader::new(Limits::default());
    loader.add_text("input.yaml", text.to_owned());
    let inputs = loader.finish();
    match inputs.problems.first() {
        Some(problem) => Err(problem.message.clone()),
        None => Ok(inputs),
    }
}
