//! Status conditions of claims, pools and nodes: what they are, for how long, and how often they change.
//!
//! `github.com/awslabs/operatorpkg` `status/{controller,metrics}.go`, with the labels that `sigs.k8s.io/karpenter` v1.14.1
//! `pkg/controllers/controllers.go` adds. Only changes that were seen are counted, not what was found at the beginning.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::{Name, Timestamp};
use serde_json::Value;

use super::family::{CONDITIONS_MS, Family};
use super::registry::{Number, Registry};
use crate::mirror::Seen;
use crate::{Mirror, Resource};

/// The families of one kind.
pub(super) struct Of {
    resource: Resource,
    /// Labels of the object that all its series have.
    labels: &'static [&'static str],
    count: Family,
    seconds: Family,
    transitions: Family,
    transition: Family,
    terminating: Family,
    termination: Family,
}

macro_rules! families {
    ($resource:ident, $kind:literal, [$($key:literal => $label:literal),*]) => {
        Of {
            resource: Resource::$resource,
            labels: &[$($key),*],
            count: Family::gauge(
                concat!("operator_", $kind, "_status_condition_count"),
                &["namespace", "name", "type", "status", "reason", $($label),*],
                concat!("1 for every condition of every ", $kind, "."),
            ),
            seconds: Family::gauge(
                concat!("operator_", $kind, "_status_condition_current_status_seconds"),
                &["namespace", "name", "type", "status", "reason", $($label),*],
                concat!("How long a condition of a ", $kind, " has had its status."),
            ),
            transitions: Family::counter(
                concat!("operator_", $kind, "_status_condition_transitions_total"),
                &["type", "status", "reason", $($label),*],
                concat!("How often conditions of a ", $kind, " got this status."),
            ),
            transition: Family::histogram(
                concat!("operator_", $kind, "_status_condition_transition_seconds"),
                CONDITIONS_MS,
                &["type", "status", $($label),*],
                concat!("How long conditions of a ", $kind, " had this status before they changed."),
            ),
            terminating: Family::gauge(
                concat!("operator_", $kind, "_termination_current_time_seconds"),
                &["namespace", "name", $($label),*],
                concat!("How long a ", $kind, " has been going."),
            ),
            termination: Family::histogram(
                concat!("operator_", $kind, "_termination_duration_seconds"),
                CONDITIONS_MS,
                &[$($label),*],
                concat!("How long it took a ", $kind, " to go."),
            ),
        }
    };
}

static CLAIM: Of = families!(NodeClaim, "nodeclaim", [
    "karpenter.kwok.sh/kwoknodeclass" => "karpenter_kwok_sh_kwoknodeclass",
    "karpenter.sh/nodepool" => "karpenter_sh_nodepool"
]);
static POOL: Of = families!(NodePool, "nodepool", []);
static NODE: Of = families!(Node, "node", [
    "karpenter.kwok.sh/kwoknodeclass" => "karpenter_kwok_sh_kwoknodeclass",
    "karpenter.sh/nodepool" => "karpenter_sh_nodepool",
    "karpenter.sh/initialized" => "karpenter_sh_initialized"
]);

/// The kinds whose conditions are told.
static KINDS: [&Of; 3] = [&CLAIM, &POOL, &NODE];

/// All families.
pub(super) fn all() -> impl Iterator<Item = &'static Family> {
    KINDS.into_iter().flat_map(|of| {
        [&of.count, &of.seconds, &of.transitions, &of.transition, &of.terminating, &of.termination]
    })
}

/// What is known of objects' conditions.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(BTreeMap<(Resource, Name), Arc<Value>>);

impl Known {
    /// A watch told something. Before it `counts`, it is only remembered.
    pub(super) fn see(&mut self, mirror: &Mirror, seen: &Seen, counts: bool, counted: &mut Registry) {
        let now = mirror.cluster().now;
        match seen {
            Seen::There(resource, value) => {
                let Some(of) = KINDS.iter().find(|of| of.resource == *resource) else { return };
                let name = Name::from(text(value, "/metadata/name"));
                let before = self.0.insert((*resource, name), Arc::clone(value));
                if counts {
                    count_changes(of, before.as_deref(), value, now, counted);
                }
            }
            Seen::Gone(resource, _, name) => {
                let Some(of) = KINDS.iter().find(|of| of.resource == *resource) else { return };
                let Some(value) = self.0.remove(&(*resource, name.clone())) else { return };
                if let Some(since) = instant(&value, "/metadata/deletionTimestamp") {
                    let ms = mirror.unix_ms(now).saturating_sub(since);
                    counted.observe(&of.termination, &labels(of, &value), now, ms);
                }
            }
        }
    }

    /// All conditions at the moment.
    pub(super) fn scrape(&self, mirror: &Mirror, now: &mut Registry) {
        let unix_ms = mirror.unix_ms(mirror.cluster().now);
        for ((resource, name), value) in &self.0 {
            let Some(of) = KINDS.iter().find(|of| of.resource == *resource) else { continue };
            let own = labels(of, value);
            for condition in conditions(value) {
                let text = |path: &str| text(condition, path);
                let mut all = vec!["", name.as_str(), text("/type"), text("/status"), text("/reason")];
                all.extend(&own);
                now.set(&of.count, &all, Number::whole(1));
                if let Some(since) = instant(condition, "/lastTransitionTime") {
                    let ms = unix_ms.saturating_sub(since).max(0);
                    now.set(&of.seconds, &all, Number::thousandths(ms));
                }
            }
            if let Some(since) = instant(value, "/metadata/deletionTimestamp") {
                let mut all = vec!["", name.as_str()];
                all.extend(&own);
                let ms = unix_ms.saturating_sub(since).max(0);
                now.set(&of.terminating, &all, Number::thousandths(ms));
            }
        }
    }
}

fn count_changes(
    of: &'static Of,
    before: Option<&Value>,
    value: &Value,
    now: Timestamp,
    counted: &mut Registry,
) {
    for condition in conditions(value) {
        let (kind, status) = (text(condition, "/type"), text(condition, "/status"));
        let known = before.into_iter().flat_map(conditions).find(|own| text(own, "/type") == kind);
        if known.is_some_and(|known| text(known, "/status") == status) {
            continue;
        }
        let own = labels(of, value);
        let mut all = vec![kind, status, text(condition, "/reason")];
        all.extend(&own);
        counted.count(&of.transitions, &all);
        let Some(known) = known else { continue };
        let since = instant(known, "/lastTransitionTime").zip(instant(condition, "/lastTransitionTime"));
        if let Some((since, until)) = since {
            let mut all = vec![kind, text(known, "/status")];
            all.extend(&own);
            counted.observe(&of.transition, &all, now, until.saturating_sub(since));
        }
    }
}

fn labels<'v>(of: &Of, value: &'v Value) -> Vec<&'v str> {
    let labels = value.pointer("/metadata/labels");
    let label = |key: &&str| labels.and_then(|labels| labels.get(*key)).and_then(Value::as_str);
    of.labels.iter().map(|key| label(key).unwrap_or_default()).collect()
}

fn conditions(value: &Value) -> impl Iterator<Item = &Value> {
    value.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn instant(value: &Value, path: &str) -> Option<i64> {
    api::watched::unix_ms(text(value, path))
}
