//! When a workload's controller goes on: `minReadySeconds`, `paused`, `progressDeadlineSeconds`.
//!
//! Follows `k8s.io/kubernetes` v1.36 `pkg/apis/apps/validation` (`ValidateDeploymentSpec`). The deadline changes nothing
//! but a condition of the Deployment.

use cluster::workload::Pace;
use cluster::{FieldPath, Kind};
use serde_json::Value;

use crate::code;
use crate::object::Object;
use crate::problem::Reporter;

/// `minReadySeconds` and `paused`, of the kinds that have them.
pub(crate) fn pace(object: &Object, reporter: &mut Reporter<'_>) -> Pace {
    let kind = &object.key.kind;
    let rolls = matches!(kind, Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet);
    let number = |field: &str| object.field(field).and_then(Value::as_i64).filter(|_| rolls);
    let min_ready = number("/spec/minReadySeconds").unwrap_or(0);
    if min_ready < 0 {
        let path = FieldPath::of("/spec/minReadySeconds");
        let message = format!("{path}: {min_ready} must be greater than or equal to 0");
        reporter.error(&path, code::BAD_VALUE, message, "");
    }
    let deadline = number("/spec/progressDeadlineSeconds").unwrap_or(DEFAULT_PROGRESS_DEADLINE_S);
    if *kind == Kind::Deployment && deadline <= min_ready {
        let path = FieldPath::of("/spec/progressDeadlineSeconds");
        let message =
            format!("{path}: {deadline} must be greater than minReadySeconds, which is {min_ready}");
        reporter.error(&path, code::BAD_VALUE, message, "raise it: it is 600 where nothing is written");
    }
    let paused =
        *kind == Kind::Deployment && object.field("/spec/paused").and_then(Value::as_bool) == Some(true);
    if paused && !object.live {
        let path = FieldPath::of("/spec/paused");
        let message = format!("{path}: a Deployment that starts paused makes no pods");
        reporter.note(&path, code::NOT_MODELLED, message, "");
    }
    Pace { min_ready_ms: min_ready.max(0).saturating_mul(1000), paused }
}

/// `progressDeadlineSeconds` where nothing is written (`pkg/apis/apps/v1/defaults.go`).
const DEFAULT_PROGRESS_DEADLINE_S: i64 = 600;

#[cfg(test)]
mod tests {
    use cluster::workload::Pace;

    use crate::testing::{lowered, shown};

    fn read(fields: &str) -> (Option<Pace>, String) {
        let lowered = lowered(&format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  {fields}\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec: {{containers: [{{name: web, image: web}}]}}\n"
        ));
        (lowered.declared.workloads.first().map(|web| web.pace), shown(&lowered.problems))
    }

    #[test]
    fn how_a_deployment_goes_about_it_is_read() {
        assert_eq!(
            read("minReadySeconds: 30"),
            (Some(Pace { min_ready_ms: 30_000, paused: false }), String::new())
        );
        assert_eq!(read("replicas: 2").0, Some(Pace::default()));
        assert_eq!(read("paused: true").0, Some(Pace { min_ready_ms: 0, paused: true }));
    }

    #[test]
    fn a_deadline_before_the_first_pod_can_be_available_is_refused() {
        let (pace, said) = read("{minReadySeconds: 600}".trim_matches(['{', '}']));
        assert_eq!(pace, None);
        assert_eq!(
            said,
            "Error CONF102 [spec.progressDeadlineSeconds] spec.progressDeadlineSeconds: 600 must be greater than minReadySeconds, which is 600\n"
        );
    }
}
