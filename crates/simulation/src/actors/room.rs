//! Whether any subnet has more room than when it was last looked at: what those wait for that were refused.

use cluster::network::Subnet;

/// The free counts seen last.
#[derive(Clone, Debug, Default)]
pub struct Room {
    seen: Vec<(u32, u32)>,
}

impl Room {
    /// Whether any subnet has more free addresses or whole blocks than at the last call.
    pub fn has_grown(&mut self, subnets: &[Subnet]) -> bool {
        let counts = |subnet: &Subnet| (subnet.space.free, subnet.space.free_blocks);
        let grew = subnets.len() != self.seen.len()
            || subnets.iter().zip(&self.seen).any(|(subnet, seen)| {
                let (free, blocks) = counts(subnet);
                free > seen.0 || blocks > seen.1
            });
        self.seen.clear();
        self.seen.extend(subnets.iter().map(counts));
        grew
    }
}
