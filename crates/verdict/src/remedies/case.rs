//! What a generator may look at, and the questions that several of them ask.

use catalog::Catalog;
use cluster::capability::Capability;
use cluster::network::{Subnet, SubnetId};
use cluster::node_claim::LaunchFailure;
use cluster::rejection::FilterReason;
use cluster::role::Program;
use cluster::waiting::AddressShortage;
use cluster::{Change, Declared, Pod, Waiting, Workload};
use findings::{Party, Wait, Why};
use sources::Inputs;

use crate::trial::Trial;

/// What a generator may look at.
pub(crate) struct Case<'a> {
    pub inputs: &'a Inputs,
    pub declared: &'a Declared,
    pub catalog: &'a Catalog,
    pub told: &'a Trial,
}

impl Case<'_> {
    /// Workloads that run one of `programs`.
    pub fn running(&self, programs: &[Program]) -> Vec<&Workload> {
        let programs_of = |workload: &&Workload| programs.contains(&workload.template.role.program);
        self.declared.workloads.iter().filter(programs_of).collect()
    }

    /// The provisioners.
    pub fn provisioners(&self) -> Vec<&Workload> {
        self.running(&[Program::Karpenter, Program::ClusterAutoscaler])
    }

    /// Waits of workloads.
    pub fn workload_waits(&self) -> impl Iterator<Item = (&Workload, &Wait)> {
        self.told.graph.waits.iter().filter_map(|wait| match &wait.who {
            Party::Workload(id) => Some((self.declared.workload(*id), wait)),
            _ => None,
        })
    }

    /// Pods that wait at the end, with what for.
    pub fn waiting_pods(&self) -> impl Iterator<Item = (&Pod, &Waiting)> {
        let live = self.told.run.cluster.live_pods().filter(|pod| pod.deleted.is_none());
        live.filter_map(|pod| Some((pod, &pod.waiting.as_ref()?.1)))
    }

    /// Whether pods of a workload are among what waits.
    pub fn is_stuck(&self, workload: &Workload) -> bool {
        self.workload_waits().any(|(waiter, _)| waiter.key == workload.key)
    }

    /// Workloads without which no node can be added, cluster DNS and the provisioners, whose pods find no node.
    pub fn homeless_bootstrap(&self) -> Vec<&Workload> {
        let finds_none = |workload: &&Workload| {
            self.workload_waits().any(|(waiter, wait)| {
                waiter.key == workload.key && matches!(wait.why, Why::Pods(Waiting::Unschedulable(_)))
            })
        };
        let programs = [Program::ClusterDns, Program::Karpenter, Program::ClusterAutoscaler];
        self.running(&programs).into_iter().filter(finds_none).collect()
    }

    /// The provisioners, where one of them is among what waits, or runs and cannot act.
    pub fn stuck_provisioners(&self) -> Vec<&Workload> {
        let provisioning = Party::Capability(Capability::Provisioning);
        let cannot_act = self.told.graph.of(&provisioning).next().is_some();
        let provisioners = self.provisioners().into_iter();
        provisioners.filter(|workload| cannot_act || self.is_stuck(workload)).collect()
    }

    /// Whether a pod waits for an address, or for a node that takes another pod: what more addresses a node could
    /// mend.
    pub fn lacks_addresses(&self) -> bool {
        self.waiting_pods().any(|(_, waiting)| match waiting {
            Waiting::NoAddress(_) => true,
            Waiting::Unschedulable(rejection) => {
                rejection.reasons.iter().any(|reason| reason.reason == FilterReason::TooManyPods)
            }
            _ => false,
        })
    }

    /// Subnets that refused a pod an address.
    pub fn drained_subnets(&self) -> Vec<&Subnet> {
        let short = |subnet: &&Subnet| {
            self.waiting_pods().any(|(_, waiting)| {
                matches!(waiting, Waiting::NoAddress(AddressShortage::SubnetFull { subnet: name, .. }) if *name == subnet.name)
            })
        };
        self.told.run.cluster.subnets.iter().filter(short).collect()
    }

    /// Addresses of a subnet that nodes hold and no pod uses.
    pub fn idle_addresses(&self, subnet: SubnetId) -> u32 {
        let interfaces = self.told.run.cluster.live_nodes().flat_map(|node| &node.network.interfaces);
        let slots = interfaces.filter(|interface| interface.subnet == Some(subnet)).flat_map(|i| &i.slots);
        slots.map(|slot| slot.size().saturating_sub(slot.assigned)).sum()
    }

    /// Why EC2 refused launches, each reason once.
    pub fn launch_failures(&self) -> Vec<&LaunchFailure> {
        let mut failures: Vec<&LaunchFailure> = Vec::new();
        for entry in &self.told.run.timeline.entries {
            if let Change::ClaimFailed(_, why) = &entry.change
                && !failures.contains(&why)
            {
                failures.push(why);
            }
        }
        failures
    }
}
