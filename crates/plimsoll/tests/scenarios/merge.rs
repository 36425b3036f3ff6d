//! JSON merge patches (RFC 7386), applied to the text of a YAML file so that the rest of it stays as it is written.

use serde_json::{Map, Value};
use sources::{Edit, Inputs, Limits, Loader};

/// The file's text with the patch merged into its one document. The patch is YAML; blank or only comments changes
/// nothing.
pub fn patched(text: &str, patch: &str) -> Result<String, String> {
    let patch = value(patch)?;
    if patch.is_null() {
        return Ok(text.to_owned());
    }
    let inputs = load(text)?;
    let keys: Vec<_> = inputs.keys().cloned().collect();
    let [key] = keys.as_slice() else {
        return Err(format!("a patch needs a file with one document, this one has {}", keys.len()));
    };
    let before = inputs.find(key).map(|part| part.value.as_ref().clone()).unwrap_or_default();
    let wanted = merge(before, &patch);
    let diffs = inputs.diff(&[Edit::set(key.clone(), "", wanted.clone())]);
    let after = diffs.into_iter().next().map_or_else(|| text.to_owned(), |diff| diff.new);
    // What is tested later must not rest on a rewriting that went wrong.
    let read: Vec<Value> =
        load(&after)?.raw_objects().iter().map(|object| object.value.as_ref().clone()).collect();
    if read == [wanted.clone()] { Ok(after) } else { Ok(format!("{wanted:#}\n")) }
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
