//! Subnets, security groups, fixed pod ranges.

use cluster::network::{AddressSpace, Cni, Subnet, SubnetId};
use cluster::profile::{FargateProfile, Provider};
use cluster::{FieldPath, Labels, Name};
use ipnet::Ipv4Net;

use super::Reading;
use super::wire::{WireFargate, WireGke, WireReservation, WireSecurityGroup, WireSubnet};
use crate::code;
use crate::selector::{labels, names};
use crate::suggest::did_you_mean;

/// The prefix lengths that a VPC subnet can have.
const VPC_SUBNET_BITS: std::ops::RangeInclusive<u8> = 16..=28;

/// Addresses that AWS keeps in every subnet: the first four and the last.
pub(crate) const RESERVED_ADDRESSES: u32 = 5;

/// GKE's default for pods a node.
const GKE_MAX_PODS: u32 = 110;

impl Reading<'_, '_> {
    pub(super) fn subnets(&mut self, wires: &[WireSubnet]) -> Vec<Subnet> {
        let mut subnets: Vec<Subnet> = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            let path = FieldPath::of("/spec/network/subnets").child(index);
            if wire.id.is_empty() {
                self.missing(&path.child("id"), "write the subnet's id");
            }
            if let Some(first) = subnets.iter().position(|subnet| subnet.name == wire.id.as_str()) {
                self.refuse(
                    &path.child("id"),
                    format_args!("{} is the id of subnet {first} too", wire.id),
                    "",
                );
            }
            let id = SubnetId(u32::try_from(subnets.len()).unwrap_or(u32::MAX));
            let Some(subnet) = self.subnet(wire, id, &path) else { continue };
            let overlap = subnets
                .iter()
                .find(|other| other.cidr.contains(&subnet.cidr) || subnet.cidr.contains(&other.cidr));
            if let Some(other) = overlap.map(|other| other.name.clone()) {
                self.refuse(&path.child("cidr"), format_args!("{} overlaps with {other}", subnet.cidr), "");
            }
            subnets.push(subnet);
        }
        subnets
    }

    fn subnet(&mut self, wire: &WireSubnet, id: SubnetId, path: &FieldPath) -> Option<Subnet> {
        let Some(cidr) = wire.cidr.as_deref() else {
            self.missing(&path.child("cidr"), "such as 10.0.0.0/24");
            return None;
        };
        let cidr = self.cidr(cidr, &path.child("cidr"))?;
        if !VPC_SUBNET_BITS.contains(&cidr.prefix_len()) {
            self.refuse(
                &path.child("cidr"),
                format_args!("{cidr} is not between /16 and /28, as VPC subnets are"),
                "",
            );
            return None;
        }
        if wire.zone.as_deref().unwrap_or_default().is_empty() {
            self.missing(&path.child("zone"), "write the availability zone, such as us-west-2a");
        }
        let size = 1u32 << (32 - u32::from(cidr.prefix_len()));
        let usable = size - RESERVED_ADDRESSES;
        if let Some(free) = wire.free_addresses.filter(|free| *free > usable) {
            self.refuse(
                &path.child("freeAddresses"),
                format_args!("{free} of {cidr}, which has {usable} usable addresses"),
                "",
            );
        }
        if let Some(free) = wire.free_prefixes.filter(|free| *free > size / 16) {
            self.refuse(
                &path.child("freePrefixes"),
                format_args!("{free} of {cidr}, which has {} blocks of /28", size / 16),
                "",
            );
        }
        if let (Some(addresses), Some(prefixes)) = (wire.free_addresses, wire.free_prefixes)
            && prefixes.saturating_mul(16) > addresses
        {
            self.refuse(
                &path.child("freePrefixes"),
                format_args!("{prefixes} free /28 blocks are more than {addresses} free addresses"),
                "",
            );
        }
        Some(Subnet {
            id,
            name: wire.id.as_str().into(),
            location: self.place.at(&path.0),
            zone: wire.zone.as_deref().unwrap_or_default().into(),
            cidr,
            tags: labels(Some(&wire.tags)),
            declared_free: wire.free_addresses,
            declared_free_prefixes: wire.free_prefixes,
            reservations: self.reservations(&wire.reservations, cidr, &path.child("reservations")),
            space: AddressSpace::default(),
        })
    }

    fn cidr(&mut self, text: &str, path: &FieldPath) -> Option<Ipv4Net> {
        match text.parse::<Ipv4Net>() {
            Ok(cidr) if cidr.addr() == cidr.network() => Some(cidr),
            Ok(cidr) => {
                self.refuse(
                    path,
                    format_args!("{text} has host bits set"),
                    format!("write {}", cidr.trunc()),
                );
                None
            }
            Err(_) => {
                self.refuse(path, format_args!("{text:?} is not an IPv4 range"), "such as 10.0.0.0/24");
                None
            }
        }
    }

    fn reservations(
        &mut self,
        wires: &[WireReservation],
        subnet: Ipv4Net,
        path: &FieldPath,
    ) -> Vec<(Ipv4Net, bool)> {
        let mut reservations = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            let at = path.child(index);
            let prefix = match wire.kind.as_deref() {
                None | Some("prefix") => true,
                Some("explicit") => false,
                Some(other) => {
                    let help = did_you_mean(other, ["prefix", "explicit"]);
                    self.refuse(
                        &at.child("type"),
                        format_args!("{other:?} is not one of prefix, explicit"),
                        help,
                    );
                    continue;
                }
            };
            let Some(cidr) = self.cidr(&wire.cidr, &at.child("cidr")) else { continue };
            if !subnet.contains(&cidr) {
                self.refuse(&at.child("cidr"), format_args!("{cidr} is not inside of {subnet}"), "");
                continue;
            }
            reservations.push((cidr, prefix));
        }
        reservations
    }

    pub(super) fn security_groups(&mut self, wires: &[WireSecurityGroup]) -> Vec<(Name, Labels)> {
        let path = FieldPath::of("/spec/network/securityGroups");
        let mut groups = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            if wire.id.is_empty() {
                self.missing(&path.child(index).child("id"), "write the security group's id");
            }
            groups.push((Name::from(wire.id.as_str()), labels(Some(&wire.tags))));
        }
        groups
    }

    /// Subnets by id, as indexes; all where nothing is written.
    pub(super) fn subnet_indexes(
        &mut self,
        written: Option<&[String]>,
        subnets: &[Subnet],
        path: &FieldPath,
        gap: &str,
    ) -> Vec<u32> {
        let Some(written) = written else {
            if !subnets.is_empty() {
                self.gaps.take(path, gap);
            }
            return (0..u32::try_from(subnets.len()).unwrap_or(u32::MAX)).collect();
        };
        let mut indexes = Vec::new();
        for (index, id) in written.iter().enumerate() {
            match subnets.iter().position(|subnet| subnet.name == id.as_str()) {
                Some(found) => indexes.push(u32::try_from(found).unwrap_or(u32::MAX)),
                None => {
                    let at = path.child(index);
                    let help = did_you_mean(id, subnets.iter().map(|subnet| subnet.name.as_str()));
                    let help = help.unwrap_or_else(|| "declare it under spec.network.subnets".to_owned());
                    self.reporter.error(
                        &at,
                        code::UNKNOWN_REFERENCE,
                        format!("{at}: there is no subnet {id:?}"),
                        help,
                    );
                }
            }
        }
        indexes
    }

    pub(super) fn fargate(&mut self, wires: &[WireFargate], subnets: &[Subnet]) -> Vec<FargateProfile> {
        let path = FieldPath::of("/spec/fargate");
        let mut profiles = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            let at = path.child(index);
            if wire.namespaces.is_empty() {
                self.missing(&at.child("namespaces"), "write the namespaces whose pods run on Fargate");
            }
            profiles.push(FargateProfile {
                name: wire.name.as_deref().map_or_else(|| Name::from(format!("fargate-{index}")), Name::from),
                namespaces: names(Some(&wire.namespaces)),
                labels: labels(Some(&wire.labels)),
                subnets: self.subnet_indexes(
                    wire.subnets.as_deref(),
                    subnets,
                    &at.child("subnets"),
                    "/spec/fargate/*/subnets",
                ),
            });
        }
        profiles
    }

    /// Ranges that a provider fixes per node. GKE gives a node the smallest block of at least twice its pods.
    pub(super) fn ranges(&mut self, wire: Option<&WireGke>, provider: Provider) -> Option<Cni> {
        match provider {
            Provider::Gke => {
                let max_pods = wire.and_then(|wire| wire.max_pods_per_node);
                self.gaps.unless(max_pods.is_some(), "/spec/gke/maxPodsPerNode");
                let written = wire.and_then(|wire| wire.pod_range.as_deref());
                self.gaps.unless(written.is_some(), "/spec/gke/podRange");
                let node_bits = gke_node_bits(max_pods.unwrap_or(GKE_MAX_PODS));
                let range_bits = written.and_then(|text| self.range_bits(text)).unwrap_or(14);
                let max_nodes = 1u32.checked_shl(node_bits.saturating_sub(range_bits));
                Some(Cni::PerNodeRange { addresses_per_node: 1 << (32 - node_bits), max_nodes })
            }
            Provider::Aks => Some(Cni::PerNodeRange { addresses_per_node: 250, max_nodes: None }),
            Provider::Eks | Provider::None => None,
        }
    }

    /// `/20`, or a whole range.
    fn range_bits(&mut self, text: &str) -> Option<u32> {
        let bits = text
            .rsplit('/')
            .next()
            .and_then(|bits| bits.parse::<u32>().ok())
            .filter(|bits| (8..=28).contains(bits));
        if bits.is_none() {
            self.refuse(
                &FieldPath::of("/spec/gke/podRange"),
                format_args!("{text:?} is not a range"),
                "such as /20",
            );
        }
        bits
    }
}

/// The prefix length of a node's block: twice the pods, rounded up to a power of two.
fn gke_node_bits(max_pods: u32) -> u32 {
    let addresses = max_pods.clamp(1, 1 << 20).saturating_mul(2).next_power_of_two();
    (32 - addresses.trailing_zeros()).min(28)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gke_gives_a_node_twice_its_pods() {
        for (pods, bits) in [
            (8, 28),
            (9, 27),
            (16, 27),
            (30, 26),
            (32, 26),
            (33, 25),
            (110, 24),
            (128, 24),
            (129, 23),
            (256, 23),
        ] {
            assert_eq!(gke_node_bits(pods), bits, "{pods}");
        }
    }
}
