//! Scores of the default profile: weights, normalization, the sum.
//!
//! Follows `apis/config/v1/default_plugins.go` (weights) and each plugin's `Score` and `NormalizeScore`.

use crate::placements::Placements;
use crate::plugins::{
    image_locality, inter_pod_affinity, node_resources_balanced_allocation, node_resources_fit,
    pod_topology_spread,
};
use crate::query::Query;
use crate::room::{Request, Row};

const TAINT_TOLERATION: i64 = 3;
const NODE_AFFINITY: i64 = 2;
const POD_TOPOLOGY_SPREAD: i64 = 2;
const INTER_POD_AFFINITY: i64 = 2;

/// Remembers, for one size of request, the load scores of every node until the node's load changes.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    scored: [i64; 2],
    /// `None` for best-effort pods, which `NodeResourcesBalancedAllocation` skips.
    balanced: Option<[i64; 2]>,
    /// By node: the version of its row, and the score.
    cells: Vec<(u32, u16)>,
}

impl Shape {
    pub fn new(request: &Request) -> Shape {
        let asked = [request.amounts[0], request.amounts[1]];
        Shape { scored: request.scored, balanced: (asked != [0, 0]).then_some(asked), cells: Vec::new() }
    }

    /// `NodeResourcesFit` plus `NodeResourcesBalancedAllocation`, each with weight 1.
    fn score(&mut self, node: usize, now: u32, row: &Row) -> i64 {
        if self.cells.len() <= node {
            self.cells.resize(node + 1, (0, 0));
        }
        let (version, score) = self.cells[node];
        if version == now {
            return i64::from(score);
        }
        let balanced = self.balanced.map_or(0, |asked| node_resources_balanced_allocation::score(asked, row));
        let score = node_resources_fit::least_allocated(self.scored, row) + balanced;
        self.cells[node] = (now, u16::try_from(score).unwrap_or(0));
        score
    }
}

/// Adds a plugin's weighted, normalized score of each feasible node to `totals`.
type Add = fn(&Placements, &Query, &[u32], &mut [i64]);

/// The plugins whose scores depend on which nodes are feasible.
const RELATIVE: [(&str, Add); 5] = [
    ("TaintToleration", taint_toleration),
    ("NodeAffinity", node_affinity),
    ("PodTopologySpread", |index, query, nodes, totals| {
        pod_topology_spread::score(index, &query.wishes, nodes, totals, POD_TOPOLOGY_SPREAD);
    }),
    ("InterPodAffinity", |index, query, nodes, totals| {
        inter_pod_affinity::score(index, query.class, &query.wishes, nodes, totals, INTER_POD_AFFINITY);
    }),
    ("ImageLocality", |index, query, nodes, totals| {
        image_locality::score(&index.images, &query.template, index.order.list().len(), nodes, totals);
    }),
];

/// The total score of each feasible node, in their order.
pub(crate) fn totals(index: &mut Placements, query: &Query, nodes: &[u32]) -> Vec<i64> {
    let shape = &mut index.shapes[query.shape];
    let (rows, versions) = (&index.rows, &index.versions);
    let places = nodes.iter().map(|node| *node as usize);
    let mut totals: Vec<i64> =
        places.map(|place| shape.score(place, versions[place], &rows[place])).collect();
    for (_, add) in RELATIVE {
        add(index, query, nodes, &mut totals);
    }
    totals
}

/// The weighted scores of each feasible node, in their order, plugin by plugin.
pub(crate) fn by_plugin(index: &Placements, query: &Query, nodes: &[u32]) -> Vec<(&'static str, Vec<i64>)> {
    let shape = &index.shapes[query.shape];
    let load = |score: &dyn Fn(&Row) -> i64| -> Vec<i64> {
        nodes.iter().map(|node| score(&index.rows[*node as usize])).collect()
    };
    let fit = load(&|row| node_resources_fit::least_allocated(shape.scored, row));
    let mut scores = vec![("NodeResourcesFit", fit)];
    if let Some(asked) = shape.balanced {
        let balanced = load(&|row| node_resources_balanced_allocation::score(asked, row));
        scores.push(("NodeResourcesBalancedAllocation", balanced));
    }
    for (name, add) in RELATIVE {
        let mut own = vec![0; nodes.len()];
        add(index, query, nodes, &mut own);
        scores.push((name, own));
    }
    scores
}

fn taint_toleration(index: &Placements, query: &Query, nodes: &[u32], totals: &mut [i64]) {
    let cells = &index.rules[query.rule].cells;
    let disliked = nodes.iter().map(|node| i64::from(cells[*node as usize].disliked));
    add_normalized(totals, disliked, TAINT_TOLERATION, true);
}

fn node_affinity(index: &Placements, query: &Query, nodes: &[u32], totals: &mut [i64]) {
    if query.template.preferred_node_affinity.is_empty() {
        return;
    }
    let cells = &index.rules[query.rule].cells;
    let preferred = nodes.iter().map(|node| i64::from(cells[*node as usize].preferred));
    add_normalized(totals, preferred, NODE_AFFINITY, false);
}

/// By `helper.DefaultNormalizeScore`: shares of the largest, in hundredths; reversed where less is better.
fn add_normalized(totals: &mut [i64], raw: impl Iterator<Item = i64> + Clone, weight: i64, reverse: bool) {
    let most = raw.clone().max().unwrap_or(0);
    for (total, raw) in totals.iter_mut().zip(raw) {
        let share = if most <= 0 { 0 } else { 100 * raw / most };
        *total += weight * if reverse { 100 - share } else { share };
    }
}

/// The natural logarithm of a whole number of at least 1, by the algorithm of fdlibm's `e_log` that Go's `math.Log`
/// follows: only basic operations, so the same bits on every platform.
pub(crate) fn natural_logarithm(number: usize) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const SERIES: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    // number = 2^exponent × fraction, fraction in [√½, √2).
    let mut fraction = number.max(1) as f64;
    let mut exponent = 0.0;
    while fraction >= 1.0 {
        fraction /= 2.0;
        exponent += 1.0;
    }
    if fraction < std::f64::consts::FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1.0;
    }
    let f = fraction - 1.0;
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let odd = s2 * (SERIES[0] + s4 * (SERIES[2] + s4 * (SERIES[4] + s4 * SERIES[6])));
    let even = s4 * (SERIES[1] + s4 * (SERIES[3] + s4 * SERIES[5]));
    let half = 0.5 * f * f;
    exponent * LN2_HIGH - ((half - (s * (half + (odd + even)) + exponent * LN2_LOW)) - f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right_to_the_last_digit_or_so() {
        for number in [1usize, 2, 3, 4, 5, 7, 10, 100, 502, 5002, 123_456] {
            let (ours, std) = (natural_logarithm(number), (number as f64).ln());
            assert!((ours - std).abs() <= 2.0 * f64::EPSILON * std.max(1.0), "{number}: {ours} {std}");
        }
    }

    #[test]
    fn normalization_follows_the_largest() {
        let mut totals = [0; 3];
        add_normalized(&mut totals, [0, 1, 3].into_iter(), 3, true);
        assert_eq!(totals, [300, 201, 0]);
        add_normalized(&mut totals, [0, 0, 0].into_iter(), 2, false);
        assert_eq!(totals, [300, 201, 0]);
        add_normalized(&mut totals, [0, 0, 0].into_iter(), 1, true);
        assert_eq!(totals, [400, 301, 100]);
    }
}
