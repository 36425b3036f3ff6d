//! Nodes that are there, and claims on their way, as the scheduler sees them.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/state/statenode.go` and
//! `pkg/controllers/provisioning/scheduling/existingnode.go`.

use std::collections::BTreeSet;

use cluster::change::ClaimOrNode;
use cluster::node_claim::ClaimStage;
use cluster::requirements::{Requirements, normalized_key};
use cluster::template::HostPort;
use cluster::{Cluster, Effect, Labels, Name, Node, NodeClaim, NodeId, Pod, PodTemplate, Resources, Taint};

use crate::class::of_daemon_set;
use crate::daemons;
use crate::input::{Input, Policy};
use crate::plimsoll::addresses::{ADDRESSES, UNLIMITED, wants_address};
use crate::sets::{HOSTNAME, SetId, Sets};
use crate::volumes::{Attached, VolumeIndex};

/// A node or a claim on its way.
#[derive(Clone, Debug)]
pub struct Existing {
    /// Which.
    pub id: ClaimOrNode,
    /// Its host name.
    pub hostname: Name,
    /// Initialized ones come first.
    pub initialized: bool,
    /// Pods of candidates may not move here.
    pub settling: bool,
    /// Labels that matter, as requirements, host name apart.
    pub set: SetId,
    /// Taints that stay.
    pub taints: Vec<Taint>,
    /// What is left for pods, after pods that are there and daemons to come.
    pub room: Resources,
    /// Some amount of it is below zero: nothing fits.
    pub overdrawn: bool,
    /// Ports that are taken.
    pub ports: Vec<HostPort>,
    /// Volumes that are there.
    pub attached: Attached,
    /// Attach limits by driver.
    pub volume_limits: Vec<(Name, Option<u32>)>,
}

/// The taint of a node that has joined and that Karpenter has not taken note of.
pub const UNREGISTERED: &str = "karpenter.sh/unregistered";

/// What the solver needs to see of a node or a claim.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The node, when it is in the API.
    pub node: Option<&'a Node>,
    /// The claim, when Karpenter made it.
    pub claim: Option<&'a NodeClaim>,
}

impl<'a> View<'a> {
    /// A node with its claim.
    pub fn of_node(cluster: &'a Cluster, node: &'a Node) -> View<'a> {
        let claim = node.claim.and_then(|id| cluster.claims.get(id.0 as usize));
        View { node: Some(node), claim }
    }

    /// Every node, and every claim that is launched and has no node yet.
    pub fn all(cluster: &'a Cluster) -> impl Iterator<Item = View<'a>> {
        let nodes = cluster.live_nodes().map(|node| View::of_node(cluster, node));
        let claims = cluster.claims.iter().filter(|claim| {
            claim.stage != ClaimStage::Gone && claim.launched.is_some() && claim.node.is_none()
        });
        nodes.chain(claims.map(|claim| View { node: None, claim: Some(claim) }))
    }

    /// Whether it is being deleted.
    pub fn is_leaving(&self) -> bool {
        match (self.claim, self.node) {
            (Some(claim), _) => claim.deleted.is_some() || claim.stage >= ClaimStage::Terminating,
            (None, node) => node.is_some_and(|node| node.deleted.is_some()),
        }
    }

    /// Its node has joined and Karpenter has taken note. Nodes that Karpenter did not make have.
    pub fn is_registered(&self) -> bool {
        let noted = |node: &Node| !node.taints.iter().any(|taint| taint.key == UNREGISTERED);
        let has_come =
            |claim: &NodeClaim| self.has_come(claim, ClaimStage::Registered, "karpenter.sh/registered");
        self.claim.is_none_or(|claim| has_come(claim) && self.node.is_some_and(noted)) && self.node.is_some()
    }

    /// Ready, startup taints gone. Nodes that Karpenter did not make are.
    pub fn is_initialized(&self) -> bool {
        let has_come =
            |claim: &NodeClaim| self.has_come(claim, ClaimStage::Initialized, "karpenter.sh/initialized");
        self.node.is_some() && self.claim.is_none_or(has_come)
    }

    /// Whether a claim came this far; of one that is being terminated the node's label tells.
    fn has_come(&self, claim: &NodeClaim, stage: ClaimStage, label: &str) -> bool {
        match claim.stage {
            ClaimStage::Terminating | ClaimStage::Gone => {
                self.node.is_some_and(|node| node.labels.get(label).is_some_and(|value| value == "true"))
            }
            own => own >= stage,
        }
    }

    /// The NodePool's name.
    pub fn pool<'c>(&self, cluster: &'c Cluster) -> Option<&'c Name> {
        let claim = self.claim?;
        cluster.declared.pool_of(claim).map(|pool| &pool.name)
    }

    /// Its capacity: the node's, with Karpenter's estimate for what is not there before it is initialized.
    pub fn capacity(&self) -> Resources {
        self.amounts(|node| &node.capacity, |launched| &launched.capacity)
    }

    /// Its allocatable, likewise.
    pub fn allocatable(&self) -> Resources {
        self.amounts(|node| &node.allocatable, |launched| &launched.allocatable)
    }

    fn amounts(
        &self,
        of_node: fn(&Node) -> &Resources,
        of_claim: fn(&cluster::node_claim::Launched) -> &Resources,
    ) -> Resources {
        let estimate = self.claim.and_then(|claim| claim.launched.as_ref()).map(of_claim);
        match (self.node.map(of_node), estimate) {
            (Some(real), Some(estimate)) if !self.is_initialized() => {
                let mut merged = real.clone();
                for (name, amount) in estimate.iter().filter(|(name, _)| real.get(name) == 0) {
                    merged.set(name, amount);
                }
                merged
            }
            (Some(real), _) => real.clone(),
            (None, estimate) => estimate.cloned().unwrap_or_default(),
        }
    }

    /// Taints that will stay: before a claim's node is initialized, startup taints and those of a starting node do
    /// not count.
    pub fn taints(&self) -> Vec<Taint> {
        let all: &[Taint] = match (self.node, self.claim) {
            (Some(node), _) if self.is_registered() => &node.taints,
            (_, Some(claim)) => &claim.taints,
            (Some(node), None) => &node.taints,
            (None, None) => &[],
        };
        let passing = |taint: &Taint| {
            let startup = |other: &Taint| other.key == taint.key && other.effect == taint.effect;
            is_ephemeral(taint) || self.claim.is_some_and(|claim| claim.startup_taints.iter().any(startup))
        };
        all.iter().filter(|taint| self.is_initialized() || !passing(taint)).cloned().collect()
    }

    /// Its labels; before the node joins, those that it will have.
    pub fn labels(&self) -> Labels {
        match (self.node, self.claim) {
            (Some(node), _) if self.is_registered() => node.labels.clone(),
            (_, Some(claim)) => claim.labels.clone(),
            (Some(node), None) => node.labels.clone(),
            (None, None) => Labels::new(),
        }
    }

    fn id(&self) -> Option<ClaimOrNode> {
        let node = self.node.map(|node| ClaimOrNode::Node(node.id));
        node.or(self.claim.map(|claim| ClaimOrNode::Claim(claim.id)))
    }

    fn name(&self) -> Name {
        match (self.node, self.claim) {
            (Some(node), _) if self.is_registered() => node.name.clone(),
            (_, Some(claim)) => claim.name.clone(),
            (node, None) => node.map(|node| node.name.clone()).unwrap_or_default(),
        }
    }
}

/// Taints that a node has while it starts (`pkg/scheduling/taints.go` `KnownEphemeralTaints`).
pub fn is_ephemeral(taint: &Taint) -> bool {
    let effect = taint.effect;
    match taint.key.as_str() {
        "node.kubernetes.io/not-ready" => matches!(effect, Effect::NoSchedule | Effect::NoExecute),
        "node.kubernetes.io/unreachable" | "node.cloudprovider.kubernetes.io/uninitialized" => {
            effect == Effect::NoSchedule
        }
        UNREGISTERED => effect == Effect::NoExecute,
        key => key.starts_with("readiness.k8s.io/"),
    }
}

/// The nodes and claims that pods can be planned for, with all their labels: initialized ones first, then by name.
pub fn existing(
    input: &Input<'_>,
    daemon_sets: &[&PodTemplate],
    volumes: &VolumeIndex<'_>,
) -> Vec<(Existing, Labels)> {
    let cluster = input.cluster;
    let mut on_node: Vec<Vec<&Pod>> = vec![Vec::new(); cluster.nodes.len()];
    for pod in cluster.pods.iter().filter(|pod| pod.holds_node()) {
        if let Some(pods) = pod.node.and_then(|node| on_node.get_mut(node.0 as usize)) {
            pods.push(pod);
        }
    }
    let mut named: Vec<(Name, (Existing, Labels))> = Vec::new();
    for view in View::all(cluster) {
        if view.is_leaving() {
            continue;
        }
        let pods = view.node.map_or(&[][..], |node| &on_node[node.id.0 as usize]);
        if let Some(existing) = prepare(input, &view, pods, daemon_sets, volumes) {
            named.push((view.name(), existing));
        }
    }
    named.sort_by(|(a_name, (a, _)), (b_name, (b, _))| {
        b.initialized.cmp(&a.initialized).then_with(|| a_name.cmp(b_name))
    });
    named.into_iter().map(|(_, existing)| existing).collect()
}

fn prepare(
    input: &Input<'_>,
    view: &View<'_>,
    pods: &[&Pod],
    daemon_sets: &[&PodTemplate],
    volumes: &VolumeIndex<'_>,
) -> Option<(Existing, Labels)> {
    let (labels, taints) = (view.labels(), view.taints());
    let allocatable = view.allocatable();
    let mut used = Resources::ZERO;
    let mut running = Resources::ZERO;
    let mut attached = Attached::new();
    for pod in pods {
        used.add(&pod.template.requests);
        if of_daemon_set(input.cluster, pod) {
            running.add(&pod.template.requests);
            running.set(ADDRESSES, running.get(ADDRESSES) + i64::from(wants_address(&pod.template)));
        }
        for (driver, claims) in volumes.attached(input.cluster, pod) {
            attached.entry(driver).or_default().extend(claims);
        }
    }
    let expected = daemons::overhead_on(&labels, &taints, daemon_sets);
    for (name, amount) in expected.minus(&running).iter().filter(|(_, amount)| *amount > 0) {
        used.set(name, used.get(name).saturating_add(amount));
    }
    // What a node does not report at all is not overdrawn by pods that ask for it.
    let mut room = allocatable.clone();
    for (name, amount) in allocatable.iter() {
        room.set(name, amount.saturating_sub(used.get(name)));
    }
    if let Policy::Plimsoll(addresses) = input.policy {
        let to_come = expected.minus(&running).get(ADDRESSES).max(0);
        let left = match (view.node, view.claim.and_then(|claim| claim.launched.as_ref())) {
            (Some(node), _) if view.is_registered() => addresses.left(node.id),
            (_, Some(launched)) => addresses.of_type(&launched.option.instance_type),
            (node, None) => node.map_or(UNLIMITED, |node| addresses.left(node.id)),
        };
        room.set(ADDRESSES, left.saturating_sub(to_come).max(0));
    }
    let overdrawn = room.iter().any(|(_, amount)| amount < 0);
    let existing = Existing {
        id: view.id()?,
        hostname: labels.get(HOSTNAME).cloned().unwrap_or_else(|| view.name()),
        initialized: view.is_initialized(),
        settling: false,
        set: SetId::default(),
        taints,
        overdrawn,
        room,
        ports: pods.iter().flat_map(|pod| pod.template.host_ports.iter().cloned()).collect(),
        attached,
        volume_limits: view.node.map(|node| node.volume_drivers.clone()).unwrap_or_default(),
    };
    Some((existing, labels))
}

impl Existing {
    /// The node, where it has joined.
    pub fn node(&self) -> Option<NodeId> {
        match self.id {
            ClaimOrNode::Node(id) => Some(id),
            ClaimOrNode::Claim(_) => None,
        }
    }
}

/// Labels of these keys as requirements, host name apart.
pub(crate) fn labels_that_matter(labels: &Labels, keys: &BTreeSet<Name>, sets: &mut Sets) -> SetId {
    let relevant = labels.iter().filter(|(key, _)| keys.contains(normalized_key(key)) && *key != HOSTNAME);
    let relevant: Labels = relevant.map(|(key, value)| (key.clone(), value.clone())).collect();
    sets.intern(Requirements::of_labels(&relevant))
}
