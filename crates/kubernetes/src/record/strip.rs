//! Taking out what may be secret: a number stands for each text, the same for the same, so that a change is still one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What `kubectl apply` keeps of what was applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Fields of a container that can hold anything.
const FREE: [&str; 6] = ["command", "args", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe"];
/// The most texts that are told from each other; all others are one.
const MOST: usize = 100_000;

/// Numbers that were given to texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers(BTreeMap<String, usize>);

impl Numbers {
    /// An object without what may be secret.
    pub(super) fn strip(&mut self, value: &Value) -> Value {
        let mut value = value.clone();
        self.walk(&mut value);
        value
    }

    fn walk(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match key.as_str() {
                        LAST_APPLIED => self.number(value),
                        "containers" | "initContainers" | "ephemeralContainers" => self.containers(value),
                        _ => self.walk(value),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    fn containers(&mut self, containers: &mut Value) {
        for container in containers.as_array_mut().into_iter().flatten() {
            let Some(fields) = container.as_object_mut() else { continue };
            for entry in fields.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(value) = entry.get_mut("value") {
                    self.number(value);
                }
            }
            for field in FREE {
                match fields.get_mut(field) {
                    Some(Value::Array(words)) => words.iter_mut().for_each(|word| self.number(word)),
                    // A probe's address and words are nobody's business either; its shape is not needed.
                    Some(_) => {
                        fields.remove(field);
                    }
                    None => {}
                }
            }
        }
    }

    fn number(&mut self, value: &mut Value) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let next = self.0.len();
        let number = match self.0.get(&text) {
            Some(number) => *number,
            None if next >= MOST => MOST,
            None => {
                self.0.insert(text, next);
                next
            }
        };
        *value = json!(format!("#{number}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_may_be_secret_is_left() {
        let container = |secret: &str| {
            json!({"name": "c", "image": "i", "env": [{"name": "PASSWORD", "value": secret}],
                "args": ["--password", secret], "livenessProbe": {"exec": {"command": ["check", secret]}}})
        };
        let object = |secret: &str| {
            json!({"metadata": {"name": "p", "annotations": {LAST_APPLIED: format!("{{{secret}}}"), "a": "b"}},
                "spec": {"template": {"spec": {"containers": [container(secret)],
                    "initContainers": [container(secret)]}}}})
        };
        let mut numbers = Numbers::default();
        let (one, again) = (numbers.strip(&object("hunter2")), numbers.strip(&object("hunter2")));
        let other = numbers.strip(&object("hunter3"));
        assert_eq!(one, again);
        assert_ne!(one, other, "a change is still one");
        assert!(!one.to_string().contains("hunter"), "{one}");
        assert_eq!(one.pointer("/metadata/annotations/a"), Some(&json!("b")));
        assert_eq!(one.pointer("/spec/template/spec/containers/0/image"), Some(&json!("i")));
    }
}
