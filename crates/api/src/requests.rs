//! What a whole pod asks for: containers, init containers, sidecars, pod-level resources, overhead.
//!
//! Follows `k8s.io/component-helpers` v0.36 `resource/helpers.go` `PodRequests` and `pkg/apis/core/v1/defaults.go`
//! `defaultPodRequests`.

use cluster::Name;

use crate::admission::Named;

/// A container's part.
pub(crate) struct Part {
    /// Requests.
    pub(crate) requests: Named,
    /// Limits.
    pub(crate) limits: Named,
    /// An init container that keeps running.
    pub(crate) sidecar: bool,
}

/// Which of a part's lists is summed.
pub(crate) type Pick = fn(&Part) -> &Named;

/// The larger of all running containers together and the start-up phase at its peak.
pub(crate) fn aggregate(containers: &[Part], init_containers: &[Part], pick: Pick) -> Named {
    let mut running = Named::default();
    for part in containers {
        running.add(pick(part));
    }
    let (mut sidecars, mut peak) = (Named::default(), Named::default());
    for part in init_containers {
        let mut now = sidecars.clone();
        now.add(pick(part));
        if part.sidecar {
            running.add(pick(part));
            sidecars = now.clone();
        }
        peak.raise_to(&now);
    }
    running.raise_to(&peak);
    running
}

/// Requests of the pod; `pod_level` are those of [`pod_level`].
pub(crate) fn pod_requests(
    containers: &[Part],
    init_containers: &[Part],
    pod_level: &Named,
    overhead: &Named,
) -> Named {
    let mut requests = aggregate(containers, init_containers, |part| &part.requests);
    requests.0.extend(pod_level.0.clone());
    requests.add(overhead);
    requests
}

/// What the pod as a whole requests: `spec.resources` requests and limits, with defaults.
pub(crate) fn pod_level(
    containers: &[Part],
    init_containers: &[Part],
    requests: Named,
    limits: &Named,
) -> Named {
    let sum = aggregate(containers, init_containers, |part| &part.requests);
    let mut requests = requests;
    default_pod_requests(&mut requests, limits, &sum);
    requests.0.retain(|name, _| is_pod_level(name));
    requests
}

/// A pod-level limit without a request: the containers' sum where they name one, else the limit.
fn default_pod_requests(requests: &mut Named, limits: &Named, containers: &Named) {
    for (name, limit) in &limits.0 {
        requests.set_if_absent(name, containers.get(name).unwrap_or(*limit));
    }
}

/// Resources that may be written for the pod as a whole (`IsSupportedPodLevelResource`).
fn is_pod_level(name: &Name) -> bool {
    matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(cpu: i64, sidecar: bool) -> Part {
        Part { requests: Named::new(vec![("cpu".into(), cpu)]), limits: Named::default(), sidecar }
    }

    fn cpu(containers: &[Part], init: &[Part]) -> i64 {
        pod_requests(containers, init, &Named::default(), &Named::default()).get("cpu").unwrap_or(0)
    }

    #[test]
    fn the_peak_of_start_up_and_running_counts() {
        assert_eq!(cpu(&[part(100, false), part(50, false)], &[]), 150);
        assert_eq!(cpu(&[part(100, false)], &[part(500, false)]), 500);
        // A sidecar runs beside the containers and beside the init containers that start after it.
        assert_eq!(cpu(&[part(100, false)], &[part(200, true)]), 300);
        assert_eq!(cpu(&[part(100, false)], &[part(200, true), part(300, false)]), 500);
        assert_eq!(cpu(&[part(100, false)], &[part(300, false), part(200, true)]), 300);
    }

    #[test]
    fn pod_level_resources_replace_the_sum_and_overhead_comes_on_top() {
        let parts = [part(100, false)];
        let whole = pod_level(&parts, &[], Named::new(vec![("cpu".into(), 1000)]), &Named::default());
        let overhead = Named::new(vec![("cpu".into(), 250)]);
        let requests = pod_requests(&parts, &[], &whole, &overhead);
        assert_eq!(requests.get("cpu"), Some(1250));
        let limits = Named::new(vec![("cpu".into(), 800), ("memory".into(), 64)]);
        let whole = pod_level(&parts, &[], Named::default(), &limits);
        let requests = pod_requests(&parts, &[], &whole, &Named::default());
        assert_eq!((requests.get("cpu"), requests.get("memory")), (Some(100), Some(64)));
    }
}
