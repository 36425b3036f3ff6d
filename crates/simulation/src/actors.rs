//! One file for each part of a cluster that acts.

pub mod address_queue;
pub mod agenda;
pub mod arrival;
pub mod backoff;
pub mod bare_pod;
pub mod cilium;
pub mod claims;
pub mod cluster_autoscaler;
pub mod cni;
#[cfg(test)]
mod cni_churn;
#[cfg(test)]
pub(crate) mod cni_stage;
pub mod creation;
pub mod cronjob;
pub mod daemons;
pub mod daemonset;
pub mod deployment;
pub mod ec2;
pub mod fargate;
pub mod health;
pub mod job;
pub mod karpenter;
pub mod kubelet;
pub mod names;
pub mod node_lifecycle;
pub mod node_selector;
pub mod per_node_range;
pub mod pod_eni;
pub mod replica_set;
pub mod rollout;
pub mod room;
pub mod scenario;
pub mod scheduler;
#[cfg(test)]
pub(crate) mod stage_hand;
pub mod standing;
pub mod startup_taints;
pub mod statefulset;
pub mod timers;
pub mod victims;
pub mod volumes;
pub mod vpc_cni;
#[cfg(test)]
mod whole_tests;

use std::sync::Arc;

use cluster::Declared;

use crate::Options;
use crate::actor::Actor;

/// Every actor, in the order in which they are asked.
pub fn all(declared: &Arc<Declared>, options: &Options) -> Vec<Box<dyn Actor>> {
    let mut actors: Vec<Box<dyn Actor>> = vec![
        Box::new(scenario::Scenario::new(options.script.clone())),
        Box::new(arrival::Arrivals::new(options.late.clone())),
        Box::new(statefulset::StatefulSets::default()),
        Box::new(daemonset::DaemonSets::default()),
        Box::new(job::Jobs::default()),
        Box::new(cronjob::CronJobs::default()),
        Box::new(bare_pod::BarePods::default()),
        Box::new(deployment::Deployments::default()),
        Box::new(scheduler::Scheduler::new(tie(options.seed)).asked(options.question.clone())),
        Box::new(fargate::Fargate::default()),
        Box::new(volumes::binding::Binder::new(crate::needs::missing_need)),
        Box::new(volumes::drivers::NodePlugins::default()),
        Box::new(volumes::attaching::Attacher::new(crate::needs::missing_need)),
        Box::new(node_lifecycle::NodeLifecycle::default()),
        Box::new(kubelet::Kubelets::new(crate::needs::missing_need)),
        Box::new(startup_taints::StartupTaints::default()),
        Box::new(ec2::Instances::default()),
        Box::new(karpenter::Karpenter::new(options.seed, options.shelf.clone(), options.provisioner)),
        Box::new(cluster_autoscaler::ClusterAutoscaler::default()),
    ];
    actors.extend(cni::all(declared));
    actors
}

/// Seed 0 is upstream's best case for reading: the lowest of equals.
fn tie(seed: u64) -> scheduling::TieBreak {
    if seed == 0 { scheduling::TieBreak::Lowest } else { scheduling::TieBreak::Seeded(seed) }
}
