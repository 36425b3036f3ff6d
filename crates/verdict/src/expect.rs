//! Whether what a scenario expects came about, in the run that is told.

use cluster::pod::Stage;
use cluster::scenario::{Expectation, Expected, Found, Missed, Script};
use cluster::{Cluster, Kind, ObjectKey, Timestamp, unmet};
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
            None => Some(Found::NoSuchObject),
            Some(count) => outside(count, *at_least, *at_most),
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

/// Ready and finished pods of a workload, or the pod of that name; `None` when there is no such workload.
fn running(cluster: &Cluster, target: &ObjectKey) -> Option<u32> {
    let is_up = |pod: &&cluster::Pod| match pod.stage {
        Stage::Ready => pod.deleted.is_none(),
        Stage::Succeeded => true,
        _ => false,
    };
    let owner = |pod: &cluster::Pod| pod.workload.map(|id| &cluster.declared.workload(id).key);
    let named = |pod: &cluster::Pod| {
        target.kind == Kind::Pod && pod.name == target.name && pod.namespace == target.namespace
    };
    let is_meant = |pod: &&cluster::Pod| owner(pod) == Some(target) || named(pod);
    let known = cluster.declared.workloads.iter().any(|workload| workload.key == *target);
    let count = cluster.pods.iter().filter(is_meant).filter(is_up).count();
    let exists = known || cluster.pods.iter().any(|pod| named(pod));
    exists.then(|| u32::try_from(count).unwrap_or(u32::MAX))
}
