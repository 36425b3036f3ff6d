//! A play from a seed: a small cluster, what its users do, and what goes wrong.

mod cluster;
mod trouble;

use autoscaler::Provisioner;

use crate::draw::Draws;
use crate::fault::Group;
use crate::play::Play;

/// The play of a seed, with faults of these groups.
pub fn play(seed: u64, groups: &[Group]) -> Play {
    // Each part has draws of its own: what goes wrong changes nothing about the cluster.
    let mut draws = Draws::new(seed ^ 0xc1_0000_0000);
    let provisioner = if draws.chance(50) { Provisioner::Karpenter } else { Provisioner::Plimsoll };
    let pools = cluster::pools(&mut draws);
    let workloads = cluster::workloads(&mut draws, &pools);
    let budgets = cluster::budgets(&mut draws, &workloads);
    let daemons = cluster::daemons(&mut draws);
    let mut draws = Draws::new(seed ^ 0xac_0000_0000);
    let script = trouble::script(&mut draws, &pools, &workloads, &budgets);
    let mut draws = Draws::new(seed ^ 0xfa_0000_0000);
    let faults = trouble::faults(&mut draws, groups);
    Play { seed, provisioner, pools, daemons, budgets, workloads, script, faults }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ_and_stay_what_they_are() {
        let said = |seed| crate::play::described(&play(seed, &Group::ALL));
        assert_eq!(said(3), said(3));
        assert_ne!(said(3), said(4));
        let without = play(3, &[]);
        assert!(without.faults.is_empty());
        assert_eq!(without.script, play(3, &Group::ALL).script);
    }
}
