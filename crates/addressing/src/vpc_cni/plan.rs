//! The paper version: what a settled node takes, without taking it.
//!
//! Derived from the rules of [`crate::vpc_cni`] and tested against them, step by step. Pods are packed and have come
//! one after another; a pod that needs no address (host network, branch interface) does not count. Nothing here
//! knows of subnets that are full.

use cluster::network::PREFIX_ADDRESSES;

use crate::vpc_cni::{Ipamd, Target};

/// What a settled node takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Interfaces that serve pods.
    pub interfaces: u32,
    /// Slots on them: single addresses or prefixes.
    pub slots: u32,
    /// Addresses in those slots.
    pub addresses: u32,
    /// Addresses taken from the subnet of the pods: `addresses` and a primary one for each interface. Under custom
    /// networking the node's own interface takes one more, from the node's subnet.
    pub held: u32,
}

/// What a node takes when `pods` of its pods have an address.
pub fn settled(ipamd: &Ipamd<'_>, pods: u32) -> Footprint {
    let own = u32::from(ipamd.settings.custom_networking);
    let usable = ipamd.max_interfaces().saturating_sub(ipamd.reserved_interfaces).saturating_sub(own);
    let per_interface = ipamd.limits.slots.max(1);
    let size = if ipamd.prefixes() { PREFIX_ADDRESSES } else { 1 };
    let most = usable.saturating_mul(ipamd.limits.slots);
    let slots = wanted_slots(ipamd, pods, size).min(most);
    // Under custom networking the pods' first interface has to be attached first; otherwise the primary is there.
    let interfaces = slots.div_ceil(per_interface).max(1 - own.min(1));
    let addresses = slots.saturating_mul(size);
    Footprint { interfaces, slots, addresses, held: addresses.saturating_add(interfaces) }
}

/// Slots that the targets ask for; growth stops once the pool has an address for each pod that the kubelet takes.
fn wanted_slots(ipamd: &Ipamd<'_>, pods: u32, size: u32) -> u32 {
    let per_interface = ipamd.limits.slots.max(1);
    let enough = ipamd.max_pods.div_ceil(size);
    let whole_interfaces = enough.div_ceil(per_interface).saturating_mul(per_interface);
    // The first steps come before any pod and add up to an interface each; later ones follow the pods.
    let capped = |at_first: u32, wanted: u32| wanted.min(enough.max(at_first.min(whole_interfaces)));
    match ipamd.target() {
        Target::Addresses { warm, minimum } => {
            let wanted = pods.saturating_add(warm).max(minimum).div_ceil(size);
            capped(warm.max(minimum).div_ceil(size), wanted)
        }
        Target::Prefixes(0) => capped(1, pods / PREFIX_ADDRESSES + 1),
        Target::Prefixes(warm) => capped(warm, warm.saturating_add(pods.div_ceil(PREFIX_ADDRESSES))),
        Target::Interfaces(warm) => {
            let interfaces = if warm == 0 {
                pods / per_interface + 1
            } else {
                warm.saturating_add(pods.div_ceil(per_interface))
            };
            interfaces.saturating_mul(per_interface).min(whole_interfaces)
        }
    }
}

/// Addresses of a node before its first pod: ipamd grows the pool by one step before it serves.
pub fn fresh(ipamd: &Ipamd<'_>) -> u32 {
    let per_interface = ipamd.limits.slots;
    let size = if ipamd.prefixes() { PREFIX_ADDRESSES } else { 1 };
    let first_step = match ipamd.target() {
        Target::Interfaces(_) => per_interface,
        Target::Prefixes(warm) => warm.max(1).min(per_interface),
        Target::Addresses { warm, minimum } => warm.max(minimum).div_ceil(size).max(1).min(per_interface),
    };
    first_step.saturating_mul(size).saturating_add(1)
}

/// How many such nodes a subnet feeds: by its free addresses, and by its whole /28 blocks for prefixes.
pub fn nodes_fed(free: u32, free_blocks: u32, ipamd: &Ipamd<'_>, pods: u32) -> u32 {
    let footprint = settled(ipamd, pods);
    let by_addresses = free.checked_div(footprint.held).unwrap_or(0);
    if !ipamd.prefixes() {
        return by_addresses;
    }
    by_addresses.min(free_blocks.checked_div(footprint.slots).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settle::{Facts, settle};
    use crate::testing::{self, delegated, ipamd, shape, vpc_cni, warm_addresses};
    use cluster::Timestamp;
    use cluster::network::{Cni, VpcCniSettings};
    use proptest::prelude::*;

    /// Interface sizes of a node of E×I that has settled for its pods, step by step; the closed form must agree.
    fn settled_shape(
        settings: &VpcCniSettings,
        size: (u32, u32),
        pods: u32,
        max_pods: u32,
    ) -> (Vec<usize>, u32) {
        let mut node = testing::node(max_pods);
        let mut subnets = vec![testing::subnet(0, "10.0.0.0/16"), testing::subnet(1, "10.1.0.0/16")];
        let instance_type = testing::instance_type(size.0, size.1);
        let cni = Cni::VpcCni(settings.clone());
        let facts = Facts { pods, ..Facts::default() };
        let now = Timestamp::ZERO;
        let served = settle(&mut node, Some(&instance_type), &mut subnets, &cni, "", facts, now).len();
        (shape(&node.network), u32::try_from(served).unwrap())
    }

    #[track_caller]
    fn check(settings: &VpcCniSettings, size: (u32, u32), pods: u32, expected: &[usize]) {
        let max_pods = size.0 * (size.1 - 1) * if settings.prefix_delegation { 16 } else { 1 } + 2;
        let (shape, served) = settled_shape(settings, size, pods, max_pods);
        assert_eq!(shape, expected);
        assert_eq!(served, pods);
        let footprint = settled(&Ipamd { max_pods, ..ipamd(settings, size.0, size.1) }, pods);
        assert_eq!(footprint.slots as usize, expected.iter().sum::<usize>(), "slots on paper");
        assert_eq!(footprint.interfaces as usize, expected.len(), "interfaces on paper");
    }

    #[test]
    fn eni_and_ip_target_table() {
        // aws/amazon-vpc-cni-k8s docs/eni-and-ip-target.md, t3.small: 3 interfaces of 4 addresses.
        check(&vpc_cni(), (3, 4), 0, &[3]);
        check(&vpc_cni(), (3, 4), 5, &[3, 3, 3]);
        check(&vpc_cni(), (3, 4), 9, &[3, 3, 3]);
        check(&warm_addresses(1, 1), (3, 4), 0, &[1]);
        check(&warm_addresses(1, 1), (3, 4), 5, &[3, 3]);
        check(&warm_addresses(1, 1), (3, 4), 9, &[3, 3, 3]);
        check(&warm_addresses(2, 5), (3, 4), 0, &[3, 2]);
        check(&warm_addresses(2, 5), (3, 4), 5, &[3, 3, 1]);
        // p3dn.24xlarge: 15 interfaces of 50 addresses.
        check(&vpc_cni(), (15, 50), 0, &[49]);
        check(&vpc_cni(), (15, 50), 3, &[49, 49]);
        check(&vpc_cni(), (15, 50), 95, &[49, 49, 49]);
        check(&warm_addresses(5, 10), (15, 50), 0, &[10]);
        check(&warm_addresses(5, 10), (15, 50), 7, &[12]);
        check(&warm_addresses(5, 10), (15, 50), 15, &[20]);
        check(&warm_addresses(5, 10), (15, 50), 45, &[49, 1]);
        // The README's m4.4xlarge: its "90" counts the primaries.
        check(&VpcCniSettings { warm_eni_target: 2, ..vpc_cni() }, (8, 30), 9, &[29, 29, 29]);
    }

    #[test]
    fn prefix_and_ip_target_table() {
        // docs/prefix-and-ip-target.md; its rows "1" for (w 7, m 20, no pod) and its interface counts for
        // p3dn.24xlarge contradict the code.
        let one_prefix = delegated(vpc_cni());
        check(&one_prefix, (3, 4), 0, &[1]);
        check(&one_prefix, (3, 4), 5, &[2]);
        check(&one_prefix, (3, 4), 16, &[2]);
        check(&one_prefix, (3, 4), 17, &[3]);
        check(&one_prefix, (3, 4), 58, &[3, 2]);
        let one_address = delegated(warm_addresses(1, 1));
        check(&one_address, (3, 4), 0, &[1]);
        check(&one_address, (3, 4), 5, &[1]);
        check(&one_address, (3, 4), 17, &[2]);
        check(&one_address, (3, 4), 58, &[3, 1]);
        let twenty = delegated(warm_addresses(7, 20));
        check(&twenty, (3, 4), 0, &[2]);
        check(&twenty, (3, 4), 17, &[2]);
        check(&twenty, (3, 4), 58, &[3, 2]);
        check(&one_prefix, (15, 50), 3, &[2]);
        check(&one_prefix, (15, 50), 95, &[7]);
    }

    #[test]
    fn three_interfaces_of_ten() {
        check(&vpc_cni(), (3, 10), 1, &[9, 9]);
        check(&vpc_cni(), (3, 10), 9, &[9, 9]);
        check(&vpc_cni(), (3, 10), 10, &[9, 9, 9]);
        let (shape, served) = settled_shape(&vpc_cni(), (3, 10), 28, 29);
        assert_eq!((shape.iter().sum(), served), (27, 27), "one pod of 28 gets no address");
    }

    #[test]
    fn max_pods_stops_growth() {
        let one_prefix = delegated(vpc_cni());
        let paper = |settings: &VpcCniSettings, size: (u32, u32), pods, max_pods| {
            settled(&Ipamd { max_pods, ..ipamd(settings, size.0, size.1) }, pods)
        };
        let of = |footprint: Footprint| (footprint.slots, footprint.held);
        assert_eq!(of(paper(&one_prefix, (3, 10), 108, 110)), (7, 113));
        assert_eq!(of(paper(&one_prefix, (3, 10), 108, 434)), (8, 129));
        // m6a.32xlarge with maxPods 110: never above three interfaces.
        assert_eq!(of(paper(&vpc_cni(), (15, 50), 108, 110)), (147, 150));
        assert_eq!(of(paper(&vpc_cni(), (15, 50), 108, 737)), (196, 200));
        for (settings, size, max_pods) in [(&one_prefix, (3, 10), 110), (&vpc_cni(), (15, 50), 110)] {
            let (shape, served) = settled_shape(settings, size, 108, max_pods);
            let paper = paper(settings, size, 108, max_pods);
            assert_eq!((shape.iter().sum::<usize>(), served), (paper.slots as usize, 108));
        }
    }

    #[test]
    fn custom_networking_leaves_the_primary_empty() {
        let settings = VpcCniSettings {
            custom_networking: true,
            eni_configs: vec![("default".into(), "subnet-1".into())],
            ..vpc_cni()
        };
        for (pods, expected) in [(0, vec![0, 9]), (1, vec![0, 9, 9])] {
            let (shape, served) = settled_shape(&settings, (3, 10), pods, 29);
            assert_eq!((shape.clone(), served), (expected.clone(), pods));
            let paper = settled(&ipamd(&settings, 3, 10), pods);
            assert_eq!(paper.interfaces as usize, expected.len() - 1);
            assert_eq!(paper.slots as usize, expected.iter().sum::<usize>());
        }
    }

    #[test]
    fn fresh_and_first_pod_by_class() {
        let classes = [
            ((2, 2), 2, 4),
            ((3, 4), 4, 8),
            ((2, 4), 4, 8),
            ((3, 6), 6, 12),
            ((3, 10), 10, 20),
            ((3, 12), 12, 24),
            ((4, 15), 15, 30),
            ((8, 30), 30, 60),
            ((15, 50), 50, 100),
        ];
        for ((interfaces, addresses), fresh_held, one_pod_held) in classes {
            let settings = vpc_cni();
            let ipamd = ipamd(&settings, interfaces, addresses);
            assert_eq!(fresh(&ipamd), fresh_held, "{interfaces}×{addresses}");
            assert_eq!(settled(&ipamd, 1).held, one_pod_held, "{interfaces}×{addresses}");
        }
    }

    #[test]
    fn ninety_eight_addresses_for_one_pod() {
        // The incident: m6a.32xlarge with one pod each; 98 secondary addresses, 100 with the primaries. Thirteen
        // nodes in each of three zones with 1,300 free addresses leave nothing.
        let settings = vpc_cni();
        let paper = settled(&ipamd(&settings, 15, 50), 1);
        assert_eq!((paper.interfaces, paper.addresses, paper.held), (2, 98, 100));
        let mut drained = 0;
        for _zone in 0..3 {
            let mut subnets = vec![testing::subnet(0, "10.0.0.0/20")];
            subnets[0].declared_free = Some(1300);
            assert!(crate::fragmentation::meet_declared(&mut subnets[0]));
            for _node in 0..13 {
                let mut node = testing::node(737);
                let facts = Facts { pods: 1, ..Facts::default() };
                let cni = Cni::VpcCni(vpc_cni());
                let instance_type = testing::instance_type(15, 50);
                let got =
                    settle(&mut node, Some(&instance_type), &mut subnets, &cni, "", facts, Timestamp::ZERO);
                assert_eq!((got.len(), node.network.allocated(), node.network.held()), (1, 98, 100));
                drained += node.network.held();
            }
            assert_eq!(subnets[0].space.free, 0);
            let mut victim = testing::node(737);
            assert!(!crate::ec2::launch(&mut victim.network, &mut subnets, Timestamp::ZERO));
        }
        assert_eq!(drained, 3900);
        let capped = warm_addresses(2, 10);
        assert_eq!(13 * settled(&ipamd(&capped, 15, 50), 1).held, 143);
    }

    #[test]
    fn nodes_that_a_subnet_feeds() {
        // /20 per zone, m6a.32xlarge with one pod each.
        let fed = |settings: &VpcCniSettings| nodes_fed(4091, 254, &ipamd(settings, 15, 50), 1);
        assert_eq!(fed(&vpc_cni()), 40);
        assert_eq!(fed(&VpcCniSettings { warm_eni_target: 0, ..vpc_cni() }), 81);
        assert_eq!(fed(&delegated(vpc_cni())), 123);
        assert_eq!(fed(&warm_addresses(2, 10)), 371);
        assert_eq!(fed(&delegated(warm_addresses(5, 10))), 240);
        // A /24 with twenty scattered addresses: three or four whole blocks, for one or two nodes.
        assert_eq!(nodes_fed(231, 3, &ipamd(&delegated(vpc_cni()), 3, 10), 1), 1);
        assert_eq!(nodes_fed(231, 4, &ipamd(&delegated(vpc_cni()), 3, 10), 1), 2);
    }

    proptest! {
        /// Pods that come one at a time leave the node as the closed form says.
        #[test]
        fn paper_agrees_with_the_steps(
            (interfaces, addresses) in prop::sample::select(vec![(2u32, 2u32), (3, 4), (3, 10), (4, 15), (8, 30)]),
            delegation: bool,
            (eni, warm, minimum, prefix) in (0u32..4, 0u32..12, 0u32..40, 0u32..4),
            max_eni in prop::option::of(0u32..6),
            pods in 0u32..120,
        ) {
            let settings = VpcCniSettings {
                warm_eni_target: eni, warm_ip_target: Some(warm), minimum_ip_target: Some(minimum),
                warm_prefix_target: prefix, prefix_delegation: delegation, max_eni, ..vpc_cni()
            };
            let ipamd = ipamd(&settings, interfaces, addresses);
            let pods = pods.min(ipamd.max_pods.saturating_sub(2));
            let mut network = testing::network(false, &[&[]]);
            let cni = Cni::VpcCni(settings.clone());
            let instance_type = testing::instance_type(interfaces, addresses);
            let mut served = 0;
            for _ in 0..=pods {
                while let crate::vpc_cni::grow::Step::Call(call) = ipamd.grow(&network, Timestamp::ZERO, &[None], &[]) {
                    crate::ec2::perform(&call, &mut network, &mut [], Some(&instance_type), Timestamp::ZERO);
                }
                if served < pods && crate::assign(&mut network, Timestamp::ZERO, &cni).is_some() {
                    served += 1;
                }
            }
            let paper = settled(&ipamd, served);
            let slots: usize = shape(&network).iter().sum();
            prop_assert_eq!((slots, network.interfaces.len()), (paper.slots as usize, paper.interfaces as usize));
        }
    }
}
