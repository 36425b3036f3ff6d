//! Delta debugging over a list of JSON objects: what can be left out while the two sides still differ?
//!
//! First whole objects go (halves, quarters, … single ones), then fields of those that stay, the outer before the
//! inner. What identifies an object stays. Nothing about what the objects mean.

use serde_json::Value;

/// Questions asked at most; shrinking is for people, and people wait.
const MOST_QUESTIONS: usize = 4_000;

/// Fields that stay: without them an object is not one.
const KEPT: [&str; 10] = [
    "/apiVersion",
    "/kind",
    "/metadata/name",
    "/metadata/namespace",
    "/spec/containers/0/image",
    "/spec/containers/0/name",
    "/spec/csi/volumeHandle",
    "/spec/maxUnavailable",
    "/spec/minAvailable",
    "/status/phase",
];

/// The smallest list found for which `differs` still holds; `objects` itself must differ.
pub fn shrink(objects: Vec<Value>, mut differs: impl FnMut(&[Value]) -> bool) -> Vec<Value> {
    let mut questions = 0;
    let mut ask = |objects: &[Value]| {
        questions += 1;
        questions <= MOST_QUESTIONS && differs(objects)
    };
    let mut objects = objects;
    loop {
        let before = objects.clone();
        objects = fewer_objects(objects, &mut ask);
        objects = fewer_fields(objects, &mut ask);
        if objects == before {
            return objects;
        }
    }
}

/// Leaves out runs of objects, the longest first.
fn fewer_objects(mut objects: Vec<Value>, ask: &mut impl FnMut(&[Value]) -> bool) -> Vec<Value> {
    let mut run = objects.len().div_ceil(2);
    while run > 0 {
        let mut start = 0;
        while start < objects.len() {
            let mut fewer = objects.clone();
            fewer.drain(start..(start + run).min(objects.len()));
            if ask(&fewer) {
                objects = fewer;
            } else {
                start += run;
            }
        }
        run /= 2;
    }
    objects
}

/// Leaves out fields and items of each object.
fn fewer_fields(mut objects: Vec<Value>, ask: &mut impl FnMut(&[Value]) -> bool) -> Vec<Value> {
    for index in 0..objects.len() {
        let mut pointers = pointers(&objects[index]);
        // Later items of a list first, so that the places of the others stay what they are.
        pointers.sort_by_key(|pointer| pointer.matches('/').count());
        let mut gone: Vec<String> = Vec::new();
        for pointer in pointers {
            if gone.iter().any(|gone| pointer.starts_with(gone.as_str())) {
                continue;
            }
            let mut fewer = objects.clone();
            if !remove(&mut fewer[index], &pointer) || !ask(&fewer) {
                continue;
            }
            objects = fewer;
            gone.push(format!("{pointer}/"));
        }
    }
    objects
}

/// Every field and item of a value that may go, items of one list from the last to the first.
fn pointers(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found.retain(|pointer| !KEPT.iter().any(|kept| kept.starts_with(pointer.as_str())));
    found
}

fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (escape(key), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().rev().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => return,
    };
    for (key, child) in children {
        let pointer = format!("{at}/{key}");
        walk(child, &pointer, found);
        found.push(pointer);
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Removes what a pointer points at; false when it is not there.
fn remove(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    match value.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.shift_remove(&last.replace("~1", "/").replace("~0", "~")).is_some()
        }
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let object = |name: &str, bad: bool| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"a/b": "c"}},
                   "spec": {"list": [1, 2, {"bad": bad, "other": 3}], "more": {"deep": {"deeper": 1}}}})
        };
        let objects: Vec<Value> = (0..9).map(|n| object(&format!("o{n}"), n == 5)).collect();
        let differs = |objects: &[Value]| {
            objects.iter().any(|object| {
                let list = object.pointer("/spec/list").and_then(Value::as_array);
                list.is_some_and(|list| list.iter().any(|item| item["bad"] == true))
            })
        };
        let smallest = shrink(objects, differs);
        let expected = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "o5"},
                              "spec": {"list": [{"bad": true}]}});
        assert_eq!(smallest, [expected]);
    }

    #[test]
    fn what_all_matters_stays() {
        let objects = vec![json!({"kind": "A", "x": 1}), json!({"kind": "B", "y": [1, 2]})];
        let whole = objects.clone();
        assert_eq!(shrink(objects.clone(), |objects| objects == whole), objects);
    }
}
