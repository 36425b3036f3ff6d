//! JSON patch (RFC 6902) operations on a value.

use serde_json::Value;

use crate::pointer;

/// Applies one operation. `Err` is the reason, as a sentence.
pub(crate) fn apply(value: &mut Value, operation: &Value) -> Result<(), String> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let name = text("op").ok_or("the operation has no `op`")?;
    let path = text("path").ok_or("the operation has no `path`")?;
    if !path.is_empty() && !path.starts_with('/') {
        return Err(format!("the path `{path}` does not start with a slash"));
    }
    let new = || operation.get("value").cloned().ok_or_else(|| format!("`{name}` needs a `value`"));
    let from = || text("from").ok_or_else(|| format!("`{name}` needs a `from`"));
    match name {
        "add" => add(value, path, new()?),
        "remove" => remove(value, path).map(|_| ()),
        "replace" => {
            *find(value, path)? = new()?;
            Ok(())
        }
        "move" => {
            let moved = remove(value, from()?)?;
            add(value, path, moved)
        }
        "copy" => {
            let copied = find(value, from()?)?.clone();
            add(value, path, copied)
        }
        "test" if *find(value, path)? == new()? => Ok(()),
        "test" => Err(format!("the test of `{path}` fails")),
        _ => Err(format!("`{name}` is no JSON patch operation")),
    }
}

fn find<'v>(value: &'v mut Value, path: &str) -> Result<&'v mut Value, String> {
    value.pointer_mut(path).ok_or_else(|| format!("`{path}` is not there"))
}

fn add(value: &mut Value, path: &str, new: Value) -> Result<(), String> {
    let Some((parent, last)) = pointer::split_last(path) else {
        *value = new;
        return Ok(());
    };
    match find(value, parent)? {
        Value::Object(map) => {
            map.insert(last, new);
            Ok(())
        }
        Value::Array(items) if last == "-" => {
            items.push(new);
            Ok(())
        }
        Value::Array(items) => {
            let index = pointer::index(&last).filter(|index| *index <= items.len());
            let index =
                index.ok_or_else(|| format!("`{path}` is past the end of a list of {}", items.len()))?;
            items.insert(index, new);
            Ok(())
        }
        _ => Err(format!("`{parent}` is neither a map nor a list")),
    }
}

fn remove(value: &mut Value, path: &str) -> Result<Value, String> {
    let missing = || format!("`{path}` is not there");
    let (parent, last) = pointer::split_last(path).ok_or("the object itself cannot be removed")?;
    match find(value, parent)? {
        Value::Object(map) => map.shift_remove(&last).ok_or_else(missing),
        Value::Array(items) => {
            let index = pointer::index(&last).filter(|index| *index < items.len()).ok_or_else(missing)?;
            Ok(items.remove(index))
        }
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_of_the_standard() {
        let mut value = json!({"a": {"b": [1, 2]}, "c": 3});
        for operation in [
            json!({"op": "add", "path": "/a/b/1", "value": 9}),
            json!({"op": "add", "path": "/a/b/-", "value": 8}),
            json!({"op": "replace", "path": "/c", "value": 4}),
            json!({"op": "copy", "from": "/c", "path": "/d"}),
            json!({"op": "move", "from": "/c", "path": "/a/e~1f"}),
            json!({"op": "remove", "path": "/a/b/0"}),
            json!({"op": "test", "path": "/d", "value": 4}),
        ] {
            apply(&mut value, &operation).unwrap();
        }
        assert_eq!(value, json!({"a": {"b": [9, 2, 8], "e/f": 4}, "d": 4}));
        for operation in [
            json!({"op": "add", "path": "/a/b/9", "value": 9}),
            json!({"op": "remove", "path": "/x"}),
            json!({"op": "replace", "path": "/x", "value": 1}),
            json!({"op": "test", "path": "/d", "value": 5}),
            json!({"op": "add", "path": "/a"}),
            json!({"op": "fly", "path": "/a"}),
            json!({"path": "/a"}),
            json!({"op": "add", "path": "a", "value": 1}),
        ] {
            assert!(apply(&mut value, &operation).is_err(), "{operation}");
        }
    }
}
