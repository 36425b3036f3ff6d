//! Where instances come from: the calls of a launch and of a termination.

use std::sync::Arc;
use std::time::Duration;

use autoscaler::capacity_errors::CapacityErrors;
use cluster::node_claim::{LaunchFailure, RefusedOffering};
use cluster::requirements::Requirements;
use cluster::{ClaimId, SelectorOperator, SelectorRequirement, Timestamp};
use provisioning::market::Offers;
use serde_json::Value;

use crate::Resource;
use crate::calls::{self, Call};
use crate::kwok;
use crate::mirror::Mirror;

/// The provider of KWOK nodes.
#[derive(Clone, Debug)]
pub struct Provider {
    offers: Arc<Offers>,
    sold_out: CapacityErrors,
}

impl Provider {
    /// KWOK.
    pub fn kwok() -> Provider {
        Provider { offers: kwok::offers(), sold_out: CapacityErrors::default() }
    }

    /// What it sells.
    pub fn offers(&self) -> Arc<Offers> {
        Arc::clone(&self.offers)
    }

    /// Remembers what there is none of.
    pub fn sold_out(&mut self, refused: &[RefusedOffering], now: Timestamp) {
        self.sold_out.expire(now);
        refused.iter().for_each(|offering| self.sold_out.note(offering, now));
    }

    /// The calls that launch a claim's instance, and the pause before the last of them: the claim learns what it is,
    /// then its node joins. Asked again for the same claim it makes the same node.
    ///
    /// # Errors
    /// Why nothing can be launched for the claim.
    pub fn launch(&mut self, mirror: &Mirror, id: ClaimId) -> Result<(Vec<Call>, Duration), LaunchFailure> {
        self.sold_out.expire(mirror.cluster().now);
        let claim = mirror.cluster().claim(id);
        let gone = || LaunchFailure::ServiceError("the claim is gone".into());
        let facts = mirror.claim_facts(&claim.name).ok_or_else(gone)?;
        let class =
            facts.value.pointer("/spec/nodeClassRef/name").and_then(Value::as_str).unwrap_or_default();
        let Some(class) = mirror.object(kwok::node_class(), &class.into()) else {
            return Err(LaunchFailure::NodeClassNotReady(
                format!("{} {class} does not exist", kwok::NODE_CLASS).into(),
            ));
        };
        let wanted = requirements(&facts.value);
        let (offered, offering) = kwok::choose(&self.offers, &wanted, &claim.requests, &self.sold_out)
            .ok_or(LaunchFailure::InsufficientCapacity)?;
        let name = kwok::node_name(&claim.name, &facts.uid);
        let labels = kwok::labels(offered, offering, &wanted);
        let node = kwok::node(&name, claim, &labels, offered, offering.price_micro_usd);
        let amounts = |path: &str| node.pointer(path).cloned().unwrap_or_default();
        let provider_id = format!("{}{name}", kwok::PROVIDER_PREFIX);
        let status = (amounts("/status/capacity"), amounts("/status/allocatable"));
        let mut calls = calls::launched(mirror, id, &labels, &provider_id, status);
        calls.push(Call::Create(Resource::Node, node));
        Ok((calls, registration_delay(class)))
    }

    /// The calls that end a claim's instance. A node that is registered is held by our finalizer, and is the
    /// instance: it ends with that.
    pub fn terminate(&self, mirror: &Mirror, id: ClaimId) -> Vec<Call> {
        let claim = mirror.cluster().claim(id);
        let Some(facts) = mirror.claim_facts(&claim.name) else { return Vec::new() };
        let terminating = calls::terminating(mirror, id);
        if claim.node.is_some() {
            return vec![terminating];
        }
        let name = kwok::node_name(&claim.name, &facts.uid);
        vec![terminating, calls::delete(Resource::Node, &name, None)]
    }
}

/// `spec.nodeRegistrationDelay` of a node class.
fn registration_delay(class: &Value) -> Duration {
    let text = class.pointer("/spec/nodeRegistrationDelay").and_then(Value::as_str).unwrap_or_default();
    let ms = api::duration_ms(text).ok().and_then(|ms| u64::try_from(ms).ok());
    Duration::from_millis(ms.unwrap_or(0))
}

/// `spec.requirements` of a claim.
fn requirements(claim: &Value) -> Requirements {
    let entries = claim.pointer("/spec/requirements").and_then(Value::as_array);
    let selectors: Vec<SelectorRequirement> = entries.into_iter().flatten().filter_map(selector).collect();
    Requirements::of_selectors(&selectors)
}

fn selector(entry: &Value) -> Option<SelectorRequirement> {
    let values = entry.get("values").and_then(Value::as_array).into_iter().flatten();
    Some(SelectorRequirement {
        key: entry.get("key")?.as_str()?.into(),
        operator: SelectorOperator::parse(entry.get("operator")?.as_str()?)?,
        values: values.filter_map(Value::as_str).map(Into::into).collect(),
        min_values: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_delay_of_a_node_class() {
        let delay =
            |text: &str| registration_delay(&json!({"spec": {"nodeRegistrationDelay": text}})).as_secs();
        assert_eq!((delay("30s"), delay("1h2m3s"), delay("")), (30, 3_723, 0));
    }
}
