//! CiliumNodes of a live dump: which interfaces and addresses a node holds.
//!
//! Follows `cilium/cilium` v1.20 `pkg/k8s/apis/cilium.io/v2/types.go` and `pkg/aws/eni/types`.

use cluster::network::{AddressMode, Interface, Slot, Subnet, SubnetId};
use cluster::{Node, Timestamp};
use ipnet::Ipv4Net;
use serde_json::Value;
use std::net::Ipv4Addr;

use crate::object::Object;

/// Fills a node's interfaces from its CiliumNode, in the order of the device numbers. Addresses outside of the known
/// subnets have no offset.
pub(crate) fn fill(object: &Object, node: &mut Node, subnets: &[Subnet]) {
    let Some(enis) = object.field("/status/eni/enis").and_then(Value::as_object) else { return };
    let used: Vec<Ipv4Addr> = used(object);
    let mut numbered: Vec<(u64, Interface)> = enis
        .values()
        .map(|eni| (eni.get("number").and_then(Value::as_u64).unwrap_or(0), interface(eni, &used, subnets)))
        .collect();
    numbered.sort_by_key(|(number, _)| *number);
    node.network.interfaces = numbered.into_iter().map(|(_, interface)| interface).collect();
    let slots = || node.network.interfaces.iter().flat_map(|interface| &interface.slots);
    let prefixes = slots().any(|slot| slot.prefix);
    node.network.mode = if prefixes { AddressMode::Prefixes } else { AddressMode::SecondaryAddresses };
    node.network.subnet =
        node.network.interfaces.first().and_then(|primary| primary.subnet).or(node.network.subnet);
}

/// Addresses that pods have: `status.ipam.used`, less the agent's own.
fn used(object: &Object) -> Vec<Ipv4Addr> {
    let used = object.field("/status/ipam/used").and_then(Value::as_object);
    let owner = |entry: &Value| entry.get("owner").and_then(Value::as_str).unwrap_or_default().to_owned();
    let pods = used
        .into_iter()
        .flatten()
        .filter(|(_, entry)| !matches!(owner(entry).as_str(), "router" | "health" | "ingress"));
    pods.filter_map(|(address, _)| address.parse().ok()).collect()
}

fn interface(eni: &Value, used: &[Ipv4Addr], subnets: &[Subnet]) -> Interface {
    let text = |pointer: &str| eni.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let subnet = subnets.iter().find(|subnet| subnet.name == text("/subnet/id"));
    let offset = |address: Ipv4Addr| subnet.and_then(|subnet| offset(address, subnet.cidr));
    let primary = text("/ip").parse::<Ipv4Addr>().ok();
    let list = |field: &str| {
        eni.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    };
    let prefixes: Vec<Ipv4Net> = list("prefixes").filter_map(|text| text.parse().ok()).collect();
    let mut slots: Vec<Slot> = prefixes
        .iter()
        .map(|prefix| Slot {
            prefix: true,
            offset: offset(prefix.network()),
            assigned: count(used, |ip| prefix.contains(ip)),
            cooling: Vec::new(),
        })
        .collect();
    // Addresses of prefixes are listed as single ones as well.
    let single = list("addresses").filter_map(|text| text.parse::<Ipv4Addr>().ok());
    let single =
        single.filter(|ip| Some(*ip) != primary && !prefixes.iter().any(|prefix| prefix.contains(ip)));
    slots.extend(single.map(|ip| Slot {
        prefix: false,
        offset: offset(ip),
        assigned: count(used, |other| *other == ip),
        cooling: Vec::new(),
    }));
    Interface {
        subnet: subnet.map(|subnet| SubnetId(subnet.id.0)),
        primary: primary.and_then(offset),
        is_primary: eni.get("number").and_then(Value::as_u64) == Some(0),
        is_trunk: false,
        slots,
        attached: Timestamp::ZERO,
    }
}

fn count(used: &[Ipv4Addr], is: impl Fn(&Ipv4Addr) -> bool) -> u32 {
    u32::try_from(used.iter().filter(|ip| is(ip)).count()).unwrap_or(u32::MAX)
}

fn offset(address: Ipv4Addr, cidr: Ipv4Net) -> Option<u32> {
    cidr.contains(&address).then(|| u32::from(address) - u32::from(cidr.network()))
}

#[cfg(test)]
mod tests {
    use crate::testing::lowered;

    #[test]
    fn interfaces_come_from_the_cilium_node() {
        let text = "apiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nspec: {network: {subnets: [{id: subnet-a, zone: z1a, cidr: 10.0.0.0/24}]}}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: n, labels: {topology.kubernetes.io/zone: z1a}}\nstatus: {capacity: {cpu: 2}}\n---\napiVersion: cilium.io/v2\nkind: CiliumNode\nmetadata: {name: n}\nstatus:\n  ipam: {used: {10.0.0.17: {owner: router}, 10.0.0.18: {owner: a/b}}}\n  eni: {enis: {eni-1: {number: 1, ip: 10.0.0.40, subnet: {id: subnet-a}, addresses: [10.0.0.41]}, eni-0: {number: 0, ip: 10.0.0.5, subnet: {id: subnet-a}, addresses: [10.0.0.17, 10.0.0.18], prefixes: [10.0.0.16/28]}}}\n";
        let declared = lowered(text).declared;
        let network = &declared.nodes[0].network;
        assert_eq!((network.interfaces.len(), network.allocated(), network.assigned()), (2, 17, 1));
        assert_eq!(
            (network.interfaces[0].primary, network.interfaces[0].slots[0].offset),
            (Some(5), Some(16))
        );
        assert!(network.interfaces[0].is_primary);
    }
}
