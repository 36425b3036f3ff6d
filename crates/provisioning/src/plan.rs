//! A NodeClaim that is to be created.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/{nodeclaim,nodeclaimtemplate}.go`
//! (`FinalizeScheduling`, `ToNodeClaim`) and `pkg/cloudprovider/types.go` (`OrderByPrice`, `Truncate`).

use std::collections::HashMap;
use std::sync::Arc;

use cluster::network::SubnetId;
use cluster::node::POOL;
use cluster::node_claim::{LaunchOption, NewClaim};
use cluster::rejection::{PoolReason, PoolRejection};
use cluster::requirements::{Requirement, Requirements, Shape, is_well_known};
use cluster::{Cluster, Declared, Labels, Name, PodId, Resources, SelectorOperator, SelectorRequirement};

use crate::bits::Bits;
use crate::claim::OpenClaim;
use crate::daemons::DaemonGroup;
use crate::market::{CAPACITY_TYPE, INSTANCE_TYPE, Offers, RESERVATION, TypeOnOffer};
use crate::plimsoll::addresses::ADDRESSES;
use crate::pool::{PoolTemplate, unmet_min_values};
use crate::scheduler::Scheduler;
use crate::sets::SetId;

/// Instance types that a NodeClaim names at most.
pub const INSTANCE_TYPES_MAX: usize = 600;

/// Instance types that a launch offers to EC2 at most, and that [`NewClaim::options`] therefore lists
/// (aws/karpenter-provider-aws v1.14.1 `pkg/providers/instance/instance.go`).
pub const LAUNCH_TYPES_MAX: usize = 60;

/// Labels of nodes that a plan counts with, so that daemons find them; a claim does not ask for them. Its node class is
/// another field of it.
const PLANNED_WITH: [&str; 3] =
    ["karpenter.sh/initialized", "karpenter.sh/registered", "karpenter.k8s.aws/ec2nodeclass"];

/// A claim to be created.
#[derive(Clone, Debug)]
pub struct PlannedClaim {
    /// The pool; index into `declared.node_pools`.
    pub pool: u32,
    /// Its pods.
    pub pods: Vec<PodId>,
    /// What its node must be.
    pub requirements: Requirements,
    /// Every type of the pool's node class.
    pub types: Arc<Offers>,
    /// Those that it may become, cheapest first; indexes into `types`.
    pub options: Vec<usize>,
    /// What its pods and the daemons ask for.
    pub requests: Resources,
    /// The subnet that its room was counted in; `None` where the launch chooses.
    pub subnet: Option<SubnetId>,
}

/// With fewer claims in a plan, sorting the types of each is less work than sorting all types once.
const FEW_CLAIMS: usize = 8;

/// Every type of a template by its price under a set of requirements.
#[derive(Debug)]
pub(crate) struct ByPrice {
    /// Whether a set is likely to come again.
    repeats: bool,
    // Looked up, never iterated over.
    known: HashMap<(usize, SetId), Vec<usize>>,
}

impl ByPrice {
    /// For a plan of so many claims.
    pub(crate) fn of(claims: usize) -> ByPrice {
        ByPrice { repeats: claims > FEW_CLAIMS, known: HashMap::new() }
    }
}

impl PlannedClaim {
    /// Finishes a claim; its pods are refused when too many types had to be left out for `minValues`.
    pub(crate) fn of(
        scheduler: &mut Scheduler<'_>,
        by_price: &mut ByPrice,
        claim: OpenClaim,
    ) -> (Option<PlannedClaim>, Vec<(PodId, Vec<PoolRejection>)>) {
        let alive = scheduler.possible_types(&claim);
        let pool = &scheduler.templates[claim.template];
        let mut requirements = scheduler.sets.get(claim.set).clone();
        if !claim.reserved.is_empty() {
            requirements.set(Requirement::equal_to(CAPACITY_TYPE, "reserved"));
            requirements.add(Requirement::new(RESERVATION, SelectorOperator::In, &claim.reserved));
        }
        let own;
        let sorted = match claim.reserved.is_empty() && by_price.repeats {
            true => by_price
                .known
                .entry((claim.template, claim.set))
                .or_insert_with(|| cheapest_first(&pool.types, 0..pool.types.len(), &requirements)),
            false => {
                own = cheapest_first(&pool.types, alive.iter(), &requirements);
                &own
            }
        };
        let left = sorted.iter().copied().filter(|index| alive.has(*index));
        let options: Vec<usize> = left.take(INSTANCE_TYPES_MAX).collect();
        let requests = claim.requests.plus(&least_daemons(pool, &alive));
        let kept: Bits = options.iter().copied().collect();
        let declared = &scheduler.input.cluster.declared;
        let unmet = unmet_min_values(&pool.types, &kept, &requirements);
        if let Some((key, _)) =
            unmet.into_iter().next().filter(|_| !declared.karpenter.min_values_best_effort)
        {
            let name = declared.node_pools[pool.pool as usize].name.clone();
            let refuse = |pod| {
                let reason = PoolReason::MinValues { key: key.clone() };
                (pod, vec![PoolRejection { pool: name.clone(), reason }])
            };
            return (None, claim.pods.into_iter().map(refuse).collect());
        }
        let (types, subnet) = (Arc::clone(&pool.types), None);
        let planned = PlannedClaim {
            pool: pool.pool,
            pods: claim.pods,
            requirements,
            types,
            options,
            requests,
            subnet,
        };
        (Some(planned), Vec::new())
    }

    /// The price an hour of the cheapest node that it may become, in millionths of a US dollar.
    pub fn price_micro_usd(&self) -> i64 {
        let prices =
            self.options.iter().filter_map(|&index| self.types[index].cheapest_micro_usd(&self.requirements));
        prices.min().unwrap_or(0)
    }

    /// Its pool among those that are declared by now: pools may have come and gone since it was planned. `None`: its own
    /// has gone.
    pub fn pool_in(&self, declared: &Declared) -> Option<u32> {
        let own = self.requirements.get(POOL)?;
        (0_u32..).zip(&declared.node_pools).find(|(_, pool)| own.has(&pool.name)).map(|(index, _)| index)
    }

    /// The claim as it is created: at most [`LAUNCH_TYPES_MAX`] types with every way to buy them.
    pub fn new_claim(&self, cluster: &Cluster, name: Name) -> NewClaim {
        let declared = &cluster.declared.node_pools[self.pool as usize];
        let mut labels = declared.labels.clone();
        labels.insert(POOL.into(), declared.name.clone());
        labels.insert("karpenter.k8s.aws/ec2nodeclass".into(), declared.node_class.clone());
        labels.extend(resolved_labels(&self.requirements));
        // Nodes do not report addresses: a claim that asked for them would never be initialized.
        let mut requests = self.requests.clone();
        requests.set(ADDRESSES, 0);
        NewClaim {
            name,
            requirements: self.selectors(),
            pool: self.pool,
            labels,
            taints: declared.taints.clone(),
            startup_taints: declared.startup_taints.clone(),
            options: self.launch_options(),
            requests,
        }
    }

    /// What its node must be, with the instance types that it may become by name, and without what only a plan needs
    /// (`schedulingSimulationKeys`).
    fn selectors(&self) -> Vec<SelectorRequirement> {
        let names: Vec<&Name> = self.options.iter().map(|&index| &self.types[index].name).collect();
        let mut types = Requirement::new(INSTANCE_TYPE, SelectorOperator::In, &names);
        types.min_values = self.requirements.get(INSTANCE_TYPE).and_then(|own| own.min_values);
        let others = self
            .requirements
            .iter()
            .filter(|own| own.key != INSTANCE_TYPE && !PLANNED_WITH.contains(&own.key.as_str()));
        others.map(Requirement::to_selector).chain([types.to_selector()]).collect()
    }

    fn launch_options(&self) -> Vec<LaunchOption> {
        let mut options = Vec::new();
        for offered in self.options.iter().take(LAUNCH_TYPES_MAX).map(|&index| &self.types[index]) {
            let mut offerings: Vec<_> = offered.possible(&self.requirements).collect();
            offerings.sort_by(|a, b| (a.price_micro_usd, &a.zone).cmp(&(b.price_micro_usd, &b.zone)));
            options.extend(offerings.into_iter().map(|offering| LaunchOption {
                instance_type: offered.name.clone(),
                zone: offering.zone.clone(),
                capacity_type: offering.capacity_type.clone(),
                price_micro_usd: offering.price_micro_usd,
            }));
        }
        options
    }
}

/// Types by their cheapest offering under `requirements`; equal ones by name.
pub fn cheapest_first(
    types: &[TypeOnOffer],
    which: impl Iterator<Item = usize>,
    requirements: &Requirements,
) -> Vec<usize> {
    let priced =
        which.map(|index| (types[index].cheapest_micro_usd(requirements).unwrap_or(i64::MAX), index));
    let mut priced: Vec<(i64, usize)> = priced.collect();
    // Most are told apart by their price alone.
    priced.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| types[a.1].name.cmp(&types[b.1].name)));
    priced.into_iter().map(|(_, index)| index).collect()
}

/// The least that daemons ask for on any of the types, resource by resource.
fn least_daemons(pool: &PoolTemplate, alive: &Bits) -> Resources {
    // A group without daemons does not count, where Karpenter leaves that to the order of a map.
    let runs = |group: &&DaemonGroup| group.overhead != Resources::ZERO && !group.types.and(alive).is_empty();
    let groups = pool.groups.iter().filter(runs);
    let mut overheads = groups.map(|group| &group.overhead);
    let Some(first) = overheads.next() else { return Resources::ZERO };
    let mut least = first.clone();
    for overhead in overheads {
        for (name, amount) in least.clone().iter() {
            least.set(name, amount.min(overhead.get(name)));
        }
    }
    least
}

/// Labels of the pool's own that requirements leave a value for. Karpenter invents a number where any value will
/// do; here it is the least that is allowed.
fn resolved_labels(requirements: &Requirements) -> Labels {
    let own = requirements.iter().filter(|requirement| {
        !is_well_known(&requirement.key)
            && !matches!(requirement.key.as_str(), "karpenter.sh/registered" | "karpenter.sh/initialized")
    });
    own.filter_map(|requirement| Some((requirement.key.clone(), any_value(requirement)?))).collect()
}

fn any_value(requirement: &Requirement) -> Option<Name> {
    match requirement.shape() {
        Shape::In => requirement.values.first().cloned(),
        Shape::DoesNotExist => None,
        Shape::NotIn | Shape::Exists => {
            let least = requirement.at_least.unwrap_or(0).min(requirement.at_most.unwrap_or(i64::MAX));
            let candidates = (0..=requirement.values.len() as i64).map(|step| least.saturating_add(step));
            candidates.map(|number| Name::from(number.to_string())).find(|value| requirement.has(value))
        }
    }
}
