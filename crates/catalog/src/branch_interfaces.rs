//! Branch interfaces (security groups for pods): which types take a trunk, and how many branches it carries.
//!
//! EC2's API has neither. The embedded table is that of aws/amazon-vpc-resource-controller-k8s
//! (`pkg/aws/vpc/limits.go`, v1.8.2), which Karpenter uses too. Types that are newer than it are **estimated**:
//! a trunk on Nitro and not burstable (right for all but two of its types), and branch and ordinary interfaces
//! together one of seven totals by size (right for 93 % of its types, 98.7 % of c, m and r). A node's own
//! `vpc.amazonaws.com/pod-eni` capacity wins over both.

use crate::InstanceType;

/// Interfaces in total (ordinary and branch), from small to large types.
const TOTALS: [u32; 7] = [6, 12, 22, 42, 62, 92, 122];

/// How many branch interfaces a type carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchLimit {
    /// Branch interfaces; 0 without a trunk.
    pub count: u32,
    /// The table does not know the type; reports say so.
    pub estimated: bool,
}

/// The branch interfaces of a type.
pub fn limit(it: &InstanceType) -> BranchLimit {
    match it.branch_interfaces {
        Some(count) => BranchLimit { count, estimated: false },
        None => BranchLimit { count: estimate(it), estimated: true },
    }
}

/// Whether a trunk interface can be attached.
pub fn is_trunking_compatible(it: &InstanceType) -> bool {
    it.branch_interfaces.map_or(it.is_nitro() && !it.burstable, |count| count > 0)
}

/// What a type that the table does not know probably carries.
fn estimate(it: &InstanceType) -> u32 {
    if it.is_nitro() && !it.burstable { TOTALS[step(it)].saturating_sub(it.max_interfaces) } else { 0 }
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
        32..64 if older => 4,
        32..48 => 5,
        _ => 6,
    };
    if it.is_flex() && it.vcpus <= 32 { step.saturating_sub(1) } else { step }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    fn named(name: &str) -> &'static InstanceType {
        Catalog::embedded().instance_type(name).unwrap()
    }

    #[test]
    fn known_limits() {
        for (name, count) in [("m7g.large", 9), ("m5.large", 9), ("m6a.32xlarge", 107), ("c5.4xlarge", 54)] {
            assert_eq!(limit(named(name)), BranchLimit { count, estimated: false }, "{name}");
        }
    }

    #[test]
    fn burstable_and_xen_types_have_none() {
        for name in ["t2.large", "t3.large", "t3a.large", "t4g.large", "m4.large"] {
            assert_eq!(limit(named(name)).count, 0, "{name}");
            assert!(!is_trunking_compatible(named(name)), "{name}");
        }
    }

    #[test]
    fn newer_types_are_estimated() {
        let newer = InstanceType { branch_interfaces: None, ..named("m7g.large").clone() };
        assert_eq!(limit(&newer), BranchLimit { count: 9, estimated: true });
        assert!(is_trunking_compatible(&newer));
    }

    /// How good the estimate is, over every type of the table.
    #[test]
    fn the_estimate_is_usually_right() {
        let known =
            || Catalog::embedded().instance_types().iter().filter_map(|it| Some((it, it.branch_interfaces?)));
        let trunks = known().filter(|(it, count)| (it.is_nitro() && !it.burstable) == (*count > 0)).count();
        let counts = known().filter(|(it, count)| estimate(it) == *count).count();
        assert_eq!((known().count(), trunks, counts), (1372, 1370, 1286));
    }
}
