//! CronJobs: a Job at every instant of a schedule.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/cronjob` (`mostRecentScheduleTime`: of several missed instants only
//! the last one is made up for). Schedules are in UTC, counted from the profile's `now`.
//!
//! Not modelled: `timeZone`, `concurrencyPolicy` other than `Allow`, `startingDeadlineSeconds`, `@every`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cluster::workload::Shape;
use cluster::{Change, Cluster, Name, PodId, Timestamp, WorkloadId};
use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::job::{JobGoal, JobRun};
use super::standing::Standings;
use super::timers::Timers;
use crate::actor::{Actor, Context};
use crate::effect::Effects;

/// The CronJob controller, with the Jobs that it makes.
#[derive(Clone, Debug, Default)]
pub struct CronJobs {
    standings: Standings,
    crons: BTreeMap<WorkloadId, Schedule>,
    runs: BTreeMap<(WorkloadId, u32), JobRun>,
    dirty: BTreeSet<(WorkloadId, u32)>,
    stuck: BTreeSet<(WorkloadId, u32)>,
    timers: Timers<(WorkloadId, u32)>,
}

/// When a CronJob is due.
#[derive(Clone, Debug)]
struct Schedule {
    cron: Option<Cron>,
    next: Option<Timestamp>,
    runs: u32,
}

impl Actor for CronJobs {
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
            Change::WorkloadDeleted(workload) => self.delete(*workload),
            Change::PodRestarted(pod) => {
                if let Some(run) = self.run_of(*pod, cluster) {
                    run.restarted();
                }
            }
            Change::PodRefused { workload, why } => {
                let mut mine = self.runs.range_mut((*workload, 0)..=(*workload, u32::MAX));
                if let Some((id, run)) = mine.find(|(_, run)| run.creation.in_flight() > 0) {
                    run.creation.refused(why.clone(), cluster.now);
                    self.stuck.insert(*id);
                    self.dirty.insert(*id);
                }
            }
            _ => self.reconsider(change, cluster),
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        if cluster.now >= Timestamp::ZERO {
            self.start_due(cluster);
        }
        self.dirty.extend(self.timers.take_due(cluster.now));
        for id in std::mem::take(&mut self.dirty) {
            let Shape::CronJob { job, .. } = &cluster.declared.workload(id.0).shape else { continue };
            let (Some(run), Some(goal)) = (self.runs.get_mut(&id), JobGoal::of(job)) else { continue };
            if let Some(again) = run.sync(id.0, goal, cluster, effects) {
                self.timers.set(again, id);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    fn background_wake_at(&self) -> Option<Timestamp> {
        self.crons.values().filter_map(|schedule| schedule.next).min()
    }
}

impl CronJobs {
    fn arrive(&mut self, workload: WorkloadId, cluster: &Cluster) {
        let Shape::CronJob { schedule, suspended, .. } = &cluster.declared.workload(workload).shape else {
            return;
        };
        let cron = Cron::from_str(schedule).ok().filter(|_| !suspended);
        let runs = self.crons.get(&workload).map_or(0, |known| known.runs);
        self.crons.insert(workload, Schedule { cron, next: None, runs });
    }

    fn delete(&mut self, workload: WorkloadId) {
        self.crons.remove(&workload);
        for (id, run) in self.runs.range_mut((workload, 0)..=(workload, u32::MAX)) {
            run.give_up();
            self.dirty.insert(*id);
        }
    }

    /// Starts what is due, and notes when each schedule is due next.
    fn start_due(&mut self, cluster: &Cluster) {
        let now_unix_ms = cluster.declared.profile.now_unix_ms;
        for (workload, schedule) in &mut self.crons {
            if schedule.next.is_some_and(|next| next <= cluster.now) {
                schedule.next = None;
                schedule.runs = schedule.runs.saturating_add(1);
                let declared = cluster.declared.workload(*workload);
                let name = Name::from(format!("{}-{}", declared.key.name, schedule.runs));
                let id = (*workload, schedule.runs);
                let run =
                    JobRun::new(declared.key.namespace.clone(), name, &declared.template, schedule.runs);
                self.runs.insert(id, run);
                self.dirty.insert(id);
            }
            if schedule.next.is_none() {
                schedule.next =
                    schedule.cron.as_ref().and_then(|cron| due_after(cron, cluster.now, now_unix_ms));
            }
        }
    }

    /// The run that a pod counts for; marks it for a sync.
    fn run_of(&mut self, pod: PodId, cluster: &Cluster) -> Option<&mut JobRun> {
        let pod = cluster.pod(pod);
        let id = (pod.workload?, pod.revision);
        let run = self.runs.get_mut(&id)?;
        self.dirty.insert(id);
        Some(run)
    }

    fn reconsider(&mut self, change: &Change, cluster: &Cluster) {
        let (runs, timers) = (&mut self.runs, &mut self.timers);
        self.stuck.retain(|id| {
            let Some(run) = runs.get_mut(id) else { return false };
            if let Some(at) = run.creation.reconsider(change, cluster) {
                timers.set(at, *id);
            }
            run.creation.is_stuck()
        });
    }
}

/// The first instant of a schedule after `now`, in UTC.
pub fn due_after(cron: &Cron, now: Timestamp, now_unix_ms: i64) -> Option<Timestamp> {
    let from = civil(now_unix_ms.checked_add(now.0)?)?;
    let next = cron.find_next_occurrence(&from, false).ok()?;
    let unix_ms = Offset::UTC.to_timestamp(next).ok()?.as_millisecond();
    Some(Timestamp(unix_ms.checked_sub(now_unix_ms)?)).filter(|next| *next > now)
}

fn civil(unix_ms: i64) -> Option<DateTime> {
    let instant = jiff::Timestamp::from_millisecond(unix_ms).ok()?;
    Some(Offset::UTC.to_datetime(instant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::kubelet::Kubelets;
    use crate::actors::stage_hand::{StageHand, declared, node, template, workload};
    use cluster::Kind;
    use cluster::pod::Stage;
    use cluster::template::{PodTemplate, RestartPolicy};

    const HOUR_MS: i64 = 3_600_000;

    /// t=0 is 2026-01-01T00:00:00Z.
    fn due(schedule: &str, now_ms: i64) -> i64 {
        let cron = Cron::from_str(schedule).unwrap();
        due_after(&cron, Timestamp(now_ms), 1_767_225_600_000).unwrap().0
    }

    #[test]
    fn schedules_are_counted_from_the_wall_clock_instant_of_t0() {
        assert_eq!(due("0 */6 * * *", 0), 6 * HOUR_MS);
        assert_eq!(due("0 */6 * * *", 6 * HOUR_MS), 12 * HOUR_MS);
        assert_eq!(due("30 2 * * *", 0), 2 * HOUR_MS + HOUR_MS / 2);
        assert_eq!(due("@hourly", 1), HOUR_MS);
        // 1 January 2026 is a Thursday.
        assert_eq!(due("0 0 * * 5", 0), 24 * HOUR_MS);
    }

    #[test]
    fn each_due_instant_makes_a_job_and_does_not_keep_a_run_going() {
        let job = Shape::Job {
            completions: 1,
            parallelism: 1,
            backoff_limit: 6,
            ttl_ms: None,
            duration_ms: 60_000,
        };
        let shape = Shape::CronJob { schedule: "0 */6 * * *".into(), suspended: false, job: Box::new(job) };
        let finite = PodTemplate { restart_policy: RestartPolicy::OnFailure, ..template("refresh") };
        let actors: Vec<Box<dyn Actor>> =
            vec![Box::new(CronJobs::default()), Box::new(Kubelets::new(|_, _| None))];
        let declared = declared(vec![workload(Kind::CronJob, "refresh", shape, finite)], vec![node("a")]);
        let mut hand = StageHand::new(declared, actors);
        hand.arrive_all();
        assert!(hand.run(Timestamp(48 * HOUR_MS)), "nothing is due but in the background");
        assert!(hand.cluster.pods.is_empty());
        for run in 1..=2 {
            let at = hand.actors[0].background_wake_at().unwrap();
            assert_eq!(at, Timestamp(run * 6 * HOUR_MS));
            hand.cluster.now = at;
            assert!(hand.run(Timestamp(48 * HOUR_MS)));
        }
        assert_eq!(hand.stages(WorkloadId(0)), [Stage::Succeeded; 2]);
    }
}
