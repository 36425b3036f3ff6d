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
