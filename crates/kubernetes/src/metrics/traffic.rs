//! Calls to the API server: how many, with which answers, and how long they took. No clock: durations are told.
//!
//! Names and labels are those of `github.com/awslabs/operatorpkg` `metrics/metrics.go` and `sigs.k8s.io/karpenter` v1.14.1
//! `pkg/controllers/node/termination/terminator/metrics.go`. Watches and the lease are not among them.

use cluster::Timestamp;

use super::family::Family;
use super::registry::Registry;
use crate::Resource;
use crate::calls::Call;

/// 1 ms, one and a half times as long each, twenty times: milliseconds, rounded.
const BOUNDS_MS: &[i64] =
    &[1, 2, 3, 5, 8, 11, 17, 26, 38, 58, 86, 130, 195, 292, 438, 657, 985, 1_478, 2_217];

pub(super) static REQUESTS: Family = Family::counter(
    "client_go_request_total",
    &["code", "method"],
    "Calls to the API server by answer and method; the code is <error> when there was no answer.",
);
pub(super) static DURATION: Family = Family::histogram(
    "client_go_request_duration_seconds",
    BOUNDS_MS,
    &["verb", "group", "version", "kind", "subresource"],
    "How long calls to the API server took. Bounds are upstream's, rounded to whole milliseconds.",
);
pub(super) static EVICTIONS: Family = Family::counter(
    "karpenter_pods_eviction_requests_total",
    &["code"],
    "Evictions that were asked for, by the API server's answer.",
);

pub(super) static DECISION: Family = Family::histogram(
    "plimsoll_decision_duration_seconds",
    BOUNDS_MS,
    &[],
    "How long it took to take in what was heard and to decide, each time that something came of it.",
);

pub(super) static ALL: &[&Family] = &[&REQUESTS, &DURATION, &EVICTIONS, &DECISION];

/// Takes note of how long a decision took.
pub fn decided(registry: &mut Registry, ms: i64) {
    registry.observe(&DECISION, &[], Timestamp::ZERO, ms);
}

/// Counts a call that was answered with this code (`None`: not at all) after so long.
pub fn count(registry: &mut Registry, call: &Call, code: Option<u16>, ms: i64) {
    let code = code.map_or_else(|| "<error>".to_owned(), |code| code.to_string());
    let (method, verb, resource, subresource) = match call {
        Call::Create(resource, _) => ("POST", "CREATE", *resource, ""),
        Call::Patch { resource, status, .. } => {
            ("PATCH", "PATCH", *resource, if *status { "status" } else { "" })
        }
        Call::Delete { resource, .. } => ("DELETE", "DELETE", *resource, ""),
        Call::Evict { .. } => ("POST", "CREATE", Resource::Pod, "eviction"),
    };
    let version = resource.api_version();
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    registry.count(&REQUESTS, &[&code, method]);
    let labels = [verb, group, version, &resource.api().plural, subresource];
    registry.observe(&DURATION, &labels, Timestamp::ZERO, ms);
    if matches!(call, Call::Evict { .. }) {
        // Upstream counts what was granted as 200.
        registry.count(&EVICTIONS, &[if code == "201" { "200" } else { &code }]);
    }
}
