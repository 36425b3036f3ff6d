//! One file for each part of a cluster that acts.

pub mod arrival;
pub mod backoff;
pub mod bare_pod;
pub mod claims;
pub mod creation;
pub mod cronjob;
pub mod daemonset;
pub mod deployment;
pub mod fargate;
pub mod health;
pub mod job;
pub mod kubelet;
pub mod names;
pub mod node_selector;
pub mod replica_set;
pub mod rollout;
#[cfg(test)]
mod stage_hand;
pub mod standing;
pub mod statefulset;
pub mod timers;
pub mod victims;

use std::sync::Arc;

use cluster::Declared;

use crate::Options;
use crate::actor::Actor;

/// Every actor, in the order in which they are asked.
pub fn all(_declared: &Arc<Declared>, options: &Options) -> Vec<Box<dyn Actor>> {
    vec![
        Box::new(arrival::Arrivals::new(options.late.clone())),
        Box::new(deployment::Deployments::default()),
        Box::new(statefulset::StatefulSets::default()),
        Box::new(daemonset::DaemonSets::default()),
        Box::new(job::Jobs::default()),
        Box::new(cronjob::CronJobs::default()),
        Box::new(bare_pod::BarePods::default()),
        Box::new(kubelet::Kubelets::new(crate::needs::missing_need)),
    ]
}
