//! `ImageLocality`: prefers nodes that have the pod's images already, the larger and the more widespread the better.
//!
//! Follows `plugins/imagelocality/image_locality.go`. Images of volumes are not modelled. A node has the images that
//! its status tells, not those that a simulation has pulled since.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Name, PodTemplate};

/// Sums below this score 0.
const LEAST_BYTES: i64 = 23 << 20;
/// Images of one container count up to this.
const MOST_BYTES: i64 = 1000 << 20;

/// Where an image is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageSpread {
    pub size_bytes: i64,
    pub nodes: BTreeSet<u32>,
}

/// Adds the score of each node to `totals`; `all` is the number of nodes.
pub(crate) fn score(
    images: &BTreeMap<Name, ImageSpread>,
    template: &PodTemplate,
    all: usize,
    nodes: &[u32],
    totals: &mut [i64],
) {
    if images.is_empty() {
        return;
    }
    let spreads = template.all_containers().filter_map(|container| images.get(&normalized(&container.image)));
    let wanted: Vec<(&ImageSpread, i64)> = spreads.map(|spread| (spread, scaled(spread, all))).collect();
    if wanted.is_empty() {
        return;
    }
    let containers = i64::try_from(template.all_containers().count()).unwrap_or(i64::MAX);
    for (total, node) in totals.iter_mut().zip(nodes) {
        let here = wanted.iter().filter(|(spread, _)| spread.nodes.contains(node));
        *total += points(here.fold(0i64, |sum, (_, bytes)| sum.saturating_add(*bytes)), containers);
    }
}

fn points(bytes: i64, containers: i64) -> i64 {
    let most = MOST_BYTES.saturating_mul(containers);
    100 * (bytes.clamp(LEAST_BYTES, most) - LEAST_BYTES) / (most - LEAST_BYTES)
}

/// Upstream's float64 operations: the size, times the share of nodes that have the image.
fn scaled(spread: &ImageSpread, all: usize) -> i64 {
    let share = spread.nodes.len() as f64 / all as f64;
    (spread.size_bytes as f64 * share) as i64
}

/// A name without a tag means `latest`.
fn normalized(name: &Name) -> Name {
    let last = name.rsplit('/').next().unwrap_or_default();
    if last.contains(':') { name.clone() } else { Name::from(format!("{name}:latest")) }
}

#[cfg(test)]
mod tests {
    use cluster::template::Container;

    use super::*;
    use crate::testing::template;

    #[test]
    fn large_images_on_many_nodes_score_more() {
        let mut pod = template(100, 0);
        pod.containers[0] = Container { image: "registry/app".into(), ..pod.containers[0].clone() };
        let spread =
            |size_bytes, nodes: &[u32]| ImageSpread { size_bytes, nodes: nodes.iter().copied().collect() };
        let scores = |image: &str, spread: ImageSpread| {
            let mut totals = [0, 0];
            score(&BTreeMap::from([(image.into(), spread)]), &pod, 2, &[0, 1], &mut totals);
            totals
        };
        assert_eq!(scores("registry/app:latest", spread(2000 << 20, &[0, 1])), [100, 100]);
        assert_eq!(
            scores("registry/app:latest", spread(1000 << 20, &[1])),
            [0, 100 * (500 - 23) / (1000 - 23)]
        );
        assert_eq!(scores("registry/app:latest", spread(20 << 20, &[0, 1])), [0, 0]);
        assert_eq!(scores("registry/other:latest", spread(2000 << 20, &[0, 1])), [0, 0]);
    }
}
