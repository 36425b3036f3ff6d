//! What one party waits for: one function a kind of party. Reads the cluster, decides nothing.

use std::collections::BTreeMap;

use cluster::capability::Capability;
use cluster::change::Refusal;
use cluster::network::Cni;
use cluster::rejection::PoolReason;
use cluster::role::Program;
use cluster::waiting::{AddressShortage, AttachProblem, CrashCause};
use cluster::{Cluster, Kind, Name, NodeId, ObjectKey, PodId, Timestamp, Unmet, Waiting, WorkloadId};

use crate::placeable::{self, Placeable};
use crate::wait::{Ending, Party, Wait, Why};
use crate::{stuck, volumes};

/// The end of a run, indexed for walking along waits.
pub(crate) struct Facts<'a> {
    cluster: &'a Cluster,
    unmet: BTreeMap<WorkloadId, &'a Unmet>,
    placeable: Placeable,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(cluster: &'a Cluster, unmet: &'a [Unmet]) -> Facts<'a> {
        let unmet = unmet.iter().map(|u| (u.workload(), u)).collect();
        Facts { cluster, unmet, placeable: Placeable::new(cluster) }
    }

    /// Everything that `party` waits for.
    pub(crate) fn waits_of(&self, party: &Party) -> Vec<Wait> {
        match party {
            Party::Workload(id) => self.of_workload(*id),
            Party::Object(key) => self.of_object(key),
            Party::Room => self.of_new_node(Party::Room),
            Party::Addresses(node) => self.of_addresses(*node),
            Party::Network(node) => self.of_network(*node),
            Party::Capability(capability) => self.of_capability(capability),
            Party::Subnet(_) | Party::Pool(_) | Party::Outside(_) => Vec::new(),
        }
    }

    fn of_workload(&self, id: WorkloadId) -> Vec<Wait> {
        let who = Party::Workload(id);
        match self.unmet.get(&id) {
            None => Vec::new(),
            Some(Unmet::NotArrived(_)) => self.earlier_waves(&who, &self.arrival_of(id)),
            Some(Unmet::Workload { waiting, .. }) => {
                let mut waits = self.of_pods(id, waiting);
                if let Some((since, refusal)) = self.cluster.creation_refusals.get(&id) {
                    waits.push(self.refused(who, *since, refusal));
                }
                waits
            }
        }
    }

    fn arrival_of(&self, id: WorkloadId) -> cluster::arrival::Arrival {
        self.cluster.declared.workload(id).arrival.clone()
    }

    /// Pods that wait in the same way for the same party are one wait.
    fn of_pods(&self, id: WorkloadId, pods: &[PodId]) -> Vec<Wait> {
        let mut waits: Vec<Wait> = Vec::new();
        for pod in pods.iter().map(|id| self.cluster.pod(*id)) {
            let Some((since, waiting)) = &pod.waiting else { continue };
            for (on, why, ending) in self.reasons(pod, waiting) {
                let same = waits.iter_mut().find(|wait| wait.on == on && wait.why == why);
                match same {
                    Some(wait) => {
                        wait.pods.push(pod.id);
                        wait.since = wait.since.min(*since);
                    }
                    None => {
                        let (who, since, pods) = (Party::Workload(id), *since, vec![pod.id]);
                        waits.push(Wait { who, on, why, since, pods, ending });
                    }
                }
            }
        }
        waits
    }

    fn reasons(&self, pod: &cluster::Pod, waiting: &Waiting) -> Vec<(Party, Why, Ending)> {
        let why = || Why::Pods(waiting.clone());
        let outside = |text: &str| Party::Outside(Name::from(text));
        let one = |on, ending| vec![(on, why(), ending)];
        match waiting {
            Waiting::Gated => one(outside("scheduling gates"), Ending::Impossible),
            Waiting::UnknownScheduler(name) => one(Party::Outside(name.clone()), Ending::Impossible),
            Waiting::NodeMissing(name) => one(Party::Outside(name.clone()), Ending::Impossible),
            Waiting::Unschedulable(_) => self.unschedulable(pod, why()),
            Waiting::CniNotReady | Waiting::NodeNotReady(_) => {
                one(pod.node.map_or(Party::Room, Party::Network), Ending::Continues)
            }
            Waiting::NoAddress(shortage) => vec![self.no_address(pod, shortage, why())],
            Waiting::VolumeUnbound { waits_for, .. } => match waits_for {
                Some(capability) => one(Party::Capability(capability.clone()), Ending::Continues),
                None => one(outside("a volume"), Ending::Impossible),
            },
            Waiting::VolumeUnattached { why: problem, .. } => {
                one(self.unattached(pod, *problem), Ending::Exhausted)
            }
            Waiting::ObjectMissing(key) => one(Party::Object(key.clone()), Ending::Impossible),
            Waiting::Image { .. } => one(outside("an image"), Ending::Impossible),
            Waiting::Crashing { why: CrashCause::ExecFormat { .. }, .. } => {
                one(outside("an image for the node's architecture"), Ending::Impossible)
            }
            Waiting::Crashing { why: CrashCause::Needs(capability), .. } | Waiting::NotReady(capability) => {
                one(Party::Capability(capability.clone()), Ending::Continues)
            }
        }
    }

    /// An unschedulable pod waits for room, and for each pool that the provisioner tried and why not.
    fn unschedulable(&self, pod: &cluster::Pod, why: Why) -> Vec<(Party, Why, Ending)> {
        if let Some(label) = self.placeable.impossible(&pod.template) {
            let node = Party::Outside("a node with another label".into());
            return vec![(node, Why::NoSuchLabel(label), Ending::Impossible)];
        }
        if let Some(kept) = volumes::kept(self.cluster, pod) {
            let (on, ending) = match kept.waits_for() {
                Some(capability) => (Party::Capability(capability), Ending::Continues),
                None => (Party::Outside("a volume that its nodes can use".into()), Ending::Impossible),
            };
            return vec![(on, why, ending)];
        }
        let refusal = self.cluster.refusals.get(&pod.id);
        let pools = refusal.map_or(&[][..], |refusal| &refusal.pools);
        let mut reasons = Vec::new();
        for rejection in pools {
            let index = self.cluster.declared.node_pools.iter().position(|pool| pool.name == rejection.pool);
            let Some(index) = index.and_then(|index| u32::try_from(index).ok()) else { continue };
            let ending = match &rejection.reason {
                PoolReason::Limit { .. } | PoolReason::NoOffering => Ending::Exhausted,
                _ => Ending::Impossible,
            };
            reasons.push((Party::Pool(index), Why::Pool(rejection.reason.clone()), ending));
        }
        if reasons.is_empty() {
            reasons.push((Party::Room, why, Ending::Continues));
        }
        reasons
    }

    fn no_address(&self, pod: &cluster::Pod, shortage: &AddressShortage, why: Why) -> (Party, Why, Ending) {
        let node = pod.node.unwrap_or(NodeId(0));
        match shortage {
            AddressShortage::NodeFull { .. } | AddressShortage::Transient => {
                (Party::Addresses(node), why, Ending::Continues)
            }
            AddressShortage::SubnetFull { subnet, .. } => {
                (Party::Subnet(subnet.clone()), why, Ending::Exhausted)
            }
            AddressShortage::NoAllocator(capability) => {
                (Party::Capability(capability.clone()), why, Ending::Continues)
            }
            AddressShortage::NoBranchInterface => (Party::Addresses(node), why, Ending::Exhausted),
        }
    }

    fn unattached(&self, pod: &cluster::Pod, problem: AttachProblem) -> Party {
        match problem {
            AttachProblem::DriverNotRunning => Party::Capability(Capability::Volumes(self.driver_of(pod))),
            _ => Party::Outside("a volume attachment".into()),
        }
    }

    fn driver_of(&self, pod: &cluster::Pod) -> Name {
        let claim = pod.template.volumes.iter().find_map(|volume| match volume {
            cluster::template::PodVolume::Claim(name) => self.cluster.volume_claim(&pod.namespace, name),
            cluster::template::PodVolume::Template { .. } => None,
        });
        let class = claim.and_then(|claim| claim.storage_class.as_ref());
        let class = class.and_then(|name| self.cluster.declared.storage_class(name));
        class.map_or_else(|| "ebs.csi.aws.com".into(), |class| class.provisioner.clone())
    }

    fn refused(&self, who: Party, since: Timestamp, refusal: &Refusal) -> Wait {
        let (on, ending) = match refusal {
            Refusal::Webhook { configuration, .. } => {
                (Party::Capability(Capability::Webhook(configuration.clone())), Ending::Continues)
            }
            Refusal::Check(refusal) => {
                let asks = refusal.object.as_ref().map(|at| Party::Object(at.object.clone()));
                let outside = || Party::Outside("pods that the API server accepts".into());
                (asks.unwrap_or_else(outside), Ending::Impossible)
            }
            Refusal::Quota { quota, .. } => (Party::Object(quota.clone()), Ending::Exhausted),
            Refusal::ServiceAccountMissing(key) => (Party::Object(key.clone()), Ending::Impossible),
            Refusal::PriorityClassMissing(name) => (Party::Outside(name.clone()), Ending::Impossible),
            Refusal::NamespaceMissing(name) => (Party::Outside(name.clone()), Ending::Impossible),
        };
        Wait { who, on, why: Why::Refused(refusal.clone()), since, pods: Vec::new(), ending }
    }

    fn of_object(&self, key: &ObjectKey) -> Vec<Wait> {
        let declared = &self.cluster.declared;
        let pool = declared.node_pools.iter().find(|pool| pool.location.object == *key);
        match pool {
            Some(pool) if !self.cluster.arrived_objects.contains(key) => {
                self.earlier_waves(&Party::Object(key.clone()), &pool.arrival)
            }
            _ => Vec::new(),
        }
    }

    /// What arrives in a wave waits for every workload of an earlier one that is not running.
    fn earlier_waves(&self, who: &Party, arrival: &cluster::arrival::Arrival) -> Vec<Wait> {
        let earlier = |id: &WorkloadId| {
            let other = &self.cluster.declared.workload(*id).arrival;
            (other.wave, &other.hook) < (arrival.wave, &arrival.hook)
        };
        let arrived = |id: &WorkloadId| self.cluster.arrived[id.0 as usize];
        let waits_on = self.unmet.keys().filter(|id| earlier(id) && arrived(id));
        waits_on
            .map(|id| Wait {
                who: who.clone(),
                on: Party::Workload(*id),
                why: Why::EarlierWave,
                since: self.since_of(*id),
                pods: Vec::new(),
                ending: Ending::Continues,
            })
            .collect()
    }

    /// When a workload's first pod began to wait.
    fn since_of(&self, id: WorkloadId) -> Timestamp {
        let pods = match self.unmet.get(&id) {
            Some(Unmet::Workload { waiting, .. }) => waiting.as_slice(),
            _ => &[],
        };
        let waits = pods.iter().filter_map(|pod| self.cluster.pod(*pod).waiting.as_ref());
        let refused = self.cluster.creation_refusals.get(&id).map(|(since, _)| *since);
        waits.map(|(since, _)| *since).chain(refused).min().unwrap_or(self.cluster.now)
    }

    /// Capacity beyond the nodes there are comes only with another node, and only provisioners add nodes.
    fn of_new_node(&self, who: Party) -> Vec<Wait> {
        let since = self.short_since(&who);
        let wait = |on, why, ending| Wait { who: who.clone(), on, why, since, pods: Vec::new(), ending };
        if self.provisioners().next().is_none() {
            let nobody = Party::Outside("a provisioner".into());
            return vec![wait(nobody, Why::NoProvider, Ending::Exhausted)];
        }
        let provisioning = Party::Capability(Capability::Provisioning);
        if self.provider_waits(&provisioning, self.provisioners()).is_empty() {
            let absent = self.pools_not_arrived();
            if !absent.is_empty() {
                return absent
                    .into_iter()
                    .map(|key| wait(Party::Object(key), Why::NeedsNode, Ending::Continues))
                    .collect();
            }
            let unusable = self.unusable_pools();
            if !unusable.is_empty() {
                let waits = unusable.into_iter();
                return waits
                    .map(|key| wait(Party::Object(key), Why::Unusable, Ending::Impossible))
                    .collect();
            }
            return vec![wait(provisioning, Why::NeedsNode, Ending::Exhausted)];
        }
        vec![wait(provisioning, Why::NeedsNode, Ending::Continues)]
    }

    /// When the first pod found no room, or no address on the node.
    fn short_since(&self, who: &Party) -> Timestamp {
        let wants = |pod: &&cluster::Pod| match (&pod.waiting, who) {
            (Some((_, Waiting::Unschedulable(_))), Party::Room) => true,
            (Some((_, Waiting::NoAddress(_))), Party::Addresses(node)) => pod.node == Some(*node),
            _ => false,
        };
        let waits = self.cluster.live_pods().filter(wants).filter_map(|pod| pod.waiting.as_ref());
        waits.map(|(since, _)| *since).min().unwrap_or(self.cluster.now)
    }

    fn pools_not_arrived(&self) -> Vec<ObjectKey> {
        let pools = self.cluster.declared.node_pools.iter().map(|pool| pool.location.object.clone());
        pools.filter(|key| !self.cluster.arrived_objects.contains(key)).collect()
    }

    /// The NodePools of the input, when none of them can be used as it is written.
    fn unusable_pools(&self) -> Vec<ObjectKey> {
        let declared = &self.cluster.declared;
        let none = declared.node_pools.is_empty();
        if none { placeable::unusable(self.cluster, &Kind::NodePool) } else { Vec::new() }
    }

    fn provisioners(&self) -> impl Iterator<Item = WorkloadId> + '_ {
        self.with_program(&[Program::Karpenter, Program::ClusterAutoscaler])
    }

    fn with_program<'b>(&'b self, programs: &'b [Program]) -> impl Iterator<Item = WorkloadId> + 'b {
        let workloads = self.cluster.declared.workload_ids();
        workloads.filter(|(_, workload)| programs.contains(&workload.template.role.program)).map(|(id, _)| id)
    }

    /// Nobody frees an address that a running pod holds; more addresses come with another node.
    fn of_addresses(&self, node: NodeId) -> Vec<Wait> {
        let who = Party::Addresses(node);
        let mut waits = self.of_new_node(who.clone());
        for wait in &mut waits {
            if wait.ending == Ending::Exhausted {
                (wait.on, wait.why) =
                    (Party::Outside("an address that a running pod holds".into()), Why::Held);
            }
        }
        waits
    }

    fn of_network(&self, node: NodeId) -> Vec<Wait> {
        let programs: &[Program] = match &self.cluster.declared.cni {
            Cni::VpcCni(_) => &[Program::VpcCni],
            Cni::CiliumEni(_) => &[Program::CiliumAgent, Program::CiliumOperator],
            Cni::PerNodeRange { .. } | Cni::Unlimited => &[Program::VpcCni, Program::CiliumAgent],
        };
        let waits = self.provider_waits(&Party::Network(node), self.with_program(programs));
        if waits.is_empty() && self.with_program(programs).next().is_none() {
            let (who, on) = (Party::Network(node), Party::Outside("a CNI".into()));
            let since = self.cluster.node(node).created;
            return vec![Wait {
                who,
                on,
                why: Why::NoProvider,
                since,
                pods: Vec::new(),
                ending: Ending::Impossible,
            }];
        }
        waits
    }

    fn of_capability(&self, capability: &Capability) -> Vec<Wait> {
        let who = Party::Capability(capability.clone());
        let providers: Vec<WorkloadId> = match capability {
            Capability::ClusterDns => self.with_program(&[Program::ClusterDns]).collect(),
            Capability::Provisioning => self.provisioners().collect(),
            Capability::AddressAllocation => self.with_program(&[Program::CiliumOperator]).collect(),
            Capability::Volumes(_) => self.with_program(&[Program::EbsCsiController]).collect(),
            Capability::Webhook(configuration) => self.behind_webhook(configuration),
            Capability::AwsService(service) => return vec![self.unreachable(who, service)],
        };
        if providers.is_empty() {
            let on = Party::Outside(Name::from(capability.to_string()));
            let (since, pods) = (Timestamp::ZERO, Vec::new());
            return vec![Wait { who, on, why: Why::NoProvider, since, pods, ending: Ending::Impossible }];
        }
        self.provider_waits(&who, providers.into_iter())
    }

    fn unreachable(&self, who: Party, service: &str) -> Wait {
        let on = Party::Outside(Name::from(format!("the {service} endpoint")));
        let (since, pods) = (Timestamp::ZERO, Vec::new());
        Wait { who, on, why: Why::Unreachable, since, pods, ending: Ending::Impossible }
    }

    /// A capability waits for its providers when none of them has a ready pod, or when one runs and is blocked.
    fn provider_waits(&self, who: &Party, providers: impl Iterator<Item = WorkloadId>) -> Vec<Wait> {
        let mut waits = Vec::new();
        let wait = |on, why, since| {
            let (who, pods, ending) = (who.clone(), Vec::new(), Ending::Continues);
            Wait { who, on, why, since, pods, ending }
        };
        for id in providers {
            if let Some((since, needs)) = self.cluster.blocked.get(&id) {
                waits.push(wait(Party::Capability(needs.clone()), Why::ProviderBlocked, *since));
            } else if self.has_ready_pod(id) {
                return Vec::new();
            } else {
                waits.push(wait(Party::Workload(id), Why::ProviderNotRunning, self.since_of(id)));
            }
        }
        waits
    }

    /// During a roll-out the old pods do the work, whatever is unmet.
    fn has_ready_pod(&self, id: WorkloadId) -> bool {
        match self.unmet.get(&id) {
            None => true,
            Some(Unmet::NotArrived(_)) => false,
            Some(Unmet::Workload { .. }) => stuck::ready_pods(self.cluster, id) > 0,
        }
    }

    fn behind_webhook(&self, configuration: &ObjectKey) -> Vec<WorkloadId> {
        let declared = &self.cluster.declared;
        let webhooks = declared.webhooks.iter().filter(|webhook| webhook.location.object == *configuration);
        let services: Vec<_> = webhooks.filter_map(|webhook| webhook.service.as_ref()).collect();
        let behind = |workload: &cluster::Workload| {
            services.iter().any(|(namespace, name)| {
                let service = declared.services.iter().find(|s| s.namespace == *namespace && s.name == *name);
                let selector = service.and_then(|service| service.selector.as_ref());
                workload.key.namespace == *namespace
                    && selector.is_some_and(|selector| {
                        selector.iter().all(|(key, value)| workload.template.labels.get(key) == Some(value))
                    })
            })
        };
        declared.workload_ids().filter(|(_, workload)| behind(workload)).map(|(id, _)| id).collect()
    }
}
