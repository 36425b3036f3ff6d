//! Who holds the addresses of a subnet: the hoarder told apart from the victim.

use cluster::NodeId;
use cluster::network::{Slot, SubnetId};

use crate::scene::Scene;
use crate::stuck;

/// How many addresses nodes hold in a subnet, and who holds the most of them idle.
pub(crate) fn holders(scene: &Scene<'_>, subnet: SubnetId) -> Vec<String> {
    let mut holders: Vec<(u32, u32, NodeId)> = Vec::new();
    for node in scene.cluster.live_nodes() {
        let interfaces = node.network.interfaces.iter().filter(|interface| interface.subnet == Some(subnet));
        let (mut held, mut assigned) = (0, 0);
        for interface in interfaces {
            held += 1 + interface.slots.iter().map(Slot::size).sum::<u32>();
            assigned += interface.slots.iter().map(|slot| slot.assigned).sum::<u32>();
        }
        if held > 0 {
            holders.push((held, assigned, node.id));
        }
    }
    holders.sort_by_key(|(held, assigned, node)| (std::cmp::Reverse(held - assigned), *node));
    let total: u32 = holders.iter().map(|(held, _, _)| held).sum();
    let used: u32 = holders.iter().map(|(_, assigned, _)| assigned).sum();
    let verb = if holders.len() == 1 { "holds" } else { "hold" };
    let nodes = stuck::count(holders.len(), "node");
    let mut lines = vec![format!("{nodes} {verb} {total} of its addresses, {used} of them for pods")];
    for (held, assigned, node) in holders.into_iter().take(3) {
        let subject = scene.cluster.node(node);
        let (kind, pods) = (&subject.instance_type, stuck::count(assigned as usize, "pod"));
        lines.push(format!("{} ({kind}) holds {held} for {pods} with an address", subject.name));
    }
    lines
}

/// Addresses that nodes hold in a subnet and no pod uses; primaries are in use.
pub(crate) fn idle(scene: &Scene<'_>, subnet: SubnetId) -> u32 {
    let nodes = scene.cluster.live_nodes();
    let interfaces = nodes.flat_map(|node| &node.network.interfaces);
    let slots = interfaces.filter(|interface| interface.subnet == Some(subnet)).flat_map(|i| &i.slots);
    slots.map(|slot| slot.size().saturating_sub(slot.assigned)).sum()
}

/// Whether the idle addresses of a subnet's nodes would serve the pods that want one in vain.
pub(crate) fn is_hoarded(scene: &Scene<'_>, subnet: SubnetId, wanting: usize) -> bool {
    idle(scene, subnet) as usize >= wanting
}
