//! From the sandbox to running containers: the plan of pulls and init containers, and how long programs run.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/kubelet/kuberuntime/kuberuntime_manager.go` `SyncPod`: init containers one
//! after the other, then ordinary containers in order, each pulled before it is started; a container that
//! cannot be started does not keep the others from starting.

use cluster::template::{Container, RestartPolicy};
use cluster::waiting::CrashCause;
use cluster::workload::Shape;
use cluster::{Cluster, Node, Pod, Timestamp, Waiting};

use super::image::{Images, Verdict};

/// An init container that does its work at once is seen as finished by the next relist of the runtime
/// (`pkg/kubelet/kubelet.go` `genericPlegRelistPeriod`).
const INIT_CONTAINER_MS: i64 = 1_000;
/// How long finite work runs that the profile's `runtimes` say nothing about.
const USUAL_RUNTIME_MS: i64 = 60_000;

/// What comes of starting a pod's containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// All run at this instant.
    Runs(Timestamp),
    /// At this instant a program starts that cannot run.
    Crashes(Timestamp, CrashCause),
    /// At this instant an image turns out not to be pullable.
    Waits(Timestamp, Waiting),
}

/// Plans the start from now on; pulls are begun.
pub fn plan_start(cluster: &Cluster, images: &mut Images, pod: &Pod, node: &Node) -> Plan {
    let latencies = cluster.declared.profile.latencies;
    let mut at = cluster.now;
    for container in &pod.template.init_containers {
        match images.verdict(cluster, pod, container, node) {
            Verdict::Refused(why) => return Plan::Waits(at, image_wait(container, why)),
            Verdict::Crashes(cause) => {
                let pulled = images.pull(node, &container.image, at, latencies.image_pull_ms);
                return Plan::Crashes(pulled, cause);
            }
            Verdict::Runs => at = images.pull(node, &container.image, at, latencies.image_pull_ms),
        }
        at = at.after_ms(INIT_CONTAINER_MS);
    }
    let mut waits = None;
    let mut crashes = None;
    for container in &pod.template.containers {
        match images.verdict(cluster, pod, container, node) {
            Verdict::Refused(why) => {
                waits.get_or_insert((at, image_wait(container, why)));
                continue;
            }
            Verdict::Crashes(cause) => {
                crashes.get_or_insert(cause);
            }
            Verdict::Runs => {}
        }
        at = images.pull(node, &container.image, at, latencies.image_pull_ms);
    }
    let started = at.after_ms(latencies.pod_start_ms);
    match (waits, crashes) {
        (Some((at, why)), _) => Plan::Waits(at, why),
        (None, Some(cause)) => Plan::Crashes(started, cause),
        (None, None) => Plan::Runs(started),
    }
}

fn image_wait(container: &Container, why: cluster::waiting::ImageProblem) -> Waiting {
    Waiting::Image { image: container.image.clone(), why }
}

/// How long the pod's work takes once it runs; `None` for programs that do not end.
pub fn runtime_ms(cluster: &Cluster, pod: &Pod) -> Option<i64> {
    let shape = pod.workload.map(|workload| &cluster.declared.workload(workload).shape);
    match shape {
        Some(Shape::Job { duration_ms, .. }) => Some(*duration_ms),
        Some(Shape::CronJob { job, .. }) => match **job {
            Shape::Job { duration_ms, .. } => Some(duration_ms),
            _ => Some(USUAL_RUNTIME_MS),
        },
        Some(Shape::Pod) | None if pod.template.restart_policy != RestartPolicy::Always => {
            Some(USUAL_RUNTIME_MS)
        }
        _ => None,
    }
}
