//! The conditions of an object's status. A merge patch replaces the list, so all of it is written: those that somebody
//! else set stay as they are, one that does not change keeps its instant.
//!
//! Follows github.com/awslabs/operatorpkg `status/condition_set.go` as `sigs.k8s.io/karpenter` v1.14.1 uses it.

use serde_json::{Value, json};

use crate::mirror::Mirror;
use crate::wire;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    True,
    /// It does not.
    False,
    /// That is not known (yet).
    Unknown,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::True => "True",
            Status::False => "False",
            Status::Unknown => "Unknown",
        }
    }
}

/// What a condition says of itself: whether it holds, the reason, a message.
pub type Said<'a> = (Status, &'a str, &'a str);

/// Nobody has worked it out yet.
pub const AWAITING: Said<'static> =
    (Status::Unknown, "AwaitingReconciliation", "object is awaiting reconciliation");

/// An object's conditions.
#[derive(Clone, Debug)]
pub struct Conditions {
    all: Vec<Value>,
    generation: Option<Value>,
    now_unix_ms: i64,
}

impl Conditions {
    /// Those of an object as it is known.
    pub fn of(mirror: &Mirror, object: Option<&Value>) -> Conditions {
        let all = object.and_then(|object| object.pointer("/status/conditions")).and_then(Value::as_array);
        Conditions {
            all: all.cloned().unwrap_or_default(),
            generation: object.and_then(|object| object.pointer("/metadata/generation")).cloned(),
            now_unix_ms: mirror.unix_ms(mirror.cluster().now),
        }
    }

    fn get(&self, kind: &str) -> Option<&Value> {
        self.all.iter().find(|own| own["type"] == kind)
    }

    /// Whether one holds; `None` if it is not there.
    pub fn status(&self, kind: &str) -> Option<Status> {
        Some(match self.get(kind)?["status"].as_str() {
            Some("True") => Status::True,
            Some("False") => Status::False,
            _ => Status::Unknown,
        })
    }

    /// Whether one was set for the object as it is written now.
    pub fn is_current(&self, kind: &str) -> bool {
        let generation = self.generation.as_ref().unwrap_or(&Value::Null);
        self.get(kind).is_some_and(|own| own["observedGeneration"] == *generation)
    }

    /// Sets one.
    pub fn set(&mut self, kind: &str, (status, reason, message): Said<'_>) {
        let mut new = json!({
            "type": kind, "status": status.as_str(), "reason": reason, "message": message,
            "lastTransitionTime": wire::instant(self.now_unix_ms),
        });
        if let Some(generation) = &self.generation {
            new["observedGeneration"] = generation.clone();
        }
        match self.all.iter_mut().find(|own| own["type"] == kind) {
            Some(own) => {
                if own["status"] == new["status"] {
                    new["lastTransitionTime"] = own["lastTransitionTime"].clone();
                }
                *own = new;
            }
            None => self.all.push(new),
        }
    }

    /// Takes one away.
    pub fn clear(&mut self, kind: &str) {
        self.all.retain(|own| own["type"] != kind);
    }

    /// All of them.
    pub fn written(self) -> Vec<Value> {
        self.all
    }
}
