//! Why no pool can serve a pod, with the numbers.
//!
//! Karpenter glues error texts together (`pkg/controllers/provisioning/scheduling/nodeclaim.go`
//! `InstanceTypeFilterError`, v1.14.1); here each pool gives one value: what excludes the pod by itself comes before
//! what is only used up.

use std::collections::BTreeSet;

use cluster::rejection::{PoolReason, PoolRejection};
use cluster::requirements::{Incompatible, Requirement, Requirements, Undefined};
use cluster::{Effect, Name, Resources, SelectorOperator};

use crate::bits::Bits;
use crate::class::{Class, ClassId};
use crate::pool::{PoolTemplate, Unusable, unmet_min_values};
use crate::ports;
use crate::scheduler::Scheduler;
use crate::sets::HOSTNAME;
use crate::topology::Place;

/// One reason a pool, in the order in which they are tried, for a class that has given up all its preferences.
pub(crate) fn explain(scheduler: &Scheduler<'_>, class: ClassId) -> Vec<PoolRejection> {
    let explained = scheduler.pools.iter().map(|(pool, outcome)| {
        let reason = match outcome {
            Err(unusable) => of_unusable(unusable),
            Ok(template) => of_template(scheduler, *template, class),
        };
        PoolRejection { pool: pool_name(scheduler, *pool), reason }
    });
    explained.collect()
}

/// One reason, whatever the pool: Karpenter does not plan for the pod.
pub(crate) fn of_every_pool(scheduler: &Scheduler<'_>, reason: &PoolReason) -> Vec<PoolRejection> {
    let pools = scheduler.pools.iter();
    pools
        .map(|(pool, _)| PoolRejection { pool: pool_name(scheduler, *pool), reason: reason.clone() })
        .collect()
}

fn pool_name(scheduler: &Scheduler<'_>, pool: u32) -> Name {
    scheduler.input.cluster.declared.node_pools[pool as usize].name.clone()
}

fn of_unusable(unusable: &Unusable) -> PoolReason {
    match unusable {
        Unusable::NotReady(why) => PoolReason::NotReady { why: why.clone() },
        Unusable::NoInstanceType => PoolReason::NoInstanceType,
        Unusable::NoOffering => PoolReason::NoOffering,
        Unusable::MinValues(key) => PoolReason::MinValues { key: key.clone() },
    }
}

fn of_template(scheduler: &Scheduler<'_>, template: usize, id: ClassId) -> PoolReason {
    let class = scheduler.classes.get(id);
    let pool = &scheduler.templates[template];
    if let Some(reason) = by_constraints(pool, class) {
        return reason;
    }
    let mut wanted = scheduler.sets.get(scheduler.template_sets[template]).clone();
    wanted.add_all(scheduler.sets.get(class.wanted));
    let alternatives = alternatives(scheduler, class, &wanted);
    let Some(mut node) = alternatives else { return PoolReason::VolumeTopology };
    let hostname = Name::from("hostname-placeholder");
    let place = Place { host: scheduler.next_host(), hostname: &hostname, taints: &pool.taints };
    if let Some(key) = scheduler.topology.first_unsatisfied(id, &scheduler.classes, &place, &node) {
        return PoolReason::Topology { key };
    }
    let narrowing = scheduler.topology.narrowing(id, class, &place, &node);
    let unnarrowed = node.clone();
    node.add_all(&narrowing.unwrap_or_default());
    if let Some(reason) = by_types(pool, class, &node) {
        // What fails only in the domain that topology chose is topology's doing.
        let topology = by_types(pool, class, &unnarrowed).is_none();
        let changed =
            node.iter().find(|own| unnarrowed.get(&own.key) != Some(own)).map(|own| own.key.clone());
        return match changed.filter(|_| topology) {
            Some(key) => PoolReason::Topology { key },
            None => reason,
        };
    }
    by_limits(scheduler, template, class, &node).unwrap_or(PoolReason::NoInstanceType)
}

fn by_constraints(pool: &PoolTemplate, class: &Class) -> Option<PoolReason> {
    let tolerated = |taint: &&cluster::Taint| {
        class.constraints.tolerations.iter().any(|toleration| toleration.tolerates(taint))
    };
    let hard_first = pool.taints.iter().filter(|taint| taint.effect != Effect::PreferNoSchedule);
    if let Some(taint) = hard_first.chain(&pool.taints).find(|taint| !tolerated(taint)) {
        return Some(PoolReason::Taint(taint.clone()));
    }
    let wanted = class.constraints.requirements(false);
    if let Some(host) = wanted.get(HOSTNAME).filter(|host| !host.has("hostname-placeholder")) {
        return Some(requirement(Incompatible { wanted: host.clone(), offered: None }));
    }
    let mut own = pool.requirements.clone();
    own.remove(HOSTNAME);
    let mut asked = wanted;
    asked.remove(HOSTNAME);
    own.compatible(&asked, Undefined::WellKnownAllowed).err().map(|refused| requirement(*refused))
}

fn requirement(refused: Incompatible) -> PoolReason {
    PoolReason::Requirement {
        key: refused.wanted.key.clone(),
        wanted: refused.wanted.to_selector(),
        offered: refused.offered.map(|offered| offered.to_selector()),
    }
}

/// The node's requirements with the first of the volume's alternatives that can hold; `None` when none can.
fn alternatives(scheduler: &Scheduler<'_>, class: &Class, node: &Requirements) -> Option<Requirements> {
    if class.volumes.is_empty() {
        return Some(node.clone());
    }
    class.volumes.iter().filter(|(_, host)| host.is_none()).find_map(|(set, _)| {
        let volume = scheduler.sets.get(*set);
        node.compatible(volume, Undefined::WellKnownAllowed).ok()?;
        let mut both = node.clone();
        both.add_all(volume);
        Some(both)
    })
}

/// Why no type of the pool will do, limits apart.
fn by_types(pool: &PoolTemplate, class: &Class, node: &Requirements) -> Option<PoolReason> {
    let agreement = pool.types.agreement(node);
    let agreeing = pool.usable.and(&agreement.agreeing);
    if agreeing.is_empty() {
        return Some(excluded_by_types(pool, class, node));
    }
    if let Some(reason) = by_room(pool, class, &agreeing) {
        return Some(reason);
    }
    let offered = pool.usable.and(&agreement.offered);
    if offered.is_empty() {
        return Some(PoolReason::NoOffering);
    }
    if let Some(reason) = by_room(pool, class, &offered) {
        return Some(reason);
    }
    let fitting: Bits = offered.iter().filter(|&index| holds(pool, class, index)).collect();
    unmet_min_values(&pool.types, &fitting, node)
        .into_iter()
        .next()
        .map(|(key, _)| PoolReason::MinValues { key })
}

fn holds(pool: &PoolTemplate, class: &Class, index: usize) -> bool {
    pool.holds_daemons.has(index) && class.constraints.requests.exceeds(&pool.room[index]).is_none()
}

/// A label that no type of the pool has as the pod wants it, or that no type has at all.
fn excluded_by_types(pool: &PoolTemplate, class: &Class, node: &Requirements) -> PoolReason {
    let asked = class.constraints.requirements(false);
    for wanted in asked.iter().chain(node.iter()) {
        let of_types =
            || pool.usable.iter().filter_map(|index| pool.types[index].requirements.get(&wanted.key));
        if of_types().next().is_none() || of_types().any(|offered| offered.agrees_with(wanted)) {
            continue;
        }
        let values: BTreeSet<&str> =
            of_types().flat_map(|offered| &offered.values).map(Name::as_str).collect();
        let values: Vec<&str> = values.into_iter().collect();
        let offered = match values.is_empty() {
            true => Requirement::does_not_exist(&wanted.key),
            false => Requirement::new(&wanted.key, SelectorOperator::In, &values),
        };
        return requirement(Incompatible { wanted: wanted.clone(), offered: Some(offered) });
    }
    PoolReason::NoInstanceType
}

/// Why none of these types has room.
fn by_room(pool: &PoolTemplate, class: &Class, types: &Bits) -> Option<PoolReason> {
    if types.iter().any(|index| holds(pool, class, index)) {
        let blocked = |index: usize| {
            let group = pool.groups.iter().find(|group| group.types.has(index));
            group.is_some_and(|group| ports::any_taken(&class.constraints.host_ports, &group.ports))
        };
        let free = types.iter().any(|index| holds(pool, class, index) && !blocked(index));
        return (!free).then_some(PoolReason::NoInstanceType);
    }
    let requests = &class.constraints.requests;
    let most = |name: &str| types.iter().map(|index| pool.room[index].get(name)).max().unwrap_or(0);
    let (name, requested) = requests
        .iter()
        .find(|(name, amount)| *amount > most(name))
        .or_else(|| tightest(pool, requests, types))
        .unwrap_or(("cpu", requests.cpu_millis));
    if types
        .iter()
        .all(|index| pool.room[index].get(name) <= 0 && pool.types[index].allocatable.get(name) > 0)
    {
        return Some(PoolReason::FilledByDaemons { resource: name.into() });
    }
    let roomiest =
        types.iter().max_by_key(|&index| (pool.room[index].get(name), std::cmp::Reverse(index)))?;
    let largest = pool.types[roomiest].allocatable.get(name);
    let daemons = largest.saturating_sub(pool.room[roomiest].get(name));
    Some(PoolReason::TooLarge {
        resource: name.into(),
        requested: requested.saturating_add(daemons),
        largest,
    })
}

/// Every resource fits on some type but no type has all: what the type with the most CPU lacks.
fn tightest<'r>(pool: &PoolTemplate, requests: &'r Resources, types: &Bits) -> Option<(&'r str, i64)> {
    let largest =
        types.iter().max_by_key(|&index| (pool.room[index].cpu_millis, std::cmp::Reverse(index)))?;
    requests.iter().find(|(name, amount)| *amount > pool.room[largest].get(name))
}

/// The limit that stands in the way of the smallest type that would do.
fn by_limits(
    scheduler: &Scheduler<'_>,
    template: usize,
    class: &Class,
    node: &Requirements,
) -> Option<PoolReason> {
    let pool = &scheduler.templates[template];
    let declared = &scheduler.input.cluster.declared.node_pools[pool.pool as usize];
    let remaining = scheduler.limits[template].left();
    let offered = pool.usable.and(&pool.types.agreement(node).offered);
    let fitting = pool.rooms.holding(&class.constraints.requests, &offered.and(&pool.holds_daemons));
    let limit = |resource: &Name, left: i64, wanted: i64| {
        let limit = declared.limit(resource).unwrap_or(0);
        PoolReason::Limit { resource: resource.clone(), limit, used: limit.saturating_sub(left), wanted }
    };
    if let Some((name, left)) = remaining.iter().find(|(name, left)| name == "nodes" && *left == 0) {
        return Some(limit(name, *left, 1));
    }
    let exceeded = |index: usize| {
        let capacity = &pool.types[index].capacity;
        remaining.iter().find(|(name, left)| capacity.get(name) > *left).map(|(name, left)| (name, *left))
    };
    let smallest = fitting.iter().filter(|&index| exceeded(index).is_some()).min_by_key(|&index| {
        let (capacity, name) = (&pool.types[index].capacity, &pool.types[index].name);
        (exceeded(index).map(|(limited, _)| capacity.get(limited)), capacity.cpu_millis, name.clone())
    })?;
    let (name, left) = exceeded(smallest)?;
    Some(limit(name, left, pool.types[smallest].capacity.get(name)))
}
