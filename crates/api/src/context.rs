//! What the lowering of one object needs to know of the others and of the profile.

use std::collections::BTreeMap;

use cluster::arrival::Arrival;
use cluster::{Name, ObjectKey};

use crate::admission::Admission;
use crate::arrival::arrival;
use crate::autoscaler::Bounds;
use crate::object::Object;
use crate::pattern::matches;
use crate::problem::Reporter;

/// How long finite work runs where the profile's `runtimes` do not say. Milliseconds.
pub(crate) const DEFAULT_RUNTIME_MS: i64 = 60_000;

/// What one object's lowering needs.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// Admission.
    pub(crate) admission: Admission,
    /// The profile's `runtimes`, first match wins.
    pub(crate) runtimes: Vec<(Pattern, i64)>,
    /// The profile's `existing`: which objects, and whether their pods run.
    pub(crate) existing: Vec<(Pattern, bool)>,
    /// The bounds of HorizontalPodAutoscalers, by what they scale.
    pub(crate) autoscalers: BTreeMap<ObjectKey, Bounds>,
}

/// Which objects a rule of the profile is about; `*` matches anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The kind; empty is every kind.
    pub(crate) kind: Name,
    /// The namespace pattern; empty is every namespace.
    pub(crate) namespace: Name,
    /// The name pattern; empty is every name.
    pub(crate) name: Name,
}

impl Pattern {
    /// Whether the rule is about this object.
    pub(crate) fn covers(&self, key: &ObjectKey) -> bool {
        let any = |pattern: &Name, text: &str| pattern.is_empty() || matches(pattern, text);
        any(&self.kind, key.kind.as_str())
            && any(&self.namespace, &key.namespace)
            && any(&self.name, &key.name)
    }
}

impl Context {
    /// Whether the profile says how long a Job's pod runs.
    pub(crate) fn has_runtime(&self, key: &ObjectKey) -> bool {
        self.runtimes.iter().any(|(pattern, _)| pattern.covers(key))
    }

    /// How long a Job's pod runs, in milliseconds.
    pub(crate) fn duration_ms(&self, key: &ObjectKey) -> i64 {
        self.runtimes
            .iter()
            .find(|(pattern, _)| pattern.covers(key))
            .map_or(DEFAULT_RUNTIME_MS, |(_, ms)| *ms)
    }

    /// When the object arrives: as its annotations say, or existing by the profile.
    pub(crate) fn arrival(&self, object: &Object, reporter: &mut Reporter<'_>) -> Option<Arrival> {
        let mut arrival = arrival(object, reporter)?;
        arrival.existing |= self.existing(object).is_some();
        Some(arrival)
    }

    /// Whether the profile says that the object is there at t=0, and then whether its pods run.
    pub(crate) fn existing(&self, object: &Object) -> Option<bool> {
        self.existing.iter().find(|(pattern, _)| pattern.covers(&object.key)).map(|(_, running)| *running)
    }
}
