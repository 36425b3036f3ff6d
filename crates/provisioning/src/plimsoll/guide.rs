//! Which instance types are cheap for what the pods ask for.
//!
//! How much of all pods together one node of a type can carry, for its price: the fractional covering problem, whose
//! dual gives each resource a price. The weights below are those prices, tried on a grid; the best of them bounds
//! from below what any plan must cost, and the types that come close to it are the ones worth buying.

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
    let Some(least) = costs.iter().flatten().min().copied() else { return all(wares) };
    let limit = least.saturating_mul(100 + i128::from(margin.0)) / 100;
    let near = wares.iter().zip(&costs).filter(|(_, cost)| cost.is_some_and(|cost| cost <= limit));
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
    fn the_grid_adds_up() {
        let grid = grid(3);
        assert_eq!(grid.len(), 45);
        assert!(grid.iter().all(|weights| weights.iter().sum::<i64>() == STEPS));
    }
}
