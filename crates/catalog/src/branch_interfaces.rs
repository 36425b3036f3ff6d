//! Branch interfaces (security groups for pods): which types take a trunk, and how many branches it carries.
//!
//! EC2 publishes neither. The yes/no rule holds for 1,357 of the 1,359 types that the Karpenter AWS provider's
//! table and ours share (not for `u-6tb1.56xlarge` and `u-6tb1.112xlarge`). The number is **estimated**: branch
//! and ordinary interfaces together make one of seven totals by size, exact for 93 % of types (98.7 % of the c, m
//! and r families); too high for 27, among them i3en, i4i, i7ie, i8ge, g5, x2iedn and m8azn. Whoever reports a
//! number from here says so; a node's own `vpc.amazonaws.com/pod-eni` capacity wins.

use crate::InstanceType;

/// Interfaces in total (ordinary and branch), from small to large types.
const TOTALS: [u32; 7] = [6, 12, 22, 42, 62, 92, 122];

/// Whether a trunk interface can be attached: on Nitro, and not burstable.
pub fn is_trunking_compatible(it: &InstanceType) -> bool {
    it.is_nitro() && !it.burstable
}

/// Branch interfaces of a type, **estimated**; 0 without a trunk.
pub fn estimated_limit(it: &InstanceType) -> u32 {
    if !is_trunking_compatible(it) {
        return 0;
    }
    TOTALS[step(it)].saturating_sub(it.max_interfaces)
}

/// Which total a type's size gives.
fn step(it: &InstanceType) -> usize {
    let older = it.cpu_manufacturer == "aws" || it.generation <= 5;
    let step: usize = match it.vcpus {
        0..2 => 0,
        2..4 => 1,
        4..8 => 2,
        8..16 => 3,
        16..32 => 4,
        32..48 => {
            if older {
                4
            } else {
                5
            }
        }
        48..64 => {
            if older {
                4
            } else {
                6
            }
        }
        _ => 6,
    };
    if it.is_flex() && it.vcpus <= 32 { step.saturating_sub(1) } else { step }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    #[test]
    fn known_limits() {
        for (name, limit) in [("m7g.large", 9), ("m5.large", 9), ("m6a.32xlarge", 107), ("c5.4xlarge", 54)] {
            assert_eq!(estimated_limit(Catalog::embedded().instance_type(name).unwrap()), limit, "{name}");
        }
    }

    #[test]
    fn burstable_and_xen_types_have_none() {
        for name in ["t2.large", "t3.large", "t3a.large", "t4g.large", "m4.large"] {
            assert_eq!(estimated_limit(Catalog::embedded().instance_type(name).unwrap()), 0, "{name}");
        }
    }
}
