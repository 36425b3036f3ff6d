//! Whether what a scenario expects came about, in the run that is told.

use cluster::pod::Stage;
use cluster::scenario::{Action, Expectation, Expected, Found, Missed, Script};
use cluster::{Cluster, Declared, Kind, ObjectKey, Pod, Timestamp, unmet};
use findings::{Outcome, WaitGraph};

use crate::trial::Trial;

/// The expectations that do not hold, in the order written.
pub fn missed(expectations: &[Expectation], script: &Script, told: &Trial) -> Vec<Missed> {
    let missed = expectations.iter().filter_map(|expectation| {
        let found = match cluster_at(expectation.at, script, told) {
            Some(cluster) => differs(expectation, cluster, script, told)?,
            None if told.outcome == Outcome::Inconclusive => Found::NotReached(told.run.ended),
            None => differs(expectation, &told.run.cluster, script, told)?,
        };
        Some(Missed { expectation: expectation.clone(), found })
    });
    missed.collect()
}

/// The cluster at a watched instant; `None` when the run did not come so far.
fn cluster_at<'t>(at: Option<Timestamp>, script: &Script, told: &'t Trial) -> Option<&'t Cluster> {
    let Some(at) = at else { return Some(&told.run.cluster) };
    let index = script.watches.iter().position(|watch| *watch == at)?;
    told.run.watched.get(index)
}

/// What is there, if it is not what was expected.
fn differs(expectation: &Expectation, cluster: &Cluster, script: &Script, told: &Trial) -> Option<Found> {
    match &expectation.what {
        Expected::Verdict(verdict) => {
            let outcome = outcome_at(expectation.at, cluster, script, told);
            let name = outcome.to_string();
            (name != verdict.as_str()).then(|| Found::Verdict(name.into()))
        }
        Expected::Running { target, at_least, at_most } => match running(cluster, target) {
            0 if !is_known(target, script, told) => Some(Found::NoSuchObject),
            count => outside(count, *at_least, *at_most),
        },
        Expected::Nodes { node_pool, at_least, at_most } => {
            let made = cluster.live_nodes().filter(|node| node.node_pool() == Some(node_pool)).count();
            outside(u32::try_from(made).unwrap_or(u32::MAX), *at_least, *at_most)
        }
    }
}

/// The verdict of the run, or what it would be had nothing more come to pass after an instant in between.
fn outcome_at(at: Option<Timestamp>, cluster: &Cluster, script: &Script, told: &Trial) -> Outcome {
    let is_final = |at: Timestamp| {
        let more = script.last_step().is_some_and(|last| last > at);
        !more && told.run.last_progress <= at
    };
    if at.is_none_or(is_final) {
        return told.outcome;
    }
    let unmet = unmet(cluster);
    if unmet.is_empty() { Outcome::Converges } else { Outcome::of_stuck(&WaitGraph::new(cluster, &unmet)) }
}

fn outside(count: u32, at_least: u32, at_most: Option<u32>) -> Option<Found> {
    let fits = count >= at_least && at_most.is_none_or(|at_most| count <= at_most);
    (!fits).then_some(Found::Count(count))
}

/// Ready and finished pods of a workload, or the pod of that name.
fn running(cluster: &Cluster, target: &ObjectKey) -> u32 {
    let is_up = |pod: &&Pod| match pod.stage {
        Stage::Ready => pod.deleted.is_none(),
        Stage::Succeeded => true,
        _ => false,
    };
    let owner = |pod: &Pod| pod.workload.map(|id| &cluster.declared.workload(id).key);
    let is_meant = |pod: &&Pod| owner(pod) == Some(target) || is_named(pod, target);
    let count = cluster.pods.iter().filter(is_meant).filter(is_up).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether there is such an object at any time: one that is not there yet, or no more, has no running pods; one that
/// never is was misspelt.
fn is_known(target: &ObjectKey, script: &Script, told: &Trial) -> bool {
    let is_declared = |declared: &Declared| declared.workloads.iter().any(|workload| workload.key == *target);
    let arrives = script.steps.iter().any(|step| match &step.action {
        Action::Redeclare(redeclaration) => is_declared(&redeclaration.declared),
        _ => false,
    });
    let run = &told.run.cluster;
    arrives || is_declared(&run.declared) || run.pods.iter().any(|pod| is_named(pod, target))
}

fn is_named(pod: &Pod, target: &ObjectKey) -> bool {
    target.kind == Kind::Pod && pod.name == target.name && pod.namespace == target.namespace
}
