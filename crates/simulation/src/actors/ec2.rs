//! EC2, as far as nodes come from it: answers to launches, and instances that boot.
//!
//! [`fleet`] decides what a launch gets, [`subnets`] where, [`quota`] whether the account may, [`instance`] what the
//! node looks like when it joins. The actor here only boots what was launched: an instance does so whether or not
//! the controller that asked for it still runs.

pub mod fleet;
pub mod instance;
pub mod quota;
pub mod subnets;

use catalog::InstanceType;
use cluster::{Change, ClaimId, NodeClaim};

use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// Boots launched instances: their nodes join after the profile's `nodeReady`.
#[derive(Clone, Debug, Default)]
pub struct Instances {
    launched: Vec<ClaimId>,
}

impl Actor for Instances {
    fn observe(&mut self, change: &Change, _context: Context<'_>) {
        if let Change::ClaimLaunched(claim, _) = change {
            self.launched.push(*claim);
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        for claim in std::mem::take(&mut self.launched) {
            let claim = context.cluster.claim(claim);
            if never_joins(claim, context) {
                continue;
            }
            if let Some(node) = instance::node(context.cluster, context.catalog, claim) {
                let boot_ms = context.cluster.declared.profile.latencies.node_ready_ms;
                effects.after(boot_ms, Effect::RegisterNode(Box::new(node)));
            }
        }
    }
}

/// The kubelet refuses to start with swap on.
fn never_joins(claim: &NodeClaim, context: Context<'_>) -> bool {
    let launched = claim.launched.as_ref();
    let it = launched.and_then(|launched| context.catalog.instance_type(&launched.option.instance_type));
    it.is_some_and(InstanceType::has_swap_volume)
}
