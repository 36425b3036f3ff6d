//! Where two answers differ, and how that is shown: the smallest cluster, then both answers side by side.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

/// One field in which two answers differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// JSON pointer into the answers.
    pub at: String,
    /// What the real thing says; null where it says nothing.
    pub theirs: Value,
    /// What the engine says; null where it says nothing.
    pub ours: Value,
}

/// Every innermost field in which two answers differ, in order.
pub fn differences(theirs: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(theirs, ours, "", &mut found);
    found
}

fn compare(theirs: &Value, ours: &Value, at: &str, found: &mut Vec<Difference>) {
    match (theirs, ours) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let side =
                    |fields: &serde_json::Map<String, Value>| fields.get(key).cloned().unwrap_or_default();
                compare(&side(left), &side(right), &format!("{at}/{key}"), found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(left, right, &format!("{at}/{index}"), found);
            }
        }
        _ if theirs == ours => {}
        _ => found.push(Difference { at: at.to_owned(), theirs: theirs.clone(), ours: ours.clone() }),
    }
}

/// The smallest cluster, one object a line, and what the two say of it.
pub fn show(objects: &[Value], differences: &[Difference]) -> String {
    let mut text = String::new();
    for object in objects {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {object}");
    }
    let width = differences.iter().map(|difference| difference.at.len()).max().unwrap_or(0);
    for Difference { at, theirs, ours } in differences {
        let _ = writeln!(text, "  {at:width$}  theirs {theirs}\n  {:width$}  ours   {ours}", "");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_innermost_fields_are_named() {
        let theirs = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
        let ours = json!({"a": {"b": 2, "c": [1, 3]}, "e": 1});
        let at: Vec<String> = differences(&theirs, &ours).into_iter().map(|found| found.at).collect();
        assert_eq!(at, ["/a/b", "/a/c/1", "/d", "/e"]);
        assert_eq!(differences(&theirs, &theirs), []);
    }

    #[test]
    fn lists_of_different_length_differ_as_a_whole() {
        let found = differences(&json!({"a": [1]}), &json!({"a": [1, 2]}));
        assert_eq!(
            show(&[json!({"kind": "Pod"})], &found),
            "  {\"kind\":\"Pod\"}\n  /a  theirs [1]\n      ours   [1,2]\n"
        );
    }
}
