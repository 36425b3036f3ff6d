//! What a whole pod asks for: containers, init containers, sidecars, overhead.
//!
//! Follows `k8s.io/component-helpers` v0.36 `resource/helpers.go` `PodRequests`.

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

/// Requests of the pod; `pod_level` are those of [`crate::pod_level`].
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
        let whole = Named::new(vec![("cpu".into(), 1000)]);
        let overhead = Named::new(vec![("cpu".into(), 250)]);
        let requests = pod_requests(&parts, &[], &whole, &overhead);
        assert_eq!(requests.get("cpu"), Some(1250));
    }
}
