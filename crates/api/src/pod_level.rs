//! `spec.resources`: what the pod as a whole asks for.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/core/v1/defaults.go` `defaultPodRequests` and
//! `pkg/apis/core/validation` `validatePodResources`.

use cluster::resources::format_amount;
use cluster::{FieldPath, Name};
use k8s_openapi::api::core::v1 as core;

use crate::admission::Named;
use crate::problem::Reporter;
use crate::requests::{Part, aggregate};
use crate::{code, container};

/// What `spec.resources` requests, its limits and the containers' requests filled in; nothing where it is absent.
/// `parts` are those of containers and of init containers. `live` pods were accepted already.
pub(crate) fn pod_level(
    spec: &core::PodSpec,
    [parts, inits]: [&[Part]; 2],
    live: bool,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Named {
    let Some(resources) = &spec.resources else { return Named::default() };
    let at = path.child("resources");
    let mut requests = container::named(resources.requests.as_ref(), &at.child("requests"), reporter);
    let limits = container::named(resources.limits.as_ref(), &at.child("limits"), reporter);
    let sum = aggregate(parts, inits, |part| &part.requests);
    for (name, limit) in &limits.0 {
        requests.set_if_absent(name, sum.get(name).unwrap_or(*limit));
    }
    if !live {
        let limited = |name: &Name| limits.get(name);
        check(&requests, limited, ("requests", "must be less than or equal to", "limit"), &at, reporter);
        check(&sum, |name| requests.get(name), ("requests", SMALLER, "requests"), &at, reporter);
        for part in parts {
            check(&part.limits, limited, ("limits", SMALLER, "limits"), &at, reporter);
        }
    }
    requests.0.retain(|name, _| is_pod_level(name));
    requests
}

/// How the containers' amounts relate to the pod's.
const SMALLER: &str = "of the containers must be less than or equal to the pod's";

/// Every amount must be at most what `most` says of it.
fn check(
    amounts: &Named,
    most: impl Fn(&Name) -> Option<i64>,
    (field, relation, to): (&str, &str, &str),
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) {
    for (name, amount) in &amounts.0 {
        let Some(most) = most(name).filter(|most| amount > most) else { continue };
        let at = path.child(field).child(name);
        let (amount, most) = (format_amount(name, *amount), format_amount(name, most));
        let message = format!("{at}: {amount} {relation} {to} of {most}");
        reporter.error(&at, code::BAD_VALUE, message, "raise what the pod as a whole may have");
    }
}

/// Resources that may be written for the pod as a whole (`IsSupportedPodLevelResource`).
fn is_pod_level(name: &Name) -> bool {
    matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-")
}

#[cfg(test)]
mod tests {
    use crate::testing::lowered;

    /// The pod's requests of CPU (millis) and memory (bytes), and problems.
    fn of(resources: &str, container: &str) -> ((i64, i64), Vec<String>) {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  resources: {resources}\n  containers: [{{name: a, image: a, resources: {container}}}]\n"
        );
        let lowered = lowered(&pod);
        let requests = lowered.declared.workloads.first().map(|workload| workload.template.requests.clone());
        let requests = requests.map_or((0, 0), |requests| (requests.cpu_millis, requests.memory_bytes));
        (requests, lowered.problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn limits_stand_in_for_requests_unless_containers_request() {
        let (requests, problems) = of("{limits: {cpu: 800m, memory: 64}}", "{requests: {cpu: 100m}}");
        assert_eq!((requests, problems), ((100, 64), vec![]));
    }

    #[test]
    fn containers_may_not_pass_the_pod() {
        let (_, problems) = of("{requests: {cpu: 1}}", "{requests: {cpu: 2}}");
        assert_eq!(
            problems,
            [
                "spec.resources.requests.cpu: 2 of the containers must be less than or equal to the pod's requests of 1"
            ]
        );
        let (_, problems) = of("{limits: {cpu: 1}}", "{limits: {cpu: 1}}");
        assert_eq!(problems, Vec::<String>::new());
        let (_, problems) =
            of("{limits: {cpu: 1}, requests: {cpu: 500m}}", "{limits: {cpu: 2}, requests: {cpu: 1m}}");
        assert_eq!(
            problems,
            [
                "spec.resources.limits.cpu: 2 of the containers must be less than or equal to the pod's limits of 1"
            ]
        );
    }
}
