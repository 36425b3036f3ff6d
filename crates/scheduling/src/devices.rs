//! Devices: which are given away, where slices are, and the search for devices that satisfy claims.
//!
//! Follows `k8s.io/dynamic-resource-allocation` v0.36.3 `structured/internal/incubating`, the allocator that
//! kube-scheduler 1.36 takes with its default feature gates. What the scheduler does with the answer is in
//! `plugins::dynamic_resources`.

pub(crate) mod allocator;
mod capacity;
mod constraint;
mod counters;
mod evaluate;
mod pools;
mod selectable;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::device::{DeviceAllocation, DeviceClaimId, DeviceName};
use cluster::{Cluster, Name, Quantity};

/// Amounts by name.
pub(crate) type Amounts = BTreeMap<Name, Quantity>;

/// What of shared devices is taken: how often, and how much.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares(BTreeMap<DeviceName, (u32, Amounts)>);

impl Shares {
    /// What is taken of a device; `None` if it is not shared by anybody.
    pub fn of(&self, device: &DeviceName) -> Option<&Amounts> {
        self.0.get(device).map(|(_, amounts)| amounts)
    }

    pub fn add(&mut self, device: &DeviceName, amounts: &Amounts) {
        let (count, taken) = self.0.entry(device.clone()).or_default();
        *count += 1;
        for (name, amount) in amounts {
            let sum = taken.entry(name.clone()).or_default();
            *sum = sum.plus(*amount);
        }
    }

    pub fn remove(&mut self, device: &DeviceName, amounts: &Amounts) {
        let Some((count, taken)) = self.0.get_mut(device) else { return };
        *count = count.saturating_sub(1);
        for (name, amount) in amounts {
            let sum = taken.entry(name.clone()).or_default();
            *sum = sum.minus(*amount);
        }
        if *count == 0 {
            self.0.remove(device);
        }
    }
}

/// Which devices are given away, and where to find claims and slices.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceIndex {
    /// Claims by namespace and name.
    by_name: BTreeMap<(Name, Name), DeviceClaimId>,
    /// Claims of templates by namespace, pod and the claim's name in the pod.
    by_pod: BTreeMap<(Name, Name, Name), DeviceClaimId>,
    /// What each claim was last known to have.
    known: BTreeMap<DeviceClaimId, Arc<DeviceAllocation>>,
    /// Claims that are being allocated: the cluster does not say so yet.
    in_flight: BTreeSet<DeviceClaimId>,
    /// Devices that nobody else can have, with how many claims have them.
    pub given: BTreeMap<DeviceName, u32>,
    /// Devices that are shared.
    pub shares: Shares,
    /// Slices of one node only, by its name; positions in `declared.devices.slices`.
    of_node: BTreeMap<Name, Vec<usize>>,
    /// Slices that more than one node may reach.
    common: Vec<usize>,
}

impl DeviceIndex {
    /// Of a cluster as it is now.
    pub fn new(cluster: &Cluster) -> DeviceIndex {
        let mut index = DeviceIndex::default();
        index.read_slices(cluster);
        for claim in &cluster.device_claims {
            index.sync(cluster, claim.id);
        }
        index
    }

    /// Takes over which slices there are.
    pub fn read_slices(&mut self, cluster: &Cluster) {
        self.of_node.clear();
        self.common.clear();
        for (place, slice) in cluster.declared.devices.slices.iter().enumerate() {
            match pools::only_node(slice) {
                Some(node) => self.of_node.entry(node.clone()).or_default().push(place),
                None => self.common.push(place),
            }
        }
    }

    /// Takes over a claim from the cluster.
    pub fn sync(&mut self, cluster: &Cluster, id: DeviceClaimId) {
        let Some(claim) = cluster.device_claims.get(id.0 as usize) else { return };
        self.in_flight.remove(&id);
        let name = (claim.namespace.clone(), claim.name.clone());
        let owner = claim.made_for.as_ref();
        let owner = owner.map(|pod| (claim.namespace.clone(), pod.pod.clone(), pod.claim.clone()));
        if claim.gone {
            self.note(id, None);
            if self.by_name.get(&name) == Some(&id) {
                self.by_name.remove(&name);
            }
            if let Some(owner) = owner.filter(|owner| self.by_pod.get(owner) == Some(&id)) {
                self.by_pod.remove(&owner);
            }
            return;
        }
        self.by_name.insert(name, id);
        self.by_pod.extend(owner.map(|owner| (owner, id)));
        self.note(id, claim.allocation.clone());
    }

    /// The claim with this namespace and name.
    pub fn named(&self, namespace: &Name, name: &Name) -> Option<DeviceClaimId> {
        self.by_name.get(&(namespace.clone(), name.clone())).copied()
    }

    /// The claim that was made for a pod.
    pub fn made_for(&self, namespace: &Name, pod: &Name, claim: &Name) -> Option<DeviceClaimId> {
        self.by_pod.get(&(namespace.clone(), pod.clone(), claim.clone())).copied()
    }

    /// Whether a claim is being allocated at this moment.
    pub fn is_in_flight(&self, id: DeviceClaimId) -> bool {
        self.in_flight.contains(&id)
    }

    /// Gives devices to a claim before the cluster says so.
    pub fn reserve(&mut self, id: DeviceClaimId, allocation: Arc<DeviceAllocation>) {
        self.in_flight.insert(id);
        self.note(id, Some(allocation));
    }

    /// Takes devices back that were given before the cluster said so.
    pub fn release(&mut self, id: DeviceClaimId) {
        if self.in_flight.remove(&id) {
            self.note(id, None);
        }
    }

    fn note(&mut self, id: DeviceClaimId, now: Option<Arc<DeviceAllocation>>) {
        let before = match &now {
            Some(now) => self.known.insert(id, now.clone()),
            None => self.known.remove(&id),
        };
        for (allocation, given) in [(before, false), (now, true)] {
            for device in allocation.iter().flat_map(|allocation| &allocation.devices) {
                match &device.share {
                    _ if device.admin => {}
                    Some(amounts) if given => self.shares.add(&device.device, amounts),
                    Some(amounts) => self.shares.remove(&device.device, amounts),
                    None => self.count(&device.device, given),
                }
            }
        }
    }

    fn count(&mut self, device: &DeviceName, given: bool) {
        let claims = self.given.entry(device.clone()).or_default();
        *claims = if given { *claims + 1 } else { claims.saturating_sub(1) };
        if *claims == 0 {
            self.given.remove(device);
        }
    }
}
