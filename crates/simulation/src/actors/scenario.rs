//! Plays the steps of a scenario: everything that comes from outside the cluster.
//!
//! What a step changes of the input was lowered before the run ([`cluster::scenario::Redeclaration`]); names of
//! nodes, claims and pods are looked up at the step's instant, because the run may have made them.
//!
//! `kubectl delete --force` takes the object away at once and leaves the kubelet to find out (`k8s.io/kubernetes`
//! v1.36 `pkg/registry/core/pod`, grace period 0); a node without a claim has no finalizer and is gone at once,
//! while a claim's node and a claim go the way of Karpenter's termination. A NodePool owns its claims: they are
//! deleted with it (`kubernetes-sigs/karpenter` v1.8 `pkg/controllers/nodepool`, owner references).

use std::sync::Arc;

use cluster::change::DeletionCause;
use cluster::scenario::{Action, Redeclaration, Script};
use cluster::{Change, Cluster, Kind, Name, NodeId, ObjectKey, Timestamp};

use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// Whoever plays the scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    script: Arc<Script>,
    /// The step that is due next.
    next: usize,
}

impl Scenario {
    /// Plays `script`.
    pub fn new(script: Arc<Script>) -> Scenario {
        Scenario { script, next: 0 }
    }
}

impl Actor for Scenario {
    fn observe(&mut self, _change: &Change, _context: Context<'_>) {}

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let now = context.cluster.now;
        while let Some(step) = self.script.steps.get(self.next).filter(|step| step.at <= now) {
            play(&step.action, context.cluster, effects);
            self.next += 1;
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.script.steps.get(self.next).map(|step| step.at)
    }
}

fn play(action: &Action, cluster: &Cluster, effects: &mut Effects) {
    match action {
        Action::Redeclare(step) => redeclare(step, cluster, effects),
        Action::Delete { target, force } => delete(target, *force, cluster, effects),
        Action::DeletePods(workload) => delete_pods(workload, cluster, effects),
        Action::NodeReady(name, ready) => {
            effects_on_node(cluster, name, |node| effects.now(Effect::NodeReady(node, *ready)));
        }
        Action::Fault(fault, on) => effects.now(Effect::Fault(fault.clone(), *on)),
    }
}

fn redeclare(step: &Arc<Redeclaration>, cluster: &Cluster, effects: &mut Effects) {
    for pool in step.objects_deleted.iter().filter(|key| key.kind == Kind::NodePool) {
        let index = cluster.declared.node_pools.iter().position(|known| known.name == pool.name);
        let owned = cluster
            .claims
            .iter()
            .filter(|claim| index.is_some() && claim.pool.map(|pool| pool as usize) == index);
        owned.for_each(|claim| effects.now(Effect::DeleteClaim(claim.id, None)));
    }
    effects.now(Effect::Redeclare(step.clone()));
}

fn delete(target: &ObjectKey, force: bool, cluster: &Cluster, effects: &mut Effects) {
    match target.kind {
        Kind::Node => effects_on_node(cluster, &target.name, |node| {
            effects.now(Effect::DeleteNode(node));
            if force || cluster.node(node).claim.is_none() {
                effects.now(Effect::NodeGone(node));
            }
        }),
        Kind::NodeClaim => {
            let claim = cluster.claims.iter().find(|claim| claim.name == target.name);
            claim.into_iter().for_each(|claim| effects.now(Effect::DeleteClaim(claim.id, None)));
        }
        _ => {
            let named = |pod: &&cluster::Pod| pod.name == target.name && pod.namespace == target.namespace;
            let pods = cluster.pods.iter().filter(|pod| pod.stage != cluster::pod::Stage::Gone);
            for pod in pods.filter(named) {
                effects.now(Effect::DeletePod(pod.id, DeletionCause::Scenario));
                if force {
                    effects.now(Effect::PodGone(pod.id));
                }
            }
        }
    }
}

fn delete_pods(workload: &ObjectKey, cluster: &Cluster, effects: &mut Effects) {
    let owned = cluster.live_pods().filter(|pod| {
        let owner = pod.workload.map(|id| cluster.declared.workload(id));
        owner.is_some_and(|owner| owner.key == *workload)
    });
    owned.for_each(|pod| effects.now(Effect::DeletePod(pod.id, DeletionCause::Scenario)));
}

fn effects_on_node(cluster: &Cluster, name: &Name, act: impl FnOnce(NodeId)) {
    if let Some(node) = cluster.live_nodes().find(|node| node.name == *name) {
        act(node.id);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use catalog::Catalog;
    use cluster::change::Fault;
    use cluster::pod::Stage;
    use cluster::scenario::Step;
    use cluster::workload::{Shape, Workload};
    use cluster::{Declared, Location, WorkloadId};

    use super::*;
    use crate::actors::stage_hand::{declared, deployment, key, node, template, workload};
    use crate::engine::{End, Options, Run, run};
    use crate::redeclare::align;

    const MINUTE_MS: i64 = 60_000;

    fn at(minutes: i64, action: Action) -> Step {
        let location = Location::object(ObjectKey::new(Kind::Scenario, "", "test"));
        Step { at: Timestamp(minutes * MINUTE_MS), location, action }
    }

    fn play_all(declared: &Declared, steps: Vec<Step>, watches: &[i64]) -> Run {
        let watches: Vec<Timestamp> = watches.iter().map(|minutes| Timestamp(minutes * MINUTE_MS)).collect();
        let until = watches.last().copied().unwrap_or_default();
        let options = Options { script: Arc::new(Script { steps, watches, until }), ..Options::default() };
        run(&Arc::new(declared.clone()), &Catalog::default(), &options)
    }

    fn base(workloads: Vec<Workload>) -> Declared {
        declared(workloads, vec![node("a"), node("b")])
    }

    fn edited(before: &Declared, edit: impl FnOnce(&mut Declared)) -> Action {
        let mut after = before.clone();
        edit(&mut after);
        Action::Redeclare(Arc::new(align(before, after, &BTreeSet::new())))
    }

    fn ready(cluster: &Cluster, id: u32) -> usize {
        let of_it = |pod: &&cluster::Pod| pod.workload == Some(WorkloadId(id)) && pod.stage == Stage::Ready;
        cluster.pods.iter().filter(of_it).count()
    }

    fn resize(workload: &mut Workload, to: u32) {
        let Shape::Deployment { replicas, .. } = &mut workload.shape else { panic!("a Deployment") };
        *replicas = to;
    }

    #[test]
    fn a_settled_cluster_goes_on_with_the_next_step() {
        let before = base(vec![deployment("web", 2)]);
        let grow = edited(&before, |declared| resize(&mut declared.workloads[0], 5));
        let run = play_all(&before, vec![at(10, grow)], &[9, 11, 30]);
        assert_eq!(run.end, End::Settled);
        assert_eq!(run.watched.iter().map(|cluster| ready(cluster, 0)).collect::<Vec<_>>(), [2, 5, 5]);
        assert_eq!(ready(&run.cluster, 0), 5, "nothing changes after the last step");
        assert!(run.last_progress > Timestamp(10 * MINUTE_MS));
    }

    #[test]
    fn new_workloads_arrive_and_deleted_ones_go() {
        let before = base(vec![deployment("old", 1), deployment("stays", 1)]);
        let swap = edited(&before, |declared| {
            declared.workloads.remove(0);
            declared.workloads.insert(0, deployment("new", 3));
        });
        let run = play_all(&before, vec![at(10, swap)], &[]);
        assert_eq!(run.end, End::Settled);
        assert_eq!((0..3).map(|id| ready(&run.cluster, id)).collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(run.cluster.declared.workloads[2].key.name, "new");
        assert!(run.unmet.is_empty());
    }

    #[test]
    fn what_comes_again_after_its_deletion_is_new() {
        let before = base(vec![deployment("web", 1)]);
        let mut empty = before.clone();
        empty.workloads.clear();
        let gone = align(&before, empty, &BTreeSet::new());
        let back = align(&gone.declared, before.clone(), &gone.deleted.iter().copied().collect());
        assert_eq!((gone.deleted.clone(), back.arrived.clone()), (vec![WorkloadId(0)], vec![WorkloadId(1)]));
        let steps = vec![at(5, Action::Redeclare(Arc::new(gone))), at(10, Action::Redeclare(Arc::new(back)))];
        let run = play_all(&before, steps, &[7]);
        assert_eq!((ready(&run.watched[0], 0), ready(&run.cluster, 0), ready(&run.cluster, 1)), (0, 0, 1));
    }

    #[test]
    fn a_new_template_rolls_the_pods() {
        let before = base(vec![deployment("web", 2)]);
        let roll = edited(&before, |declared| {
            Arc::make_mut(&mut declared.workloads[0].template)
                .annotations
                .insert("restarted".into(), "1".into());
        });
        let run = play_all(&before, vec![at(10, roll)], &[]);
        let live: Vec<u32> = run.cluster.live_pods().map(|pod| pod.revision).collect();
        assert_eq!((run.end, live), (End::Settled, vec![1, 1]));
    }

    #[test]
    fn a_pod_deleted_by_force_is_gone_at_once_even_on_a_lost_node() {
        let one = workload(Kind::Pod, "one", Shape::Pod, template("one"));
        let before = base(vec![one]);
        let delete = |force| Action::Delete { target: key(Kind::Pod, "one"), force };
        let lost = |ready| Action::NodeReady("a".into(), ready);
        let stages = |run: &Run| run.watched.iter().map(|c| c.pods[0].stage).collect::<Vec<_>>();
        let politely =
            play_all(&before, vec![at(5, lost(false)), at(6, delete(false)), at(20, lost(true))], &[7, 21]);
        assert_eq!(
            stages(&politely),
            [Stage::Running, Stage::Gone],
            "nobody confirms while the node is lost"
        );
        let by_force =
            play_all(&before, vec![at(5, lost(false)), at(6, delete(true)), at(20, lost(true))], &[7, 21]);
        assert_eq!(stages(&by_force), [Stage::Gone, Stage::Gone]);
    }

    #[test]
    fn a_deleted_node_takes_its_pods_along() {
        let before = base(vec![deployment("web", 2)]);
        let target = ObjectKey::new(Kind::Node, "", "a");
        let run = play_all(&before, vec![at(10, Action::Delete { target, force: false })], &[]);
        assert_eq!((run.end, run.cluster.live_nodes().count()), (End::Settled, 1));
        assert!(run.cluster.live_pods().all(|pod| pod.node == Some(NodeId(1))));
        assert_eq!(ready(&run.cluster, 0), 2);
    }

    #[test]
    fn faults_begin_and_end() {
        let before = base(vec![deployment("web", 1)]);
        let fault = Fault::ZoneCapacity("us-west-2a".into());
        let steps =
            vec![at(10, Action::Fault(fault.clone(), true)), at(20, Action::Fault(fault.clone(), false))];
        let run = play_all(&before, steps, &[5, 15, 25]);
        let faults: Vec<usize> = run.watched.iter().map(|cluster| cluster.faults.len()).collect();
        assert_eq!((faults, run.cluster.faults.len()), (vec![0, 1, 0], 0));
    }

    #[test]
    fn a_node_is_cordoned_and_another_joins() {
        let before = base(vec![deployment("web", 1)]);
        let cordon = edited(&before, |declared| {
            declared.nodes.iter_mut().for_each(|node| node.unschedulable = true);
            declared.nodes.push(node("c"));
            resize(&mut declared.workloads[0], 3);
        });
        let run = play_all(&before, vec![at(10, cordon)], &[]);
        let on: Vec<u32> = run.cluster.live_pods().filter_map(|pod| pod.node).map(|node| node.0).collect();
        assert_eq!((run.end, on.iter().filter(|node| **node == 2).count()), (End::Settled, 2), "{on:?}");
    }
}
