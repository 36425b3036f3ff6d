//! Jobs: pods that run to their end, as often as asked for.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/job/job_controller.go` (`syncJob`, `manageJob`,
//! `pastBackoffLimitOnFailure`) and `backoff_utils.go`: after failures new pods wait 10 s, doubling to 10 min.
//! A pod that is deleted before it has finished counts as failed.
//!
//! Not modelled: completion indexes, pod failure and success policies, `suspend`, the Job's own
//! `activeDeadlineSeconds`, and `ttlSecondsAfterFinished`: finished pods hold nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::change::DeletionCause;
use cluster::pod::NewPod;
use cluster::template::RestartPolicy;
use cluster::workload::Shape;
use cluster::{Change, Cluster, Name, PodId, PodTemplate, Timestamp, WorkloadId};

use super::backoff::Backoff;
use super::creation::Creation;
use super::names;
use super::standing::{Standing, Standings, Step};
use super::timers::Timers;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

const BACKOFF_BASE_MS: i64 = 10_000;
const BACKOFF_CAP_MS: i64 = 600_000;

/// The Job controller, for Jobs of the input.
#[derive(Clone, Debug, Default)]
pub struct Jobs {
    standings: Standings,
    runs: BTreeMap<WorkloadId, JobRun>,
    dirty: BTreeSet<WorkloadId>,
    stuck: BTreeSet<WorkloadId>,
    timers: Timers<WorkloadId>,
}

/// One Job: of the input, or made by a CronJob.
#[derive(Clone, Debug)]
pub struct JobRun {
    namespace: Name,
    name: Name,
    template: Arc<PodTemplate>,
    /// The run's number, for CronJobs.
    revision: u32,
    active: BTreeSet<PodId>,
    succeeded: u32,
    failed: u32,
    restarts: u32,
    failures: Backoff,
    next_index: u32,
    given_up: bool,
    /// Pods on their way.
    pub creation: Creation,
}

/// What a Job asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobGoal {
    /// `spec.completions`.
    pub completions: u32,
    /// `spec.parallelism`.
    pub parallelism: u32,
    /// `spec.backoffLimit`.
    pub backoff_limit: u32,
}

impl JobGoal {
    /// What a Job's shape asks for.
    pub fn of(shape: &Shape) -> Option<JobGoal> {
        match shape {
            Shape::Job { completions, parallelism, backoff_limit, .. } => Some(JobGoal {
                completions: *completions,
                parallelism: *parallelism,
                backoff_limit: *backoff_limit,
            }),
            _ => None,
        }
    }
}

impl Actor for Jobs {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        for step in self.standings.observe(change, cluster) {
            if let Some(run) = self.run_of(step.pod, cluster) {
                run.observe(step, cluster);
            }
        }
        match change {
            Change::WorkloadArrived(workload) | Change::WorkloadChanged(workload) => {
                self.arrive(*workload, cluster);
            }
            Change::WorkloadDeleted(workload) => {
                if let Some(run) = self.runs.get_mut(workload) {
                    run.given_up = true;
                    self.dirty.insert(*workload);
                }
            }
            Change::PodRestarted(pod) => {
                if let Some(run) = self.run_of(*pod, cluster) {
                    run.restarts = run.restarts.saturating_add(1);
                }
            }
            Change::PodRefused { workload, why } => {
                if let Some(run) = self.runs.get_mut(workload) {
                    run.creation.refused(why.clone(), cluster.now);
                    self.stuck.insert(*workload);
                    self.dirty.insert(*workload);
                }
            }
            _ => self.reconsider(change, cluster),
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        self.dirty.extend(self.timers.take_due(context.cluster.now));
        for workload in std::mem::take(&mut self.dirty) {
            let goal = JobGoal::of(&context.cluster.declared.workload(workload).shape);
            let (Some(run), Some(goal)) = (self.runs.get_mut(&workload), goal) else { continue };
            if let Some(again) = run.sync(workload, goal, context.cluster, effects) {
                self.timers.set(again, workload);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}

impl Jobs {
    fn arrive(&mut self, workload: WorkloadId, cluster: &Cluster) {
        let declared = cluster.declared.workload(workload);
        if matches!(declared.shape, Shape::Job { .. }) {
            let key = &declared.key;
            let fresh = || JobRun::new(key.namespace.clone(), key.name.clone(), &declared.template, 0);
            self.runs.entry(workload).or_insert_with(fresh);
            self.dirty.insert(workload);
        }
    }

    /// The run that a pod counts for; marks it for a sync.
    fn run_of(&mut self, pod: PodId, cluster: &Cluster) -> Option<&mut JobRun> {
        let workload = cluster.pod(pod).workload?;
        let declared = cluster.declared.workload(workload);
        if !matches!(declared.shape, Shape::Job { .. }) {
            return None;
        }
        self.dirty.insert(workload);
        let key = &declared.key;
        let fresh = || JobRun::new(key.namespace.clone(), key.name.clone(), &declared.template, 0);
        Some(self.runs.entry(workload).or_insert_with(fresh))
    }

    fn reconsider(&mut self, change: &Change, cluster: &Cluster) {
        let (runs, timers) = (&mut self.runs, &mut self.timers);
        self.stuck.retain(|workload| {
            let Some(run) = runs.get_mut(workload) else { return false };
            if let Some(at) = run.creation.reconsider(change, cluster) {
                timers.set(at, *workload);
            }
            run.creation.is_stuck()
        });
    }
}

impl JobRun {
    /// A Job that has not begun.
    pub fn new(namespace: Name, name: Name, template: &Arc<PodTemplate>, revision: u32) -> JobRun {
        let mut labelled = PodTemplate::clone(template);
        labelled.labels.insert("batch.kubernetes.io/job-name".into(), name.clone());
        labelled.labels.insert("job-name".into(), name.clone());
        JobRun {
            namespace,
            name,
            template: Arc::new(labelled),
            revision,
            active: BTreeSet::new(),
            succeeded: 0,
            failed: 0,
            restarts: 0,
            failures: Backoff::new(BACKOFF_BASE_MS, BACKOFF_CAP_MS),
            next_index: 0,
            given_up: false,
            creation: Creation::default(),
        }
    }

    /// Whether it is over: complete, or given up.
    pub fn is_over(&self, goal: JobGoal) -> bool {
        self.given_up || self.succeeded >= goal.completions
    }

    /// Deletes what runs and makes no more pods.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Counts a restarted container of one of its pods.
    pub fn restarted(&mut self) {
        self.restarts = self.restarts.saturating_add(1);
    }

    /// One of its pods took a step.
    pub fn observe(&mut self, step: Step, cluster: &Cluster) {
        if step.before == Standing::Unknown {
            self.next_index = self.next_index.saturating_add(1);
            self.creation.created();
        }
        if step.after.is_active() {
            self.active.insert(step.pod);
            return;
        }
        let counted = step.before == Standing::Unknown || self.active.remove(&step.pod);
        match step.after {
            Standing::Succeeded => {
                self.succeeded = self.succeeded.saturating_add(1);
                self.failures.reset();
            }
            Standing::Failed | Standing::Terminating | Standing::Gone if counted => {
                self.failed = self.failed.saturating_add(1);
                self.failures.fail(cluster.now);
            }
            _ => {}
        }
    }

    /// `syncJob`. Returns when to sync again if nothing happens before.
    pub fn sync(
        &mut self,
        workload: WorkloadId,
        goal: JobGoal,
        cluster: &Cluster,
        effects: &mut Effects,
    ) -> Option<Timestamp> {
        self.given_up |= self.past_backoff_limit(goal);
        let wanted = if self.given_up {
            0
        } else {
            goal.parallelism.min(goal.completions.saturating_sub(self.succeeded))
        };
        let active = u32::try_from(self.active.len()).unwrap_or(u32::MAX);
        for pod in self.active.iter().rev().take(active.saturating_sub(wanted) as usize) {
            effects.now(Effect::DeletePod(*pod, DeletionCause::Owner));
        }
        let missing = wanted.saturating_sub(active);
        if missing > 0 && self.failures.failures() > 0 && self.failures.next() > cluster.now {
            return Some(self.failures.next());
        }
        let index = self.next_index;
        for offset in 0..self.creation.request(missing, cluster.now) {
            effects.now(Effect::CreatePod(Box::new(NewPod {
                namespace: self.namespace.clone(),
                name: names::indexed(&self.name, index.saturating_add(offset)),
                workload: Some(workload),
                template: Arc::clone(&self.template),
                revision: self.revision,
                ordinal: 0,
                for_node: None,
            })));
        }
        None
    }

    fn past_backoff_limit(&self, goal: JobGoal) -> bool {
        let in_place = self.template.restart_policy == RestartPolicy::OnFailure;
        let restarts = self.restarts >= goal.backoff_limit.max(1) && in_place && !self.active.is_empty();
        self.failed > goal.backoff_limit || restarts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::kubelet::Kubelets;
    use crate::actors::stage_hand::{StageHand, declared, node, template, workload};
    use cluster::Kind;
    use cluster::capability::Capability;
    use cluster::pod::Stage;

    const WORK: WorkloadId = WorkloadId(0);
    const DAY: Timestamp = Timestamp(86_400_000);

    fn hand(
        completions: u32,
        parallelism: u32,
        backoff_limit: u32,
        policy: RestartPolicy,
        crashes: bool,
    ) -> StageHand {
        let shape = Shape::Job { completions, parallelism, backoff_limit, ttl_ms: None, duration_ms: 60_000 };
        let finite = PodTemplate { restart_policy: policy, ..template("work") };
        let needs =
            if crashes { |_: &Cluster, _| Some(Capability::ClusterDns) } else { |_: &Cluster, _| None };
        let actors: Vec<Box<dyn Actor>> = vec![Box::new(Jobs::default()), Box::new(Kubelets::new(needs))];
        let mut hand = StageHand::new(
            declared(vec![workload(Kind::Job, "work", shape, finite)], vec![node("a")]),
            actors,
        );
        hand.arrive_all();
        hand
    }

    fn count(hand: &StageHand, stage: Stage) -> usize {
        hand.stages(WORK).into_iter().filter(|found| *found == stage).count()
    }

    #[test]
    fn runs_as_many_at_once_as_allowed_until_all_completions_are_there() {
        let mut hand = hand(5, 2, 6, RestartPolicy::Never, false);
        assert!(hand.run(DAY));
        assert_eq!(count(&hand, Stage::Succeeded), 5);
        assert_eq!(hand.cluster.pods.len(), 5);
        // 10 s for the first two, 2 s for the others (the image is there), 60 s of work each.
        assert_eq!(hand.cluster.now, Timestamp(70_000 + 62_000 + 62_000));
    }

    /// Fails at 10 s; again 10, 20, 40 s after the failure before, each 2 s after its start.
    #[test]
    fn failed_pods_are_replaced_with_growing_pauses_up_to_the_limit() {
        let mut hand = hand(1, 1, 3, RestartPolicy::Never, true);
        assert!(hand.run(DAY));
        let created: Vec<i64> = hand.cluster.pods.iter().map(|pod| pod.created.0 / 1000).collect();
        assert_eq!(created, [0, 20, 42, 84]);
        assert_eq!(count(&hand, Stage::Failed), 4);
    }

    #[test]
    fn restarts_in_place_count_towards_the_limit() {
        let mut hand = hand(1, 1, 2, RestartPolicy::OnFailure, true);
        assert!(hand.run(DAY));
        assert_eq!(hand.cluster.pods.len(), 1);
        assert_eq!(hand.cluster.pods[0].restarts, 2);
        assert_eq!(hand.cluster.pods[0].stage, Stage::Gone);
    }

    #[test]
    fn a_drained_pod_is_replaced_after_a_pause_and_counts_as_failed() {
        let mut hand = hand(1, 1, 0, RestartPolicy::Never, false);
        hand.run(Timestamp(20_000));
        hand.perform(Effect::DeletePod(PodId(0), DeletionCause::Drained));
        assert!(hand.run(DAY));
        assert_eq!(hand.cluster.pods.len(), 1, "the limit of 0 is passed");
    }
}
