//! ROLL101: the additional pods of a roll-out find no room.

use std::collections::BTreeMap;

use cluster::change::Refusal;
use cluster::pod::Stage;
use cluster::rejection::PoolReason;
use cluster::unmet::current_revision;
use cluster::workload::Shape;
use cluster::{Change, ObjectKey, PodId, Timestamp, Waiting, Workload, WorkloadId};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "ROLL101", name: "surge-exceeds-headroom" }, docs: DOCS, examine };

const DOCS: &str = "\
A roll-out starts new pods before it stops old ones, and there is no room for the new ones.

## What it is
A rolling update may run `maxSurge` pods above the replicas (25 % rounded up: one of one) and only `maxUnavailable`
below them (25 % rounded down: none of one). Room for the surge must be there before the first old pod goes.

## Why it deadlocks
The new pod waits for room (a node, an address, a place in a quota), the old pod waits for the new one to be ready. With
a pool at its limit, or no provisioner, nothing else makes room. Several roll-outs at once share the same headroom.
A roll-out that does not complete is not converged, though the old pods serve: `kubectl rollout status` and Helm's
`--wait` never return, and what runs is not what was asked for.

## Evidence
The Deployments, their surge, how many new pods wait or had to wait, and how many old ones run on.

## Example
Fifteen services of one replica, rolled at once in a pool with room for five more pods.

## Remedy
Roll in waves that fit; raise the pool's limit, or the quota, for the time; or `maxSurge: 0` with `maxUnavailable: 1`, which needs no
room and costs a gap.

## Exceptions
It is a warning when the roll-out got through in the end: each pod that became ready let an old one go. Waiting for a
node that is being launched is no finding.

## References
- kubernetes: pkg/controller/deployment/rolling.go
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        scene.unmet.iter().filter_map(|unmet| stuck_rollout(scene, unmet)).collect();
    findings.extend(slow_rollouts(scene));
    findings
}

/// What keeps the new pods of a roll-out away.
enum Lack {
    /// They find no room, or no address.
    Room(Vec<PodId>),
    /// A quota refuses them.
    Quota(ObjectKey),
}

/// A roll-out that does not complete: new pods wait for room while old ones run on.
fn stuck_rollout(scene: &Scene<'_>, unmet: &cluster::Unmet) -> Option<Finding> {
    let cluster::Unmet::Workload { workload: id, waiting, .. } = unmet else { return None };
    let workload = scene.cluster.declared.workload(*id);
    let Shape::Deployment { max_surge: max_surge @ 1.., max_unavailable, recreate: false, .. } =
        workload.shape
    else {
        return None;
    };
    let current = current_revision(scene.cluster, *id);
    let is_old = |pod: &&cluster::Pod| pod.workload == Some(*id) && Some(pod.revision) != current;
    let old = scene.cluster.live_pods().filter(is_old);
    let old = old.filter(|pod| pod.stage == Stage::Ready && pod.deleted.is_none()).count();
    let lack = lack(scene, *id, waiting, current).filter(|_| old > 0)?;
    let what = match &lack {
        Lack::Room(new) => new_pods(new.len()),
        Lack::Quota(quota) => format!("{quota} refuses its new pods"),
    };
    let olds = if old == 1 { "the old pod".to_owned() } else { format!("the {old} old pods") };
    let title = format!("the roll-out of {} is stuck: {what}, and {olds} may not stop before", workload.key);
    let finding =
        Finding::new(RULE.code, Severity::Error, title).at(strategy(workload), "how it rolls").note(format!(
            "maxSurge is {max_surge} and maxUnavailable {max_unavailable}: a new pod must be ready first"
        ));
    Some(with_lack(scene, workload, finding, &lack))
}

fn with_lack(scene: &Scene<'_>, workload: &Workload, finding: Finding, lack: &Lack) -> Finding {
    let mut finding = match lack {
        Lack::Room(new) => finding
            .note(format!("waiting: {}", words::pods(scene, new)))
            .number("waiting_pods", new.len() as i64)
            .help(format!(
                "make room for {}, or roll with maxSurge 0 and maxUnavailable 1",
                if new.len() == 1 { "one pod more".to_owned() } else { format!("{} pods more", new.len()) }
            )),
        Lack::Quota(quota) => {
            finding.help(format!("raise {quota} for the time, or roll with maxSurge 0 and maxUnavailable 1"))
        }
    };
    finding.affects(workload.key.clone());
    finding
}

/// What the new pods lack, if it is room.
fn lack(scene: &Scene<'_>, id: WorkloadId, waiting: &[PodId], current: Option<u32>) -> Option<Lack> {
    let wants_room = |pod: &&PodId| {
        let pod = scene.cluster.pod(**pod);
        Some(pod.revision) == current
            && matches!(pod.waiting, Some((_, Waiting::Unschedulable(_) | Waiting::NoAddress(_))))
    };
    let new: Vec<PodId> = waiting.iter().filter(wants_room).copied().collect();
    if !new.is_empty() {
        return Some(Lack::Room(new));
    }
    match scene.cluster.creation_refusals.get(&id) {
        Some((_, Refusal::Quota { quota, .. })) => Some(Lack::Quota(quota.clone())),
        _ => None,
    }
}

fn new_pods(count: usize) -> String {
    if count == 1 { "1 new pod waits for room".to_owned() } else { format!("{count} new pods wait for room") }
}

fn strategy(workload: &Workload) -> cluster::Location {
    workload.location.at("/spec/strategy")
}

/// How long new pods of roll-outs waited for old ones to go, because a pool's limit was reached.
struct Delay {
    pods: Vec<PodId>,
    longest_ms: i64,
}

/// Roll-outs that got through, but only as their old pods went.
fn slow_rollouts(scene: &Scene<'_>) -> Option<Finding> {
    let mut first: BTreeMap<WorkloadId, u32> = BTreeMap::new();
    for pod in &scene.cluster.pods {
        if let Some(id) = pod.workload {
            let least = first.entry(id).or_insert(pod.revision);
            *least = pod.revision.min(*least);
        }
    }
    let rolled = |pod: &cluster::Pod| {
        let id = pod.workload?;
        let deployment = matches!(scene.cluster.declared.workload(id).shape, Shape::Deployment { .. });
        (deployment && first.get(&id).is_some_and(|first| pod.revision > *first)).then_some(id)
    };
    let mut refused: BTreeMap<PodId, Timestamp> = BTreeMap::new();
    let mut pools: BTreeMap<cluster::Name, ()> = BTreeMap::new();
    let mut delays: BTreeMap<WorkloadId, Delay> = BTreeMap::new();
    for entry in &scene.timeline.entries {
        match &entry.change {
            Change::PodRefusedByPools(pod, answers) => {
                let limit = answers.iter().find(|answer| matches!(answer.reason, PoolReason::Limit { .. }));
                if let Some(limit) = limit.filter(|_| rolled(scene.cluster.pod(*pod)).is_some()) {
                    refused.entry(*pod).or_insert(entry.at);
                    pools.insert(limit.pool.clone(), ());
                }
            }
            Change::PodBound(pod, _) => {
                let (Some(since), Some(id)) = (refused.remove(pod), rolled(scene.cluster.pod(*pod))) else {
                    continue;
                };
                let delay = delays.entry(id).or_insert(Delay { pods: Vec::new(), longest_ms: 0 });
                delay.pods.push(*pod);
                delay.longest_ms = delay.longest_ms.max(entry.at.since_ms(since));
            }
            _ => {}
        }
    }
    let pools: Vec<&str> = pools.keys().map(|pool| pool.as_str()).collect();
    slow(scene, &delays, &pools.join(", "))
}

fn slow(scene: &Scene<'_>, delays: &BTreeMap<WorkloadId, Delay>, pools: &str) -> Option<Finding> {
    let (first, _) = delays.first_key_value()?;
    let pods: Vec<PodId> = delays.values().flat_map(|delay| delay.pods.iter().copied()).collect();
    let longest_s = delays.values().map(|delay| delay.longest_ms).max().unwrap_or(0) / 1_000;
    let title = format!(
        "{} of {} had to wait for old pods to go: NodePool {pools} had no room for more",
        stuck::count(pods.len(), "new pod"),
        stuck::count(delays.len(), "roll-out"),
    );
    let workload = scene.cluster.declared.workload(*first);
    let mut finding = Finding::new(RULE.code, Severity::Warning, title)
        .at(strategy(workload), "the first of them")
        .note(format!("the longest waited {longest_s} s: {}", words::pods(scene, &pods)))
        .number("waiting_pods", pods.len() as i64)
        .number("longest_wait_s", longest_s)
        .help(format!("roll fewer at a time, or raise the limit of NodePool {pools} for the time"));
    stuck::affect(scene, &mut finding, &pods);
    Some(finding)
}

#[cfg(test)]
mod tests {
    use crate::testing::{BARE, app, boot_then};

    /// Two pods fill the node, and their template changes.
    fn rolled(strategy: &str) -> crate::testing::Ended {
        let before =
            app(2, "cpu: 1900m", "").replace("  replicas", &format!("  strategy: {strategy}\n  replicas"));
        let after = before.replace("example/app:1", "example/app:2");
        boot_then(&[BARE, &before], &[BARE, &after])
    }

    #[test]
    fn fires() {
        let ended = rolled("{type: RollingUpdate}");
        insta::assert_snapshot!(ended.told("ROLL101"), @r#"
        Error: the roll-out of Deployment default/app is stuck: 1 new pod waits for room, and the 2 old pods may not stop before
         at Deployment default/app spec.strategy: how it rolls
         note: maxSurge is 1 and maxUnavailable 0: a new pod must be ready first
         note: waiting: default/app-6db5545fc5-0
         help: make room for one pod more, or roll with maxSurge 0 and maxUnavailable 1
         waiting_pods: 1
        "#);
    }

    /// One pod of 1 CPU where a quota allows one.
    fn rolled_in_quota(cpu: u32) -> crate::testing::Ended {
        let quota = format!(
            "{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: team, namespace: default}}, spec: {{hard: {{cpu: '{cpu}'}}}}}}"
        );
        let before = app(1, "cpu: '1'", "");
        let after = before.replace("example/app:1", "example/app:2");
        boot_then(&[BARE, &quota, &before], &[BARE, &quota, &after])
    }

    #[test]
    fn a_quota_without_room_for_the_surge_is_told() {
        let ended = rolled_in_quota(1);
        assert_eq!(ended.outcome(), crate::Outcome::Starvation);
        insta::assert_snapshot!(ended.told("ROLL101"), @r#"
        Error: the roll-out of Deployment default/app is stuck: ResourceQuota default/team refuses its new pods, and the old pod may not stop before
         at Deployment default/app spec.strategy: how it rolls
         note: maxSurge is 1 and maxUnavailable 0: a new pod must be ready first
         help: raise ResourceQuota default/team for the time, or roll with maxSurge 0 and maxUnavailable 1
        "#);
        let roomy = rolled_in_quota(2);
        assert_eq!((roomy.outcome(), roomy.codes()), (crate::Outcome::Converges, vec![]));
    }

    #[test]
    fn a_roll_back_is_a_roll_out() {
        // Node a takes two pods of the first template; the second is smaller, so that it rolls; going back does not.
        let before = app(2, "cpu: 1300m", "");
        let small = app(2, "cpu: 1300m", "").replace("example/app:1", "example/app:2");
        let filler =
            app(1, "cpu: 1300m", "").replace("name: app", "name: filler").replace("app: app", "app: filler");
        let ended = crate::testing::boot_through(&[
            &[BARE, &before],
            &[BARE, &small],
            &[BARE, &small, &filler],
            &[BARE, &before, &filler],
        ]);
        assert_eq!(ended.outcome(), crate::Outcome::Starvation);
        assert!(
            ended.told("ROLL101").contains("is stuck: 1 new pod waits for room"),
            "{}",
            ended.told("ROLL101")
        );
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(rolled("{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}").told("ROLL101"), "");
    }
}
