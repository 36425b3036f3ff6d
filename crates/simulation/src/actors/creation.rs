//! How controllers ask for pods: in batches of 1, 2, 4, …, and after a refusal only when it may help.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/replicaset` `slowStartBatch` (a batch that meets an error is the
//! last of its sync) and the controllers' rate limiter: 5 ms doubling to 1,000 s
//! (`client-go/util/workqueue` `DefaultTypedControllerRateLimiter`).
//!
//! Not modelled: events of sibling pods wake the real controller before its back-off has run.

use cluster::change::Refusal;
use cluster::pod::Stage;
use cluster::{Change, Cluster, Kind, Timestamp};

use super::backoff::Backoff;

const RETRY_BASE_MS: i64 = 5;
const RETRY_CAP_MS: i64 = 1_000_000;

/// The requests of one owner that are on their way, and what became of the last ones.
#[derive(Clone, Debug)]
pub struct Creation {
    in_flight: u32,
    batch: u32,
    refused: Option<Refusal>,
    backoff: Backoff,
    retry: Option<Timestamp>,
}

impl Default for Creation {
    fn default() -> Creation {
        let backoff = Backoff::new(RETRY_BASE_MS, RETRY_CAP_MS);
        Creation { in_flight: 0, batch: 1, refused: None, backoff, retry: None }
    }
}

impl Creation {
    /// How many of `wanted` pods may be asked for now; they count as on their way from here.
    pub fn request(&mut self, wanted: u32, now: Timestamp) -> u32 {
        if self.in_flight > 0 {
            return 0;
        }
        if wanted == 0 {
            self.settle();
            return 0;
        }
        if self.refused.is_some() {
            if self.retry.is_none_or(|retry| retry > now) {
                return 0;
            }
            self.refused = None;
            self.retry = None;
            self.batch = 1;
        }
        self.in_flight = wanted.min(self.batch);
        self.in_flight
    }

    /// One of them exists.
    pub fn created(&mut self) {
        self.answered();
    }

    /// One of them was refused.
    pub fn refused(&mut self, why: Refusal, now: Timestamp) {
        if self.refused.is_none() {
            self.backoff.fail(now);
        }
        self.refused = Some(why);
        self.answered();
    }

    /// Whether the last attempt was refused and nothing has happened since that may help.
    pub fn is_stuck(&self) -> bool {
        self.refused.is_some() && self.retry.is_none()
    }

    /// Pods on their way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// If `change` may lift the refusal: when to try again.
    pub fn reconsider(&mut self, change: &Change, cluster: &Cluster) -> Option<Timestamp> {
        let why = self.refused.as_ref().filter(|_| self.retry.is_none())?;
        if !may_lift(why, change, cluster) {
            return None;
        }
        self.backoff.fail_through(cluster.now);
        self.retry = Some(self.backoff.next());
        self.retry
    }

    fn answered(&mut self) {
        if self.in_flight == 0 {
            return; // A pod of t=0.
        }
        self.in_flight -= 1;
        if self.in_flight == 0 {
            self.batch = if self.refused.is_some() { 1 } else { self.batch.saturating_mul(2) };
        }
    }

    fn settle(&mut self) {
        self.batch = 1;
        self.refused = None;
        self.retry = None;
        self.backoff.reset();
    }
}

/// Whether a refusal may not hold any more after `change`.
fn may_lift(why: &Refusal, change: &Change, cluster: &Cluster) -> bool {
    match (why, change) {
        (Refusal::Webhook { service: (namespace, name), .. }, Change::PodStage(pod, Stage::Ready)) => {
            let pod = cluster.pod(*pod);
            let selects = |selector: &cluster::Labels| {
                selector.iter().all(|(key, value)| pod.template.labels.get(key) == Some(value))
            };
            pod.namespace == *namespace
                && cluster.declared.services.iter().any(|service| {
                    service.namespace == *namespace
                        && service.name == *name
                        && service.selector.as_ref().is_some_and(selects)
                })
        }
        (
            Refusal::Quota { quota, .. },
            Change::PodGone(pod) | Change::PodStage(pod, Stage::Succeeded | Stage::Failed),
        ) => cluster.pod(*pod).namespace == quota.namespace,
        (Refusal::Quota { quota: by, .. } | Refusal::Webhook { configuration: by, .. }, changed) => {
            matches!(changed, Change::ObjectArrived(key) | Change::ObjectDeleted(key) if key == by)
        }
        (Refusal::Check(refusal), Change::ObjectArrived(_) | Change::ObjectDeleted(_)) => {
            !cluster.declared.pod_refusals.values().flatten().any(|known| known == &**refusal)
        }
        (Refusal::Check(_), Change::WorkloadChanged(_)) => true,
        (Refusal::ServiceAccountMissing(key), Change::ObjectArrived(arrived)) => key == arrived,
        (Refusal::PriorityClassMissing(name), Change::ObjectArrived(arrived)) => {
            arrived.kind == Kind::PriorityClass && arrived.name == *name
        }
        (Refusal::NamespaceMissing(name), Change::ObjectArrived(arrived)) => {
            arrived.kind == Kind::Namespace && arrived.name == *name
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_double_while_every_request_succeeds() {
        let mut creation = Creation::default();
        let mut left = 20;
        let mut batches = Vec::new();
        while left > 0 {
            let batch = creation.request(left, Timestamp(0));
            assert_eq!(creation.request(left, Timestamp(0)), 0, "nothing more while some are on their way");
            for _ in 0..batch {
                creation.created();
            }
            left -= batch;
            batches.push(batch);
        }
        assert_eq!(batches, [1, 2, 4, 8, 5]);
    }

    #[test]
    fn a_refusal_stops_the_batches_until_something_changes() {
        let mut creation = Creation::default();
        assert_eq!(creation.request(9, Timestamp(0)), 1);
        creation.refused(Refusal::NamespaceMissing("apps".into()), Timestamp(0));
        assert!(creation.is_stuck());
        assert_eq!(creation.request(9, Timestamp(1_000_000)), 0);
    }
}
