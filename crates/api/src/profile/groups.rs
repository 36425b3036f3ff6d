//! Node groups and their nodes at t=0.

use catalog::{InstanceType, KubeletNode, NodeResources};
use cluster::network::{AddressMode, NodeNetwork, SubnetId};
use cluster::node_class::AmiFamily;
use cluster::profile::{Held, NodeGroup, Profile, Provider};
use cluster::{FieldPath, Labels, Name, Node};

use super::Reading;
use super::wire::{WireNodeGroup, WireReserved};
use crate::code;
use crate::selector::labels;
use crate::suggest::did_you_mean;
use crate::{amounts, requirement};

/// Most nodes that a profile may declare.
const MAX_NODES: u32 = 20_000;

impl Reading<'_, '_> {
    /// The groups, and one node per count, spread over the group's subnets in turn.
    pub(super) fn node_groups(
        &mut self,
        wires: &[WireNodeGroup],
        profile: &Profile,
    ) -> (Vec<NodeGroup>, Vec<Node>) {
        let (mut groups, mut nodes) = (Vec::new(), Vec::new());
        for (index, wire) in wires.iter().enumerate() {
            let path = FieldPath::of("/spec/nodeGroups").child(index);
            let known = self.is_known_type(wire, &path);
            let group = self.node_group(wire, index, profile, &path);
            if !known {
                continue;
            }
            if groups.iter().any(|other: &NodeGroup| other.name == group.name) {
                self.refuse(&path.child("name"), format_args!("there are two groups {:?}", group.name), "");
            }
            let room = MAX_NODES.saturating_sub(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
            if group.count > room {
                let at = path.child("count");
                let message = format!("{at}: more than {MAX_NODES} nodes in all");
                self.reporter.error(&at, code::TOO_MANY_PODS, message, "lower the count");
            }
            let number = u32::try_from(groups.len()).unwrap_or(u32::MAX);
            nodes.extend(self.nodes_of(&group, number, group.count.min(room), profile));
            groups.push(group);
        }
        (groups, nodes)
    }

    /// Nothing is known about the nodes of a group without a type: rather none than nodes that take nothing.
    fn is_known_type(&mut self, wire: &WireNodeGroup, path: &FieldPath) -> bool {
        let at = path.child("instanceType");
        let text = wire.instance_type.as_deref().unwrap_or_default();
        if text.is_empty() {
            self.missing(&at, "write the EC2 instance type, such as m7g.large");
        }
        let known = self.check_type(Some(text), &at) && !text.is_empty();
        if !known {
            let message = format!("{path}: the group is left out: nothing is known about its nodes");
            self.reporter.note(path, code::UNKNOWN_INSTANCE_TYPE, message, "");
            self.unread.leave_out(path);
        }
        known
    }

    fn node_group(
        &mut self,
        wire: &WireNodeGroup,
        index: usize,
        profile: &Profile,
        path: &FieldPath,
    ) -> NodeGroup {
        let name = wire.name.as_deref().filter(|name| !name.is_empty());
        let name = name.map_or_else(|| Name::from(format!("group-{index}")), Name::from);
        self.note_gaps(wire, path);
        let node_pool = wire.node_pool.as_deref().unwrap_or_default();
        let scaling = wire.scaling.as_ref();
        let count = wire.count.or_else(|| scaling.and_then(|scaling| scaling.min)).unwrap_or(1);
        let mut seen = Vec::new();
        let mut group = NodeGroup {
            name,
            location: self.place.at(&path.0),
            node_pool: node_pool.into(),
            min: scaling.and_then(|scaling| scaling.min).unwrap_or(count),
            max: scaling.and_then(|scaling| scaling.max).unwrap_or(count),
            autoscaled: self.autoscaled(scaling.and_then(|scaling| scaling.by.as_deref()), path),
            managed: wire.managed.unwrap_or(node_pool.is_empty() && profile.provider == Provider::Eks),
            instance_type: wire.instance_type.as_deref().unwrap_or_default().into(),
            count,
            ami_family: self.ami_family(wire.ami_family.as_deref(), &path.child("amiFamily")),
            max_pods: wire.max_pods,
            labels: labels(Some(&wire.labels)),
            taints: requirement::taints(&wire.taints, &path.child("taints"), &mut seen, self.reporter),
            startup_taints: requirement::taints(
                &wire.startup_taints,
                &path.child("startupTaints"),
                &mut seen,
                self.reporter,
            ),
            subnets: self.subnet_indexes(
                wire.subnets.as_deref(),
                &profile.subnets,
                &path.child("subnets"),
                "/spec/nodeGroups/*/subnets",
            ),
            address_mode: self.address_mode(wire.address_mode.as_deref(), &path.child("addressMode")),
            held: wire.held.as_ref().map(|held| Held {
                interfaces: held.interfaces,
                addresses: held.addresses,
                prefixes: held.prefixes,
            }),
            reserved: self.reserved(wire.reserved.as_ref(), &path.child("reserved")),
        };
        self.check_group(wire, &mut group, path);
        group
    }

    /// What the group leaves to a default; maxPods is noted with its number.
    fn note_gaps(&mut self, wire: &WireNodeGroup, path: &FieldPath) {
        for (written, field) in [
            (wire.managed.is_some(), "managed"),
            (wire.ami_family.is_some(), "amiFamily"),
            (wire.address_mode.is_some(), "addressMode"),
            (wire.held.is_some(), "held"),
            (wire.reserved.is_some(), "reserved"),
            (wire.scaling.is_some(), "scaling"),
            (wire.count.is_some(), "count"),
        ] {
            if !written {
                self.gaps.take(&path.child(field), &format!("/spec/nodeGroups/*/{field}"));
            }
        }
    }

    /// Fields that contradict each other.
    fn check_group(&mut self, wire: &WireNodeGroup, group: &mut NodeGroup, path: &FieldPath) {
        if !group.node_pool.is_empty() && wire.managed == Some(true) {
            let at = path.child("managed");
            let message = format!("{at}: nodes of a NodePool are not in a managed group");
            self.reporter.error(&at, code::EXCLUSIVE_FIELDS, message, "remove one of the two");
        }
        let (count, min, max) = (group.count, group.min, group.max);
        if !(min..=max).contains(&count) {
            let message = format!("{count} is not between scaling.min {min} and scaling.max {max}");
            self.refuse(&path.child("count"), message, "");
            group.count = count.clamp(min.min(max), max);
        }
    }

    fn autoscaled(&mut self, by: Option<&str>, path: &FieldPath) -> bool {
        match by {
            None | Some("none") => false,
            Some("clusterAutoscaler") => true,
            Some(other) => {
                let known = ["none", "clusterAutoscaler"];
                let at = path.child("scaling").child("by");
                self.refuse(
                    &at,
                    format_args!("{other:?} is not one of {}", known.join(", ")),
                    did_you_mean(other, known),
                );
                false
            }
        }
    }

    fn ami_family(&mut self, text: Option<&str>, path: &FieldPath) -> AmiFamily {
        let Some(text) = text else { return AmiFamily::Al2023 };
        AmiFamily::parse(text).unwrap_or_else(|| {
            let known =
                ["AL2", "AL2023", "Bottlerocket", "Custom", "Windows2019", "Windows2022", "Windows2025"];
            self.refuse(
                path,
                format_args!("{text:?} is not one of {}", known.join(", ")),
                did_you_mean(text, known),
            );
            AmiFamily::Al2023
        })
    }

    fn address_mode(&mut self, text: Option<&str>, path: &FieldPath) -> Option<AddressMode> {
        match text? {
            "secondaryIPs" => Some(AddressMode::SecondaryAddresses),
            "prefixes" => Some(AddressMode::Prefixes),
            other => {
                let known = ["secondaryIPs", "prefixes"];
                self.refuse(
                    path,
                    format_args!("{other:?} is not one of {}", known.join(", ")),
                    did_you_mean(other, known),
                );
                None
            }
        }
    }

    fn reserved(&mut self, wire: Option<&WireReserved>, path: &FieldPath) -> Option<(i64, i64)> {
        let wire = wire?;
        let mut read =
            |name: &str, quantity: &Option<k8s_openapi::apimachinery::pkg::api::resource::Quantity>| {
                let quantity = quantity.as_ref()?;
                amounts::amount(name, &quantity.0, || path.child(name), self.reporter)
            };
        Some((read("cpu", &wire.cpu).unwrap_or(0), read("memory", &wire.memory).unwrap_or(0)))
    }

    /// In a catalog without types, every type has room for nothing.
    fn nodes_of(&mut self, group: &NodeGroup, number: u32, count: u32, profile: &Profile) -> Vec<Node> {
        let it = self.catalog.instance_type(&group.instance_type);
        let resources = it.map(|it| KubeletNode::of_group(group).resources(it)).unwrap_or_default();
        if group.max_pods.is_none() && it.is_some() {
            let path = group.location.path.child("maxPods");
            self.gaps.computed(path, format!("{} ({:?})", resources.allocatable.pods, group.ami_family));
        }
        (0..count).map(|ordinal| node(group, number, ordinal, it, &resources, profile)).collect()
    }
}

fn node(
    group: &NodeGroup,
    number: u32,
    ordinal: u32,
    it: Option<&InstanceType>,
    resources: &NodeResources,
    profile: &Profile,
) -> Node {
    let subnet = match group.subnets.len() {
        0 => None,
        length => group.subnets.get(ordinal as usize % length).copied(),
    };
    let zone =
        subnet.and_then(|subnet| profile.subnets.get(subnet as usize)).map(|subnet| subnet.zone.clone());
    let zone = zone.unwrap_or_else(|| Name::from(format!("{}a", profile.region)));
    let name = Name::from(format!("{}-{}", group.name, u64::from(ordinal) + 1));
    let mode = group.address_mode.unwrap_or_default();
    Node {
        group: Some(number),
        instance_type: group.instance_type.clone(),
        labels: node_labels(group, &name, &zone, it, profile),
        zone,
        name,
        taints: group.taints.iter().chain(&group.startup_taints).cloned().collect(),
        capacity: resources.capacity.clone(),
        allocatable: resources.allocatable.clone(),
        network: NodeNetwork { subnet: subnet.map(SubnetId), mode, ..NodeNetwork::default() },
        ..Node::ready(group.location.clone())
    }
}

/// Labels by the kubelet, the cloud provider and EKS; the group's own win, as `--node-labels` does.
fn node_labels(
    group: &NodeGroup,
    name: &Name,
    zone: &Name,
    it: Option<&InstanceType>,
    profile: &Profile,
) -> Labels {
    let mut labels = Labels::new();
    let mut set = |key: &str, value: &str| {
        labels.insert(key.into(), value.into());
    };
    let os = if group.ami_family.is_windows() { "windows" } else { "linux" };
    let arch = it.map_or("amd64", |it| it.arch);
    for (key, value) in [
        ("kubernetes.io/hostname", name.as_str()),
        ("kubernetes.io/os", os),
        ("kubernetes.io/arch", arch),
        ("beta.kubernetes.io/os", os),
        ("beta.kubernetes.io/arch", arch),
        ("node.kubernetes.io/instance-type", group.instance_type.as_str()),
        ("beta.kubernetes.io/instance-type", group.instance_type.as_str()),
        ("topology.kubernetes.io/zone", zone.as_str()),
        ("topology.kubernetes.io/region", profile.region.as_str()),
        ("failure-domain.beta.kubernetes.io/zone", zone.as_str()),
        ("failure-domain.beta.kubernetes.io/region", profile.region.as_str()),
    ] {
        set(key, value);
    }
    if group.managed {
        set("eks.amazonaws.com/nodegroup", &group.name);
        set("eks.amazonaws.com/capacityType", "ON_DEMAND");
    }
    if !group.node_pool.is_empty() {
        set("karpenter.sh/nodepool", &group.node_pool);
        set("karpenter.sh/registered", "true");
        set("karpenter.sh/initialized", "true");
        set("karpenter.sh/capacity-type", "on-demand");
        labels.extend(it.map(catalog::labels::labels).unwrap_or_default());
    }
    labels.extend(group.labels.clone());
    labels
}
