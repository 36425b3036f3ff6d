//! A small world for the scheduler: it performs effects and tells the changes.

use std::sync::Arc;

use catalog::Catalog;
use cluster::pod::Stage;
use cluster::{Node, PodTemplate};
use scheduling::testing::{add_node, add_pod, node, template};

use super::*;

pub(super) struct World {
    pub cluster: Cluster,
    pub scheduler: Scheduler,
    catalog: Catalog,
    /// Effects that are due later.
    later: Vec<(Timestamp, Effect)>,
}

impl World {
    pub fn new(cluster: Cluster) -> World {
        World { cluster, scheduler: Scheduler::default(), catalog: Catalog::default(), later: Vec::new() }
    }

    pub fn tell(&mut self, change: Change) {
        self.scheduler.observe(&change, Context { cluster: &self.cluster, catalog: &self.catalog });
    }

    /// Lets the scheduler decide until it has nothing more to do at this instant; what it asked for.
    pub fn settle(&mut self) -> Vec<String> {
        let mut log = Vec::new();
        for _ in 0..100 {
            let mut effects = Effects::default();
            self.scheduler.decide(Context { cluster: &self.cluster, catalog: &self.catalog }, &mut effects);
            let asked = effects.drain();
            if asked.is_empty() {
                return log;
            }
            for (delay_ms, effect) in asked {
                log.push(say(delay_ms, &effect));
                if delay_ms == 0 {
                    self.perform(effect);
                } else {
                    self.later.push((self.cluster.now.after_ms(delay_ms), effect));
                }
            }
        }
        panic!("the scheduler does not come to rest: {log:#?}");
    }

    /// Goes on to an instant, waking the scheduler when it asks for it; what it asked for and when.
    pub fn run_to(&mut self, end: i64) -> Vec<String> {
        let mut log = self.settle();
        loop {
            let due = self.later.iter().map(|(at, _)| *at).chain(self.scheduler.wake_at()).min();
            let Some(next) = due.filter(|at| at.0 <= end) else { break };
            assert!(next > self.cluster.now, "woken at {next} at {}", self.cluster.now);
            self.cluster.now = next;
            let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= next);
            self.later = later;
            let due: Vec<(Timestamp, Effect)> = due;
            due.into_iter().for_each(|(_, effect)| self.perform(effect));
            log.extend(self.settle().into_iter().map(|line| format!("{}: {line}", next.0)));
        }
        self.cluster.now = Timestamp(end);
        log
    }

    pub fn pod(&mut self, pod: PodId) -> &mut cluster::Pod {
        &mut self.cluster.pods[pod.0 as usize]
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::BindPod(pod, node) => {
                let state = self.pod(pod);
                if state.node.is_none() && state.is_wanted() {
                    (state.node, state.stage, state.nominated) = (Some(node), Stage::Bound, None);
                    self.tell(Change::PodBound(pod, node));
                }
            }
            Effect::NominatePod(pod, node) => {
                self.pod(pod).nominated = Some(node);
                self.tell(Change::PodNominated(pod, node));
            }
            Effect::ClearNomination(pod) => {
                self.pod(pod).nominated = None;
                self.tell(Change::NominationCleared(pod));
            }
            Effect::DeletePod(pod, why) => {
                let now = self.cluster.now;
                self.pod(pod).deleted = Some(now);
                self.tell(Change::PodDeleting { pod, why });
            }
            Effect::SelectVolumeNode(claim, node) => {
                self.cluster.volume_claims[claim.0 as usize].selected_node = Some(node);
                self.tell(Change::VolumeNodeSelected(claim, node));
            }
            Effect::PodWaits(pod, why) => {
                let now = self.cluster.now;
                self.pod(pod).waiting = Some((now, (*why).clone()));
                self.tell(Change::PodWaits(pod, why));
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn create(&mut self, template: &Arc<PodTemplate>) -> PodId {
        let pod = add_pod(&mut self.cluster, template);
        self.tell(Change::PodCreated(pod));
        pod
    }

    pub fn join(&mut self, node: Node) -> NodeId {
        let node = add_node(&mut self.cluster, node);
        self.tell(Change::NodeRegistered(node));
        node
    }

    pub fn end(&mut self, pod: PodId) {
        self.pod(pod).stage = Stage::Gone;
        self.tell(Change::PodGone(pod));
    }
}

fn say(delay_ms: i64, effect: &Effect) -> String {
    let what = match effect {
        Effect::BindPod(pod, node) => format!("bind {} to {}", pod.0, node.0),
        Effect::NominatePod(pod, node) => format!("nominate {} for {}", node.0, pod.0),
        Effect::ClearNomination(pod) => format!("clear nomination of {}", pod.0),
        Effect::DeletePod(pod, _) => format!("delete {}", pod.0),
        Effect::SelectVolumeNode(claim, node) => format!("select {} for claim {}", node.0, claim.0),
        Effect::PodWaits(pod, why) => match why.as_ref() {
            Waiting::Unschedulable(rejection) => format!("{} waits: {}", pod.0, rejection.message),
            other => format!("{} waits: {other:?}", pod.0),
        },
        other => format!("{other:?}"),
    };
    if delay_ms == 0 { what } else { format!("after {delay_ms}: {what}") }
}

pub(super) fn sized(name: &str, cpu_millis: i64) -> Node {
    let mut node = node(name);
    node.allocatable.cpu_millis = cpu_millis;
    node
}

pub(super) fn cpu(cpu_millis: i64, priority: i32) -> Arc<PodTemplate> {
    Arc::new(PodTemplate { priority, ..template(cpu_millis, 0) })
}
