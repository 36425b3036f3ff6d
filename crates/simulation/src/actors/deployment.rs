//! Deployments and ReplicaSets: as many pods as asked for, rolled from one template to the next.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/deployment`; the arithmetic is in [`super::rollout`], the pods of
//! one revision in [`super::replica_set`]. A template that was there before gets its old revision back.
//!
//! Not modelled: `paused`, `minReadySeconds`, `progressDeadlineSeconds` (it changes nothing but a condition),
//! `revisionHistoryLimit`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::change::DeletionCause;
use cluster::workload::{POD_TEMPLATE_HASH, Shape};
use cluster::{Change, Cluster, ObjectKey, PodId, PodTemplate, Timestamp, WorkloadId};

use super::replica_set::ReplicaSet;
use super::rollout::{self, Goal, Size};
use super::standing::{Standings, Step};
use super::timers::Timers;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// The Deployment and ReplicaSet controllers, for all workloads of those kinds.
#[derive(Clone, Debug, Default)]
pub struct Deployments {
    standings: Standings,
    rollouts: BTreeMap<WorkloadId, Rollout>,
    dirty: BTreeSet<WorkloadId>,
    stuck: BTreeSet<WorkloadId>,
    retries: Timers<WorkloadId>,
}

/// One workload's revisions.
#[derive(Clone, Debug)]
struct Rollout {
    key: ObjectKey,
    /// In the order of their creation; the index is the revision.
    sets: Vec<ReplicaSet>,
    notes: Vec<(i64, i64)>,
    /// Pods seen at t=0 are counted; later sizes are the controller's own.
    adopted: bool,
    deleted: bool,
}

impl Actor for Deployments {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        for step in self.standings.observe(change, cluster) {
            self.pod_stepped(step, cluster);
        }
        match change {
            Change::WorkloadArrived(workload) | Change::WorkloadChanged(workload) => {
                self.arrive(*workload, cluster)
            }
            Change::WorkloadDeleted(workload) => self.delete(*workload),
            Change::PodRefused { workload, why } => {
                let Some(rollout) = self.rollouts.get_mut(workload) else { return };
                for set in rollout.sets.iter_mut().filter(|set| set.creation.in_flight() > 0).take(1) {
                    set.creation.refused(why.clone(), cluster.now);
                }
                self.stuck.insert(*workload);
                self.dirty.insert(*workload);
            }
            _ => self.reconsider(change, cluster),
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        self.dirty.extend(self.retries.take_due(context.cluster.now));
        for workload in std::mem::take(&mut self.dirty) {
            if let Some(rollout) = self.rollouts.get_mut(&workload) {
                rollout.sync(workload, context.cluster, effects);
            }
        }
    }

    fn hops_behind(&self) -> u8 {
        1
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.retries.next()
    }
}

impl Deployments {
    fn arrive(&mut self, workload: WorkloadId, cluster: &Cluster) {
        let declared = cluster.declared.workload(workload);
        if !matches!(declared.shape, Shape::Deployment { .. } | Shape::ReplicaSet { .. }) {
            return;
        }
        let rollout = self.rollouts.entry(workload).or_insert_with(|| Rollout::new(declared.key.clone()));
        rollout.deleted = false;
        self.dirty.insert(workload);
    }

    fn pod_stepped(&mut self, step: Step, cluster: &Cluster) {
        let pod = cluster.pod(step.pod);
        let Some(workload) = pod.workload else { return };
        let declared = cluster.declared.workload(workload);
        if !matches!(declared.shape, Shape::Deployment { .. } | Shape::ReplicaSet { .. }) {
            return;
        }
        let rollout = self.rollouts.entry(workload).or_insert_with(|| Rollout::new(declared.key.clone()));
        let single = matches!(declared.shape, Shape::ReplicaSet { .. });
        let revision = if single { 0 } else { pod.revision };
        // The pods of t=0 were made from what is declared, even where one names its node.
        let template = if rollout.sets.is_empty() { &declared.template } else { &pod.template };
        rollout.set_of(revision, template, single).observe(step);
        self.dirty.insert(workload);
    }

    fn delete(&mut self, workload: WorkloadId) {
        if let Some(rollout) = self.rollouts.get_mut(&workload) {
            rollout.deleted = true;
            self.dirty.insert(workload);
        }
    }

    fn reconsider(&mut self, change: &Change, cluster: &Cluster) {
        let mut freed = Vec::new();
        for workload in &self.stuck {
            let sets = self.rollouts.get_mut(workload).map(|rollout| &mut rollout.sets);
            for set in sets.into_iter().flatten() {
                if let Some(at) = set.creation.reconsider(change, cluster) {
                    self.retries.set(at, *workload);
                }
                if !set.creation.is_stuck() {
                    freed.push(*workload);
                }
            }
        }
        for workload in freed {
            let stuck = |rollout: &Rollout| rollout.sets.iter().any(|set| set.creation.is_stuck());
            if !self.rollouts.get(&workload).is_some_and(stuck) {
                self.stuck.remove(&workload);
            }
        }
    }
}

impl Rollout {
    fn new(key: ObjectKey) -> Rollout {
        Rollout { key, sets: Vec::new(), notes: Vec::new(), adopted: false, deleted: false }
    }

    /// The set of a revision, made with all earlier ones if it is not there yet.
    fn set_of(&mut self, revision: u32, template: &Arc<PodTemplate>, single: bool) -> &mut ReplicaSet {
        // A revision beyond any sane history would only come from a broken input: it shares the last set.
        const MOST_REVISIONS: u32 = 1_000;
        let revision = revision.min(MOST_REVISIONS);
        let label = (!single).then_some(POD_TEMPLATE_HASH);
        while self.sets.len() <= revision as usize {
            let index = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
            self.sets.push(ReplicaSet::new(&self.key, template, index, label));
            self.notes.push((0, 0));
        }
        &mut self.sets[revision as usize]
    }

    fn sync(&mut self, workload: WorkloadId, cluster: &Cluster, effects: &mut Effects) {
        let declared = cluster.declared.workload(workload);
        if self.deleted {
            return self.delete_pods(effects);
        }
        match declared.shape {
            Shape::ReplicaSet { replicas } => {
                let set = self.set_of(0, &declared.template, true);
                set.desired = replicas;
                if *set.source != *declared.template {
                    set.replace_template(&declared.template);
                }
            }
            Shape::Deployment { replicas, recreate, max_surge, max_unavailable } => {
                let max_surge = if recreate { 0 } else { i64::from(max_surge) };
                let max_unavailable = i64::from(max_unavailable);
                let goal = Goal { replicas: i64::from(replicas), recreate, max_surge, max_unavailable };
                self.resize(goal, &declared.template);
            }
            _ => return,
        }
        let related: Vec<PodId> = if self.sets.iter().any(|set| set.active().len() > set.desired as usize) {
            self.sets.iter().flat_map(|set| set.active().iter().copied()).collect()
        } else {
            Vec::new()
        };
        for set in &mut self.sets {
            set.manage((workload, &self.key), related.iter().copied(), cluster, effects);
        }
    }

    /// Runs the controller's syncs until none resizes anything.
    fn resize(&mut self, goal: Goal, template: &Arc<PodTemplate>) {
        let new = self.current(template);
        if !std::mem::replace(&mut self.adopted, true) {
            for (set, notes) in self.sets.iter_mut().zip(&mut self.notes) {
                set.desired = u32::try_from(set.active().len()).unwrap_or(u32::MAX);
                *notes = (goal.replicas, goal.replicas + goal.max_surge);
            }
        }
        let size = |(set, notes): (&ReplicaSet, &(i64, i64))| Size {
            desired: i64::from(set.desired),
            available: i64::from(set.ready()),
            pods: i64::from(set.unfinished()),
            noted_replicas: notes.0,
            noted_max: notes.1,
        };
        let mut sizes: Vec<Size> = self.sets.iter().zip(&self.notes).map(size).collect();
        // Each sync only moves towards its goal; two per set and one for a change of scale are enough.
        for _ in 0..2 * sizes.len() + 2 {
            if !rollout::sync(goal, &mut sizes, new) {
                break;
            }
        }
        for ((set, notes), size) in self.sets.iter_mut().zip(&mut self.notes).zip(sizes) {
            set.desired = u32::try_from(size.desired).unwrap_or(0);
            *notes = (size.noted_replicas, size.noted_max);
        }
    }

    /// The revision of the current template; a new one if no earlier one is the same.
    fn current(&mut self, template: &Arc<PodTemplate>) -> usize {
        let same = |set: &ReplicaSet| Arc::ptr_eq(&set.source, template) || *set.source == **template;
        if let Some(found) = self.sets.iter().rposition(same) {
            return found;
        }
        let next = self.sets.len();
        self.set_of(u32::try_from(next).unwrap_or(u32::MAX), template, false);
        next.min(self.sets.len().saturating_sub(1))
    }

    fn delete_pods(&self, effects: &mut Effects) {
        for pod in self.sets.iter().flat_map(|set| set.active()) {
            effects.now(Effect::DeletePod(*pod, DeletionCause::Owner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::kubelet::Kubelets;
    use crate::actors::stage_hand::{StageHand, declared, deployment, node, template};
    use cluster::Declared;
    use cluster::change::Refusal;
    use cluster::pod::Stage;

    const WEB: WorkloadId = WorkloadId(0);
    const HOUR: Timestamp = Timestamp(3_600_000);

    fn hand(replicas: u32) -> StageHand {
        let declared = declared(vec![deployment("web", replicas)], vec![node("a")]);
        let actors: Vec<Box<dyn Actor>> =
            vec![Box::new(Deployments::default()), Box::new(Kubelets::new(|_, _| None))];
        let mut hand = StageHand::new(declared, actors);
        hand.arrive_all();
        hand
    }

    fn most_at_once(hand: &StageHand) -> usize {
        let (mut now, mut most) = (0usize, 0);
        for (_, change) in &hand.log {
            match change {
                Change::PodCreated(_) => now += 1,
                Change::PodGone(_) => now -= 1,
                _ => {}
            }
            most = most.max(now);
        }
        most
    }

    #[test]
    fn makes_as_many_pods_as_asked_for_and_then_rests() {
        let mut hand = hand(7);
        assert!(hand.run(HOUR));
        assert_eq!(hand.stages(WEB), vec![Stage::Ready; 7]);
        let names: BTreeSet<&str> = hand.cluster.pods.iter().map(|pod| pod.name.as_str()).collect();
        assert_eq!(names.len(), 7, "{names:?}");
    }

    #[test]
    fn replaces_pods_that_are_deleted_by_others() {
        let mut hand = hand(3);
        hand.run(HOUR);
        hand.perform(Effect::DeletePod(PodId(1), DeletionCause::Drained));
        assert!(hand.run(HOUR));
        assert_eq!(hand.stages(WEB), vec![Stage::Ready; 3]);
        assert_eq!(hand.cluster.pods.len(), 4);
    }

    #[test]
    fn a_new_template_is_rolled_out_within_the_surge() {
        let mut hand = hand(4);
        hand.run(HOUR);
        hand.change_workload(WEB, |web| web.template = Arc::new(template("web:2")));
        assert!(hand.run(HOUR));
        let live: Vec<_> = hand.cluster.live_pods().map(|pod| (pod.revision, pod.stage)).collect();
        assert_eq!(live, vec![(1, Stage::Ready); 4]);
        // Surge 1: at most 5 wanted at once; one more may still be terminating.
        assert!(most_at_once(&hand) <= 6);
    }

    #[test]
    fn going_back_to_an_earlier_template_uses_its_revision() {
        let mut hand = hand(2);
        hand.run(HOUR);
        let first = Arc::clone(&hand.cluster.declared.workloads[0].template);
        hand.change_workload(WEB, |web| web.template = Arc::new(template("web:2")));
        hand.run(HOUR);
        hand.change_workload(WEB, |web| web.template = first);
        assert!(hand.run(HOUR));
        assert!(hand.cluster.live_pods().all(|pod| pod.revision == 0 && pod.stage == Stage::Ready));
        assert_eq!(hand.cluster.live_pods().count(), 2);
    }

    #[test]
    fn scaling_down_takes_pending_pods_first() {
        let mut hand = hand(5);
        hand.pods_per_node = 3;
        hand.run(HOUR);
        hand.change_workload(WEB, |web| {
            web.shape = Shape::Deployment { replicas: 3, recreate: false, max_surge: 1, max_unavailable: 0 };
        });
        assert!(hand.run(HOUR));
        assert_eq!(hand.stages(WEB), vec![Stage::Ready; 3]);
        let created = hand.cluster.pods.iter().filter(|pod| pod.node.is_some()).count();
        assert_eq!(created, 3, "no bound pod was taken");
    }

    #[test]
    fn recreate_never_runs_two_revisions_side_by_side() {
        let mut hand = hand(3);
        let recreate = Shape::Deployment { replicas: 3, recreate: true, max_surge: 0, max_unavailable: 0 };
        hand.change_workload(WEB, |web| web.shape = recreate);
        hand.run(HOUR);
        hand.change_workload(WEB, |web| web.template = Arc::new(template("web:2")));
        assert!(hand.run(HOUR));
        let first_new =
            hand.log.iter().position(|(_, change)| *change == Change::PodCreated(PodId(3))).unwrap();
        let gone =
            hand.log[..first_new].iter().filter(|(_, change)| matches!(change, Change::PodGone(_))).count();
        assert_eq!(gone, 3);
        assert_eq!(hand.stages(WEB), vec![Stage::Ready; 3]);
    }

    #[test]
    fn a_quota_stops_creation_until_a_pod_goes() {
        let mut hand = hand(4);
        hand.refuse = |cluster, _| {
            let used = cluster.live_pods().count() as i64;
            let quota = ObjectKey::new(cluster::Kind::Other("ResourceQuota".into()), "apps", "quota");
            (used >= 2).then(|| Refusal::Quota { quota, resource: "pods".into(), hard: 2, used, wanted: 1 })
        };
        assert!(hand.run(HOUR), "a refused owner does not poll");
        assert_eq!(hand.stages(WEB), vec![Stage::Ready; 2]);
        let refusals = |hand: &StageHand| {
            hand.log.iter().filter(|(_, change)| matches!(change, Change::PodRefused { .. })).count()
        };
        let before = refusals(&hand);
        hand.perform(Effect::DeletePod(PodId(0), DeletionCause::Drained));
        assert!(hand.run(Timestamp(7_200_000)));
        assert_eq!(hand.stages(WEB), vec![Stage::Ready; 2]);
        assert!(refusals(&hand) > before, "and asks again when room was made");
    }

    #[test]
    fn pods_of_t0_are_counted() {
        let mut hand = hand(2);
        hand.run(HOUR);
        let cluster = hand.cluster.clone();
        let actors: Vec<Box<dyn Actor>> =
            vec![Box::new(Deployments::default()), Box::new(Kubelets::new(|_, _| None))];
        let mut again = StageHand::new(Declared::clone(&cluster.declared), actors);
        again.cluster = cluster;
        again.changed(Change::WorkloadArrived(WEB));
        assert!(again.run(Timestamp(HOUR.0 * 2)));
        assert_eq!(again.cluster.pods.len(), 2);
        assert_eq!(again.stages(WEB), vec![Stage::Ready; 2]);
    }
}
