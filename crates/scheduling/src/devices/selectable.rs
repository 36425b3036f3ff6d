//! Whether a device is one that a request asks for, whoever has it: selectors, capacity, reach, taints.

use cluster::Node;
use cluster::device::{
    Device, DeviceClaim, DeviceClass, DeviceSelector, DevicesWanted, ResourceSlice, SliceReach,
};

use super::evaluate::holds;
use super::pools::reaches;

/// `isSelectable`: the class' selectors, the request's, and for devices that say so themselves the node. The error
/// ends the whole attempt.
pub(super) fn is_selectable(
    class: &DeviceClass,
    wanted: &DevicesWanted,
    claim: &DeviceClaim,
    (slice, device): (&ResourceSlice, &Device),
    node: &Node,
) -> Result<bool, String> {
    let of_class = || format!("class {}", class.name);
    let of_claim = || format!("claim {}/{}", claim.namespace, claim.name);
    Ok(all_hold(&class.selectors, slice, device, of_class)?
        && all_hold(&wanted.selectors, slice, device, of_claim)?
        && (slice.reach != SliceReach::PerDevice || reaches(&device.reach, node)))
}

fn all_hold(
    selectors: &[DeviceSelector],
    slice: &ResourceSlice,
    device: &Device,
    of: impl Fn() -> String,
) -> Result<bool, String> {
    for (number, selector) in selectors.iter().enumerate() {
        let result = holds(&selector.expression, &slice.driver, device);
        let located = |error| format!("{}: selector #{number}: CEL runtime error: {error}", of());
        if !result.map_err(located)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `taintPreventsAllocation`.
pub(super) fn is_tainted(device: &Device, wanted: &DevicesWanted) -> bool {
    let repels = |effect: &str| matches!(effect, "NoSchedule" | "NoExecute");
    device.taints.iter().any(|taint| {
        repels(&taint.effect) && !wanted.tolerations.iter().any(|toleration| toleration.tolerates(taint))
    })
}
