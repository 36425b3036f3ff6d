//! Containers that exit, and pulls that fail: the kubelet's back-off, without simulating attempts that must fail.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/kubelet/kubelet.go`: 10 s doubling to 300 s (`MaxCrashLoopBackOff`,
//! `imageBackOffPeriod`). A program that lacks something is taken to exit at once.

use std::collections::BTreeMap;

use cluster::pod::Stage;
use cluster::role::Program;
use cluster::template::RestartPolicy;
use cluster::waiting::CrashCause;
use cluster::workload::Shape;
use cluster::{Change, Cluster, Pod, PodId, Timestamp, Waiting};

use super::Needs;
use crate::actors::backoff::Backoff;
use crate::effect::{Effect, Effects};

const BACKOFF_BASE_MS: i64 = 10_000;
const BACKOFF_CAP_MS: i64 = 300_000;

/// Pods whose containers exit, and pods whose images are refused.
#[derive(Clone, Debug, Default)]
pub struct Crashes {
    crashing: BTreeMap<PodId, Crash>,
    pulls: BTreeMap<PodId, Backoff>,
    /// Something happened that may have brought what a program lacks.
    recheck: bool,
}

#[derive(Clone, Debug)]
struct Crash {
    cause: CrashCause,
    backoff: Backoff,
    /// Failed attempts that were skipped, once the next attempt is planned.
    planned: Option<u32>,
}

impl Crashes {
    /// Notes whether a change can matter to programs that lack something.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) {
        let known = |pod: PodId| cluster.pod(pod).template.role.program != Program::Application;
        self.recheck |= match change {
            Change::PodStage(pod, _) | Change::PodGone(pod) => known(*pod),
            Change::PodDeleting { pod, .. } => known(*pod),
            Change::Fault(..)
            | Change::NodeReady(..)
            | Change::CniReady(..)
            | Change::WorkloadArrived(_)
            | Change::WorkloadChanged(_)
            | Change::WorkloadDeleted(_)
            | Change::ObjectArrived(_)
            | Change::ObjectDeleted(_) => true,
            _ => false,
        };
    }

    /// The pod's program has exited after `attempts` restarts that are being counted in this instant. Returns
    /// when it is started again in any case: restarts count towards the limit of a Job.
    pub fn crashed(
        &mut self,
        pod: &Pod,
        cause: CrashCause,
        attempts: u32,
        cluster: &Cluster,
        effects: &mut Effects,
    ) -> Option<Timestamp> {
        if pod.template.restart_policy == RestartPolicy::Never {
            effects.now(Effect::PodStage(pod.id, Stage::Failed));
            return None;
        }
        let fresh = || Crash {
            cause: cause.clone(),
            backoff: Backoff::new(BACKOFF_BASE_MS, BACKOFF_CAP_MS),
            planned: None,
        };
        let crash = self.crashing.entry(pod.id).or_insert_with(fresh);
        crash.cause = cause.clone();
        crash.planned = None;
        crash.backoff.fail(cluster.now);
        let restarts = pod.restarts.saturating_add(attempts);
        effects.now(Effect::PodWaits(pod.id, Box::new(Waiting::Crashing { restarts, why: cause })));
        if restarts >= counted_restarts(cluster, pod) {
            return None;
        }
        crash.planned = Some(0);
        Some(crash.backoff.next())
    }

    /// Why the pod's program exits whatever else is there: it cannot be executed.
    pub fn is_broken(&self, pod: PodId) -> Option<CrashCause> {
        let cause = self.crashing.get(&pod).map(|crash| &crash.cause);
        cause.filter(|cause| matches!(cause, CrashCause::ExecFormat { .. })).cloned()
    }

    /// Pods for which the next attempt may end differently than the last one, with its instant.
    pub fn due_for_restart(&mut self, cluster: &Cluster, needs: Needs) -> Vec<(PodId, Timestamp)> {
        if !std::mem::take(&mut self.recheck) {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (id, crash) in self.crashing.iter_mut().filter(|(_, crash)| crash.planned.is_none()) {
            let CrashCause::Needs(lacked) = &crash.cause else { continue };
            if needs(cluster, *id).as_ref() != Some(lacked) {
                crash.planned = Some(crash.backoff.fail_through(cluster.now));
                due.push((*id, crash.backoff.next()));
            }
        }
        due
    }

    /// How many restarts there were when the planned one happens, itself included.
    pub fn restarts_by(&self, pod: PodId) -> u32 {
        let skipped = self.crashing.get(&pod).and_then(|crash| crash.planned).unwrap_or(0);
        skipped.saturating_add(1)
    }

    /// A pull was refused at `at`.
    pub fn pull_failed(&mut self, pod: PodId, at: Timestamp) {
        let fresh = || Backoff::new(BACKOFF_BASE_MS, BACKOFF_CAP_MS);
        self.pulls.entry(pod).or_insert_with(fresh).fail(at);
    }

    /// When the pod's image is tried again after `now`.
    pub fn next_pull(&mut self, pod: PodId, now: Timestamp) -> Timestamp {
        let Some(backoff) = self.pulls.get_mut(&pod) else { return now.after_ms(BACKOFF_BASE_MS) };
        backoff.fail_through(now);
        backoff.next()
    }

    /// The pod runs well, or is gone.
    pub fn forget(&mut self, pod: PodId) {
        self.crashing.remove(&pod);
        self.pulls.remove(&pod);
    }
}

/// How many restarts somebody counts: those of Jobs that restart in place, up to their limit.
fn counted_restarts(cluster: &Cluster, pod: &Pod) -> u32 {
    /// A limit beyond this is as good as none.
    const MOST: u32 = 50;
    let shape = pod.workload.map(|workload| &cluster.declared.workload(workload).shape);
    let job = match shape {
        Some(Shape::CronJob { job, .. }) => Some(&**job),
        other => other,
    };
    match job {
        Some(Shape::Job { backoff_limit, .. }) => (*backoff_limit).clamp(1, MOST),
        _ => 0,
    }
}
