//! NodeOverlays: prices and extended resources for some instance types, offerings and pools.

use serde_json::{Value, json};

use super::pools::{TEAM, TIER, bound};
use super::{Draw, Feature, ZONES, set};

/// A resource that only overlays bring.
pub const DEVICE: &str = "example.com/fuse";

/// Adds none to four.
pub(super) fn add(draw: &mut Draw) {
    if !draw.has(Feature::Overlays) {
        return;
    }
    for name in ["overlay-b", "overlay-d", "overlay-a", "overlay-c"].iter().take(draw.rng.between(1, 4)) {
        let mut overlay = json!({"apiVersion": "karpenter.sh/v1alpha1", "kind": "NodeOverlay",
                                 "metadata": {"name": name}, "spec": {"requirements": requirements(draw)}});
        if draw.rng.chance(60) {
            set(&mut overlay, "/spec/weight", json!(*draw.rng.pick(&[1, 5, 5, 10])));
        }
        match draw.rng.below(5) {
            0 => set(&mut overlay, "/spec/price", json!(dollars(draw))),
            1 => set(&mut overlay, "/spec/priceAdjustment", json!(format!("+{}", dollars(draw)))),
            2 => set(&mut overlay, "/spec/priceAdjustment", json!(format!("-{}", dollars(draw)))),
            // Quarters of prices are exact in both programs.
            3 => set(
                &mut overlay,
                "/spec/priceAdjustment",
                json!(*draw.rng.pick(&["-25%", "+50%", "-75.0%", "+125%", "-100%"])),
            ),
            _ => {}
        }
        if draw.rng.chance(50) {
            set(&mut overlay, "/spec/capacity", json!({DEVICE: draw.rng.between(1, 4).to_string()}));
        }
        if draw.rng.chance(15) {
            set(&mut overlay, "/spec/capacity/nvidia.com~1gpu", json!("2"));
        }
        draw.put(overlay);
    }
}

/// Up to twice what a large type costs, in dollars with six decimals.
fn dollars(draw: &mut Draw) -> String {
    format!("0.{:06}", 4 * draw.rng.below(60_000))
}

fn requirements(draw: &mut Draw) -> Vec<Value> {
    let mut all = Vec::new();
    let one_of = |key: &str, values: &[&str]| json!({"key": key, "operator": "In", "values": values});
    if draw.rng.chance(40) {
        let operator = *draw.rng.pick(&["In", "NotIn"]);
        let families = draw.rng.some(&["c", "m", "r"], 60);
        if !families.is_empty() {
            all.push(
                json!({"key": "karpenter.k8s.aws/instance-family", "operator": operator, "values": families}),
            );
        }
    }
    if draw.rng.chance(30) {
        all.push(one_of("karpenter.sh/capacity-type", &[*draw.rng.pick(&["spot", "on-demand", "reserved"])]));
    }
    if draw.rng.chance(30) {
        all.push(one_of("topology.kubernetes.io/zone", &[*draw.rng.pick(&ZONES)]));
    }
    if draw.rng.chance(30) {
        all.push(one_of("karpenter.sh/nodepool", &[*draw.rng.pick(&["pool-a", "pool-c"])]));
    }
    if draw.rng.chance(20) {
        all.push(bound(draw, "karpenter.k8s.aws/instance-cpu", &[1, 2, 4, 8]));
    }
    if draw.rng.chance(15) {
        all.push(match draw.rng.below(3) {
            0 => one_of(TEAM, &["red"]),
            1 => json!({"key": TEAM, "operator": "NotIn", "values": ["red"]}),
            _ => json!({"key": TIER, "operator": "DoesNotExist"}),
        });
    }
    all
}
