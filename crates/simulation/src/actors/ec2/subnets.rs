//! Which subnet Karpenter launches into: in each zone the one with the most free addresses, as far as it knows.
//!
//! Follows aws/karpenter-provider-aws v1.14.1 `pkg/providers/subnet/subnet.go`: counts are read once a minute and
//! reduced by what launches in flight will probably take (the fewest pods of any candidate type), which is given
//! back for zones that were not used. A count is never a reason not to launch.

use std::collections::BTreeMap;

use cluster::network::SubnetId;
use cluster::{Cluster, Name, NodeClass, Timestamp};

/// How long counts are kept.
const REFRESH_MS: i64 = 60_000;

/// What Karpenter believes about free addresses.
#[derive(Clone, Debug, Default)]
pub struct SubnetView {
    read: Option<Timestamp>,
    free: BTreeMap<SubnetId, i64>,
    in_flight: BTreeMap<SubnetId, i64>,
    /// The only one that the next launch may use.
    only: Option<SubnetId>,
}

impl SubnetView {
    /// The subnet of each zone for a launch, with what it will probably take deducted.
    pub fn choose(
        &mut self,
        cluster: &Cluster,
        class: &NodeClass,
        predicted: impl Fn(&Name) -> i64,
    ) -> BTreeMap<Name, SubnetId> {
        self.refresh(cluster);
        let mut chosen: BTreeMap<Name, SubnetId> = BTreeMap::new();
        for id in self.selected(cluster, class) {
            let zone = &cluster.subnets[id.0 as usize].zone;
            let better = chosen.get(zone).is_none_or(|known| self.believed(id) > self.believed(*known));
            if better {
                chosen.insert(zone.clone(), id);
            }
        }
        for (zone, id) in &chosen {
            let left = self.believed(*id).saturating_sub(predicted(zone));
            self.in_flight.insert(*id, left);
        }
        chosen
    }

    /// Gives back what was deducted for zones that the launch did not use.
    pub fn give_back(
        &mut self,
        chosen: &BTreeMap<Name, SubnetId>,
        used: Option<SubnetId>,
        predicted: impl Fn(&Name) -> i64,
    ) {
        for (zone, id) in chosen.iter().filter(|(_, id)| Some(**id) != used) {
            if let Some(left) = self.in_flight.get_mut(id) {
                *left = left.saturating_add(predicted(zone));
            }
        }
    }

    /// The next launch may use only this subnet; any, when none is given.
    pub fn only(&mut self, subnet: Option<SubnetId>) {
        self.only = subnet;
    }

    /// EC2 said that a subnet has no address left: it comes last from now on.
    pub fn mark_empty(&mut self, subnet: SubnetId) {
        self.free.insert(subnet, 0);
        self.in_flight.remove(&subnet);
    }

    fn refresh(&mut self, cluster: &Cluster) {
        if self.read.is_some_and(|at| cluster.now.since_ms(at) < REFRESH_MS) {
            return;
        }
        self.read = Some(cluster.now);
        self.free = cluster.subnets.iter().map(|subnet| (subnet.id, i64::from(subnet.space.free))).collect();
        self.in_flight.clear();
    }

    fn believed(&self, subnet: SubnetId) -> i64 {
        self.in_flight.get(&subnet).or_else(|| self.free.get(&subnet)).copied().unwrap_or(0)
    }

    /// The node class's subnets, those with the most free addresses first.
    fn selected(&self, cluster: &Cluster, class: &NodeClass) -> Vec<SubnetId> {
        let matches = |subnet: &&cluster::network::Subnet| {
            self.only.is_none_or(|only| only == subnet.id)
                && class.subnets.iter().any(|term| term.matches(&subnet.name, "", &subnet.tags))
        };
        let mut ids: Vec<SubnetId> = cluster.subnets.iter().filter(matches).map(|subnet| subnet.id).collect();
        ids.sort_by_key(|id| (std::cmp::Reverse(self.free.get(id).copied().unwrap_or(0)), *id));
        ids
    }
}
