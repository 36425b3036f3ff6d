//! Bare pods: created once when they arrive; nobody replaces them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::change::DeletionCause;
use cluster::pod::NewPod;
use cluster::workload::Shape;
use cluster::{Change, Cluster, PodId, Timestamp, WorkloadId};

use super::creation::Creation;
use super::standing::{Standing, Standings};
use super::timers::Timers;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// Whoever applies bare pods: asks for each until it exists once.
#[derive(Clone, Debug, Default)]
pub struct BarePods {
    standings: Standings,
    wanted: BTreeMap<WorkloadId, Creation>,
    there: BTreeMap<WorkloadId, PodId>,
    deleted: BTreeSet<WorkloadId>,
    retries: Timers<WorkloadId>,
}

impl Actor for BarePods {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        for step in self.standings.observe(change, cluster) {
            let Some(workload) = owner(step.pod, cluster) else { continue };
            if step.after != Standing::Gone {
                self.there.insert(workload, step.pod);
            }
            self.wanted.remove(&workload);
        }
        match change {
            Change::WorkloadArrived(id) if cluster.declared.workload(*id).shape == Shape::Pod => {
                if !self.there.contains_key(id) {
                    self.wanted.entry(*id).or_default();
                }
            }
            Change::WorkloadDeleted(id) => {
                self.wanted.remove(id);
                self.deleted.insert(*id);
            }
            Change::PodRefused { workload, why } => {
                if let Some(creation) = self.wanted.get_mut(workload) {
                    creation.refused(why.clone(), cluster.now);
                }
            }
            _ => {
                for (workload, creation) in &mut self.wanted {
                    if let Some(at) = creation.reconsider(change, cluster) {
                        self.retries.set(at, *workload);
                    }
                }
            }
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        self.retries.take_due(cluster.now);
        for (workload, creation) in &mut self.wanted {
            if creation.request(1, cluster.now) > 0 {
                effects.now(Effect::CreatePod(Box::new(new_pod(*workload, cluster))));
            }
        }
        for workload in std::mem::take(&mut self.deleted) {
            if let Some(pod) = self.there.remove(&workload) {
                effects.now(Effect::DeletePod(pod, DeletionCause::Owner));
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.retries.next()
    }
}

fn owner(pod: PodId, cluster: &Cluster) -> Option<WorkloadId> {
    let workload = cluster.pod(pod).workload?;
    (cluster.declared.workload(workload).shape == Shape::Pod).then_some(workload)
}

fn new_pod(workload: WorkloadId, cluster: &Cluster) -> NewPod {
    let declared = cluster.declared.workload(workload);
    NewPod {
        namespace: declared.key.namespace.clone(),
        name: declared.key.name.clone(),
        workload: Some(workload),
        template: Arc::clone(&declared.template),
        revision: 0,
        ordinal: 0,
        for_node: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::kubelet::Kubelets;
    use crate::actors::stage_hand::{StageHand, declared, node, template, workload};
    use cluster::Kind;
    use cluster::pod::Stage;

    const HOUR: Timestamp = Timestamp(3_600_000);

    #[test]
    fn is_created_once_and_not_replaced() {
        let declared =
            declared(vec![workload(Kind::Pod, "one", Shape::Pod, template("one"))], vec![node("a")]);
        let actors: Vec<Box<dyn Actor>> =
            vec![Box::new(BarePods::default()), Box::new(Kubelets::new(|_, _| None))];
        let mut hand = StageHand::new(declared, actors);
        hand.arrive_all();
        assert!(hand.run(HOUR));
        assert_eq!(hand.stages(WorkloadId(0)), [Stage::Ready]);
        hand.perform(Effect::DeletePod(PodId(0), DeletionCause::Drained));
        assert!(hand.run(HOUR));
        assert!(hand.stages(WorkloadId(0)).is_empty());
        assert_eq!(hand.cluster.pods.len(), 1);
    }
}
