//! Which instance types are cheap for what the pods ask for.
//!
//! How much of all pods together one node of a type can carry, for its price: the fractional covering problem, whose
//! dual gives each resource a price. The weights below are those prices, tried on a grid; the best of them bounds
//! from below what any plan must cost, and the types that come close to it are the ones worth buying.
//!
//! That takes pods for a liquid. Where a few types are cheap for one resource alone (the smallest burstable ones have
//! two cores and hardly any memory) no pod may fit them as it does, so pods are also weighed by themselves: what one
//! costs on a node that is full of its like.

use cluster::{Name, Resources};

use crate::bits::Bits;

/// Steps of the grid over the weights of resources; they add up to this.
const STEPS: i64 = 8;
/// Most resources that are weighed; what else pods ask for must fit and does not choose.
const RESOURCES_MAX: usize = 4;
/// Fixed point of a share of the demand.
const UNIT: i128 = 1 << 30;

/// How far above the cheapest a type may be and still be favoured, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin(pub i64);

/// Which types new claims are led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guide {
    /// Those that are cheap for all pods together.
    Together(Margin),
    /// For each pod, those on which it is cheap beside any number of its like.
    Alike(Margin),
    /// The same, beside no more of its like than there are.
    AsMany(Margin),
}

/// A type as it is weighed.
#[derive(Clone, Debug)]
pub struct Ware<'a> {
    /// Its index.
    pub index: usize,
    /// Room for pods.
    pub room: &'a Resources,
    /// Its cheapest price, in millionths of a US dollar an hour.
    pub price_micro_usd: i64,
}

/// The types worth buying for a demand; all of them when nothing is asked for.
pub fn favoured(wares: &[Ware<'_>], demand: &Resources, margin: Margin) -> Bits {
    let names: Vec<Name> = demand.iter().map(|(name, _)| Name::from(name)).take(RESOURCES_MAX).collect();
    let shares: Vec<Vec<i128>> = wares.iter().map(|ware| shares(ware.room, demand, &names)).collect();
    let costs = |weights: &[i64]| -> Vec<Option<i128>> {
        let cost = |(ware, shares): (&Ware<'_>, &Vec<i128>)| {
            let carried: i128 =
                shares.iter().zip(weights).map(|(share, weight)| share * i128::from(*weight)).sum();
            (carried > 0).then(|| i128::from(ware.price_micro_usd) * UNIT / carried)
        };
        wares.iter().zip(&shares).map(cost).collect()
    };
    let best = grid(names.len()).into_iter().max_by_key(|weights| costs(weights).into_iter().flatten().min());
    let Some(costs) = best.map(|weights| costs(&weights)) else { return all(wares) };
    near(wares, &costs, margin)
}

/// The types on which a pod that asks for `each` is cheapest, beside its like: at most `count` of them.
pub fn favoured_alike(wares: &[Ware<'_>], each: &Resources, count: i64, margin: Margin) -> Bits {
    let cost = |ware: &Ware<'_>| {
        let hold = each.iter().filter(|(_, asked)| *asked > 0);
        let hold = hold.map(|(name, asked)| ware.room.get(name) / asked).min().unwrap_or(i64::MAX).min(count);
        (hold > 0).then(|| i128::from(ware.price_micro_usd) * UNIT / i128::from(hold))
    };
    let costs: Vec<Option<i128>> = wares.iter().map(cost).collect();
    near(wares, &costs, margin)
}

/// Those that cost little more than the cheapest.
fn near(wares: &[Ware<'_>], costs: &[Option<i128>], margin: Margin) -> Bits {
    let Some(least) = costs.iter().flatten().min().copied() else { return all(wares) };
    let limit = least.saturating_mul(100 + i128::from(margin.0)) / 100;
    let near = wares.iter().zip(costs).filter(|(_, cost)| cost.is_some_and(|cost| cost <= limit));
    near.map(|(ware, _)| ware.index).collect()
}

fn all(wares: &[Ware<'_>]) -> Bits {
    wares.iter().map(|ware| ware.index).collect()
}

/// The share of the demand that a node can carry, resource by resource; at most all of it.
fn shares(room: &Resources, demand: &Resources, names: &[Name]) -> Vec<i128> {
    let share = |name: &Name| {
        let (room, demand) = (i128::from(room.get(name).max(0)), i128::from(demand.get(name).max(1)));
        (room * UNIT / demand).min(UNIT)
    };
    names.iter().map(share).collect()
}

/// Every way to share [`STEPS`] out among so many resources.
fn grid(resources: usize) -> Vec<Vec<i64>> {
    let mut grid = vec![Vec::new()];
    for position in 0..resources {
        let last = position + 1 == resources;
        grid = grid
            .into_iter()
            .flat_map(|weights: Vec<i64>| {
                let left = STEPS - weights.iter().sum::<i64>();
                let from = if last { left } else { 0 };
                (from..=left).map(move |weight| weights.iter().copied().chain([weight]).collect())
            })
            .collect();
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{GIB, resources};

    fn ware(index: usize, room: &Resources, price_micro_usd: i64) -> Ware<'_> {
        Ware { index, room, price_micro_usd }
    }

    fn chosen(wares: &[Ware<'_>], demand: &Resources, margin: i64) -> Vec<usize> {
        favoured(wares, demand, Margin(margin)).iter().collect()
    }

    #[test]
    fn memory_heavy_pods_want_memory() {
        let (compute, memory) = (resources(4000, 8 * GIB), resources(4000, 32 * GIB));
        let wares = [ware(0, &compute, 170_000), ware(1, &memory, 252_000)];
        assert_eq!(chosen(&wares, &resources(1_000_000, 8_000 * GIB), 2), [1]);
        assert_eq!(chosen(&wares, &resources(1_000_000, 500 * GIB), 2), [0]);
    }

    #[test]
    fn a_mix_wants_both() {
        let (compute, memory) = (resources(4000, 8 * GIB), resources(4000, 32 * GIB));
        let wares = [ware(0, &compute, 170_000), ware(1, &memory, 252_000), ware(2, &compute, 400_000)];
        assert_eq!(chosen(&wares, &resources(1_000_000, 4_500 * GIB), 10), [0, 1]);
    }

    #[test]
    fn a_pod_is_weighed_as_a_whole() {
        // Two cores at the price of half a gibibyte: cheap for what no pod asks for alone.
        let room = |cpu, memory| Resources { pods: 110, ..resources(cpu, memory) };
        let (nano, compute, large) = (room(2000, GIB / 2), room(2000, 4 * GIB), room(32_000, 64 * GIB));
        let wares = [ware(0, &nano, 1_700), ware(1, &compute, 17_000), ware(2, &large, 250_000)];
        let alike = |each: &Resources, count| -> Vec<usize> {
            favoured_alike(&wares, each, count, Margin(2)).iter().collect()
        };
        assert_eq!(alike(&resources(1000, GIB), i64::MAX), [2], "32 for 250,000, 2 for 17,000");
        assert_eq!(alike(&resources(1000, GIB), 4), [1], "a large one would not be full");
        assert_eq!(alike(&resources(500, GIB / 8), i64::MAX), [0]);
        assert_eq!(alike(&resources(64_000, GIB), i64::MAX), [0, 1, 2], "none holds it: none is ruled out");
    }

    #[test]
    fn the_grid_adds_up() {
        let grid = grid(3);
        assert_eq!(grid.len(), 45);
        assert!(grid.iter().all(|weights| weights.iter().sum::<i64>() == STEPS));
    }
}
