//! What the provider sells, what it is asked, and how it answers.
//!
//! `sigs.k8s.io/karpenter` v1.14.1 `pkg/cloudprovider/metrics/cloudprovider.go`; the families about instance types are those of
//! `github.com/aws/karpenter-provider-aws` v1.14.1 `pkg/providers/instancetype/metrics.go`, here for every provider.

use std::collections::BTreeMap;

use autoscaler::Effect;
use cluster::node_claim::LaunchFailure;
use cluster::{Change, ClaimId, Cluster, Timestamp};
use provisioning::market::Offers;

use super::family::{DEFAULT_MS, Family};
use super::registry::{Number, Registry};

const CONTROLLER: &str = "nodeclaim.lifecycle";

pub(super) static DURATION: Family = Family::histogram(
    "karpenter_cloudprovider_duration_seconds",
    DEFAULT_MS,
    &["controller", "method", "provider"],
    "How long the provider takes to launch (Create) and to end (Delete) an instance, writing the status included.",
);
pub(super) static ERRORS: Family = Family::counter(
    "karpenter_cloudprovider_errors_total",
    &["controller", "method", "provider", "error"],
    "Launches that the provider refused.",
);
const TYPE: &[&str] = &["instance_type"];
const OFFERING: &[&str] = &["instance_type", "capacity_type", "zone"];
pub(super) static CPUS: Family =
    Family::gauge("karpenter_cloudprovider_instance_type_cpu_cores", TYPE, "The CPUs of a type.");
pub(super) static MEMORY: Family =
    Family::gauge("karpenter_cloudprovider_instance_type_memory_bytes", TYPE, "The memory of a type.");
pub(super) static AVAILABLE: Family = Family::gauge(
    "karpenter_cloudprovider_instance_type_offering_available",
    OFFERING,
    "1 when a type is on offer there, 0 when it is sold out.",
);
pub(super) static PRICE: Family = Family::gauge(
    "karpenter_cloudprovider_instance_type_offering_price_estimate",
    OFFERING,
    "What an hour costs.",
);

pub(super) static ALL: &[&Family] = &[&DURATION, &ERRORS, &CPUS, &MEMORY, &AVAILABLE, &PRICE];

/// Calls that are under way, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(BTreeMap<(ClaimId, &'static str), Timestamp>);

impl Calls {
    /// Something was decided.
    pub(super) fn decided(&mut self, cluster: &Cluster, effect: &Effect) {
        if let Some(call) = call(effect) {
            self.0.entry(call).or_insert(cluster.now);
        }
    }

    /// An effect came to an end.
    pub(super) fn done(
        &mut self,
        cluster: &Cluster,
        effect: &Effect,
        provider: &str,
        counted: &mut Registry,
    ) {
        let Some(call) = call(effect) else { return };
        let Some(since) = self.0.remove(&call) else { return };
        let now = cluster.now;
        counted.observe(&DURATION, &[CONTROLLER, call.1, provider], now, now.since_ms(since));
    }

    /// Something became true.
    pub(super) fn learn(&mut self, change: &Change, provider: &str, counted: &mut Registry) {
        let Change::ClaimFailed(claim, why) = change else { return };
        self.0.remove(&(*claim, "Create"));
        let error = match why {
            LaunchFailure::InsufficientCapacity => "InsufficientCapacityError",
            LaunchFailure::NodeClassNotReady(_) => "NodeClassNotReadyError",
            _ => "",
        };
        counted.count(&ERRORS, &[CONTROLLER, "Create", provider, error]);
    }
}

fn call(effect: &Effect) -> Option<(ClaimId, &'static str)> {
    match effect {
        Effect::Launch(claim, _) => Some((*claim, "Create")),
        Effect::Terminate(claim) => Some((*claim, "Delete")),
        _ => None,
    }
}

/// What is on offer at the moment.
pub(super) fn scrape(offers: &Offers, now: &mut Registry) {
    for offered in offers.iter() {
        let name = offered.name.as_str();
        now.set(&CPUS, &[name], Number::thousandths(offered.capacity.cpu_millis));
        now.set(&MEMORY, &[name], Number::whole(offered.capacity.memory_bytes));
        for offering in &offered.offerings {
            let labels = [name, offering.capacity_type.as_str(), offering.zone.as_str()];
            now.set(&AVAILABLE, &labels, Number::flag(offering.available));
            now.set(&PRICE, &labels, Number::millionths(offering.price_micro_usd));
        }
    }
}
