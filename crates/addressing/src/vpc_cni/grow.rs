//! One step up: which calls ipamd makes in one tick, in order, until one succeeds.
//!
//! Followed: aws/amazon-vpc-cni-k8s v1.23.1 `pkg/ipamd/ipamd.go` `increaseDatastorePool`, `tryAssignIPs`,
//! `tryAssignPrefixes`, `tryAllocateENI`, `GetENIResourcesToAllocate`, `hasRoomForEni`. Existing interfaces come
//! first, and a refused call is repeated on the same interface for a single slot: so nodes drain the last addresses
//! of a subnet one by one. Interfaces are tried in the order in which they were attached (upstream: Go map order).

use cluster::Timestamp;
use cluster::network::{EniCall, EniOutcome, NodeNetwork, Shortage, SubnetId};

use crate::vpc_cni::{Ipamd, Pool, Target};

/// How a step goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make this call; come back with its outcome.
    Call(EniCall),
    /// Nothing (more) to try. `back_off`: the subnet refused with one of the two codes that pause ipamd.
    Done {
        /// Whether [`crate::vpc_cni::SHORTAGE_BACK_OFF_MS`] begins.
        back_off: bool,
    },
}

impl Ipamd<'_> {
    /// The next call of a growing step, after those that were `refused` in it. `subnets` are the candidates for a new
    /// interface in the order in which they are tried.
    pub fn grow(
        &self,
        network: &NodeNetwork,
        now: Timestamp,
        subnets: &[Option<SubnetId>],
        refused: &[(EniCall, EniOutcome)],
    ) -> Step {
        let pool = Pool::of(network, now);
        if !self.too_low(pool) {
            return Step::Done { back_off: false };
        }
        let was_refused = |call: &EniCall| refused.iter().any(|(known, _)| known == call);
        let wanted = self.wanted_slots(pool);
        for (index, interface) in (0u32..).zip(&network.interfaces) {
            let have = u32::try_from(interface.slots.len()).unwrap_or(u32::MAX);
            if !self.serves_pods(interface) || have >= self.limits.slots {
                continue;
            }
            let assign = |count| EniCall::Assign { interface: index, count, prefixes: self.prefixes() };
            let (all, one) = (assign(wanted.min(self.limits.slots - have)), assign(1));
            if !was_refused(&all) {
                return Step::Call(all);
            }
            if !was_refused(&one) {
                return Step::Call(one);
            }
            if let Some(end) = self.ends_step(&one, refused) {
                return end;
            }
        }
        if self.has_room_for_interface(network) {
            let attach = |subnet: &Option<SubnetId>| EniCall::Attach {
                subnet: *subnet,
                count: wanted.min(self.limits.slots),
                prefixes: self.prefixes(),
                trunk: false,
            };
            if let Some(call) = subnets.iter().map(attach).find(|call| !was_refused(call)) {
                return Step::Call(call);
            }
        }
        Step::Done { back_off: refused.last().is_some_and(|(_, outcome)| pauses(*outcome)) }
    }

    /// An interface that refused even one slot ends the step, unless other subnets may be tried for a lack of
    /// addresses.
    fn ends_step(&self, one: &EniCall, refused: &[(EniCall, EniOutcome)]) -> Option<Step> {
        let (_, outcome) = refused.iter().find(|(call, _)| call == one)?;
        let goes_on = match outcome {
            EniOutcome::LimitExceeded => true,
            outcome => self.settings.subnet_discovery && pauses(*outcome),
        };
        (!goes_on).then_some(Step::Done { back_off: pauses(*outcome) })
    }

    /// Slots that one interface is asked for: what is short under IP targets, the missing prefixes, or all it has.
    fn wanted_slots(&self, pool: Pool) -> u32 {
        match (self.short(pool), self.target()) {
            (Some(short), _) => short.max(1),
            (None, Target::Prefixes(warm)) => warm.saturating_sub(pool.free_prefixes).max(1),
            (None, _) => self.limits.slots,
        }
    }

    /// Whether one more interface for pods may be attached.
    pub fn has_room_for_interface(&self, network: &NodeNetwork) -> bool {
        let attached = u32::try_from(network.interfaces.len()).unwrap_or(u32::MAX);
        attached.saturating_add(self.reserved_interfaces) < self.max_interfaces()
    }
}

/// Whether an outcome starts ipamd's pause. The `InvalidParameterValue` of an interface's creation does not: it is
/// asked again every tick.
pub fn pauses(outcome: EniOutcome) -> bool {
    matches!(outcome, EniOutcome::Short(Shortage::Addresses | Shortage::Prefixes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{delegated, instance_type, ipamd, network, subnet, vpc_cni, warm_addresses};
    use cluster::network::{Subnet, VpcCniSettings};

    /// The calls of one tick against a subnet, with their outcomes.
    fn tick(
        settings: &VpcCniSettings,
        network: &mut NodeNetwork,
        subnets: &mut [Subnet],
    ) -> (Vec<(EniCall, EniOutcome)>, Step) {
        let ipamd = Ipamd { max_pods: 434, ..ipamd(settings, 3, 10) };
        let candidates: Vec<_> = subnets.iter().map(|subnet| Some(subnet.id)).collect();
        let mut refused = Vec::new();
        loop {
            match ipamd.grow(network, Timestamp::ZERO, &candidates, &refused) {
                Step::Call(call) => {
                    let limits = instance_type(3, 10);
                    let outcome =
                        crate::ec2::perform(&call, network, subnets, Some(&limits), Timestamp::ZERO);
                    refused.push((call.clone(), outcome));
                    if outcome == EniOutcome::Done {
                        return (refused, Step::Call(call));
                    }
                }
                done @ Step::Done { .. } => return (refused, done),
            }
        }
    }

    fn in_subnet(free: u32) -> (NodeNetwork, Vec<Subnet>) {
        let mut subnets = vec![subnet(0, "10.0.0.0/24")];
        let mut network = NodeNetwork { subnet: Some(subnets[0].id), ..NodeNetwork::default() };
        assert!(crate::ec2::launch(&mut network, &mut subnets, Timestamp::ZERO));
        subnets[0].declared_free = Some(free);
        assert!(crate::fragmentation::meet_declared(&mut subnets[0]));
        (network, subnets)
    }

    #[test]
    fn the_last_addresses_are_drained_one_by_one() {
        let (mut network, mut subnets) = in_subnet(2);
        for left in [1, 0] {
            let (calls, step) = tick(&vpc_cni(), &mut network, &mut subnets);
            let one = EniCall::Assign { interface: 0, count: 1, prefixes: false };
            assert_eq!((calls.len(), step), (2, Step::Call(one)));
            assert_eq!(subnets[0].space.free, left);
        }
        let (calls, step) = tick(&vpc_cni(), &mut network, &mut subnets);
        assert_eq!(calls.len(), 3, "seven, one, and a new interface: {calls:?}");
        assert_eq!(step, Step::Done { back_off: true });
    }

    #[test]
    fn without_discovery_a_short_subnet_ends_the_step_at_once() {
        let (mut network, mut subnets) = in_subnet(0);
        let settings = VpcCniSettings { subnet_discovery: false, ..vpc_cni() };
        let (calls, step) = tick(&settings, &mut network, &mut subnets);
        assert_eq!(calls.len(), 2);
        assert_eq!(step, Step::Done { back_off: true });
    }

    #[test]
    fn the_trap_code_does_not_pause() {
        let settings = delegated(vpc_cni());
        let (mut network, mut subnets) = in_subnet(0);
        network.interfaces[0].slots = crate::testing::slots(true, &[16; 9]);
        let (calls, step) = tick(&settings, &mut network, &mut subnets);
        let refused = EniOutcome::Short(Shortage::AddressesOrPrefixes);
        assert_eq!(calls.iter().map(|(_, outcome)| *outcome).collect::<Vec<_>>(), [refused]);
        assert_eq!(step, Step::Done { back_off: false });
    }

    #[test]
    fn no_whole_block_is_a_shortage_of_prefixes() {
        let settings = delegated(vpc_cni());
        let (mut network, mut subnets) = in_subnet(250);
        subnets[0].declared_free = Some(200);
        subnets[0].declared_free_prefixes = Some(0);
        assert!(crate::fragmentation::meet_declared(&mut subnets[0]));
        let (calls, _) = tick(&settings, &mut network, &mut subnets);
        assert_eq!(calls[0].1, EniOutcome::Short(Shortage::Prefixes));
        assert_eq!(subnets[0].space.free, 200, "refused calls take nothing");
    }

    #[test]
    fn a_shortage_in_one_subnet_goes_on_to_the_next() {
        let (mut network, mut subnets) = in_subnet(0);
        subnets.push(subnet(1, "10.0.1.0/24"));
        let (calls, step) = tick(&vpc_cni(), &mut network, &mut subnets);
        let attach = |subnet: &Subnet| EniCall::Attach {
            subnet: Some(subnet.id),
            count: 9,
            prefixes: false,
            trunk: false,
        };
        assert_eq!(calls[2].0, attach(&subnets[0]));
        assert_eq!(step, Step::Call(attach(&subnets[1])));
    }

    #[test]
    fn nothing_is_asked_at_the_limit_or_within_the_target() {
        let full = network(false, &[&[1; 9], &[1; 9], &[1; 9]]);
        let done = Step::Done { back_off: false };
        assert_eq!(ipamd(&vpc_cni(), 3, 10).grow(&full, Timestamp::ZERO, &[None], &[]), done);
        let enough = network(false, &[&[1, 0]]);
        assert_eq!(ipamd(&warm_addresses(1, 0), 3, 10).grow(&enough, Timestamp::ZERO, &[None], &[]), done);
    }

    #[test]
    fn a_trunk_to_come_keeps_an_interface_free() {
        let two = network(false, &[&[1; 9], &[1; 9]]);
        let settings = vpc_cni();
        let ipamd = Ipamd { reserved_interfaces: 1, ..ipamd(&settings, 3, 10) };
        assert!(!ipamd.has_room_for_interface(&two));
        assert!(Ipamd { reserved_interfaces: 0, ..ipamd }.has_room_for_interface(&two));
    }
}
