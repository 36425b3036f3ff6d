//! The PersistentVolume controller and the provisioners: claims get their volumes.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/volume/persistentvolume/pv_controller.go` and
//! `pkg/controller/volume/ephemeral`. A claim that waits for its first consumer is bound by kube-scheduler when a
//! volume of the input fits, and is provisioned here once it has chosen a node.
//!
//! Not modelled: sizes, access modes and label selectors of claims; deletion and reclaim of volumes; a chosen node
//! that goes before its volume is there.

use std::collections::{BTreeMap, BTreeSet};

use cluster::capability::Capability;
use cluster::pod::Stage;
use cluster::storage::{VolumeClaim, VolumeClaimId};
use cluster::template::PodVolume;
use cluster::{Change, Cluster, Name, Pod, PodId, Waiting};

use super::drivers::Controller;
use super::migrated;
use crate::actor::{Actor, Context};
use crate::actors::claims::{ClaimNames, claim_name};
use crate::actors::kubelet::Needs;
use crate::effect::{Effect, Effects, VolumeSource};

/// The provisioner of classes whose volumes are made by hand.
pub const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// CreateVolume of EBS, until the volume is available.
const PROVISION_MS: i64 = 3_000;

/// The PersistentVolume controller.
#[derive(Clone, Debug)]
pub struct Binder {
    controller: Controller,
    unbound: BTreeSet<VolumeClaimId>,
    provisioning: BTreeSet<VolumeClaimId>,
    /// Volumes written for a claim, by its namespace and name; and volumes for any claim, by class.
    reserved: BTreeMap<(Name, Name), u32>,
    free: BTreeMap<Option<Name>, BTreeSet<u32>>,
    volumes_seen: usize,
    claims: ClaimNames,
    /// Pods by the namespace and name of the claims that they use.
    users: BTreeMap<(Name, Name), BTreeSet<PodId>>,
    ephemeral: Vec<(Name, Name, Option<Name>)>,
    claims_seen: usize,
    pods_seen: usize,
    due: BTreeSet<VolumeClaimId>,
}

/// What becomes of an unbound claim.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Bind(u32),
    Provision,
    /// For a consumer, or for its scheduler to say why.
    Later,
    /// Nobody makes its volume, for want of this where something is known.
    Waits(Option<Capability>),
}

impl Actor for Binder {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        self.catch_up(cluster);
        if self.controller.observe(change, cluster) {
            self.due.extend(&self.unbound);
        }
        match change {
            Change::VolumeNodeSelected(claim, _) => {
                self.due.insert(*claim);
            }
            Change::VolumeBound(claim) => {
                self.unbound.remove(claim);
                self.provisioning.remove(claim);
                if let Some(claim) = cluster.volume_claims.get(claim.0 as usize) {
                    self.take(claim.volume, cluster);
                }
            }
            Change::PodGone(pod) => self.forget(cluster.pod(*pod)),
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        self.catch_up(cluster);
        for (namespace, name, class) in std::mem::take(&mut self.ephemeral) {
            effects.now(Effect::CreateVolumeClaim(namespace, name, class));
        }
        for id in std::mem::take(&mut self.due) {
            let Some(claim) = cluster.volume_claims.get(id.0 as usize) else { continue };
            if claim.volume.is_some() || self.provisioning.contains(&id) {
                continue;
            }
            match self.outcome(cluster, claim) {
                Outcome::Bind(volume) => {
                    self.take(Some(volume), cluster);
                    effects.now(Effect::BindVolume(id, VolumeSource::Existing(volume)));
                }
                Outcome::Provision => {
                    self.provisioning.insert(id);
                    effects.after(PROVISION_MS, Effect::BindVolume(id, VolumeSource::Provisioned));
                }
                Outcome::Later => {}
                Outcome::Waits(waits_for) => self.tell(cluster, claim, waits_for, effects),
            }
        }
    }
}

impl Binder {
    /// A controller whose provisioners need what `needs` says.
    pub fn new(needs: Needs) -> Binder {
        Binder {
            controller: Controller::new(needs),
            unbound: BTreeSet::new(),
            provisioning: BTreeSet::new(),
            reserved: BTreeMap::new(),
            free: BTreeMap::new(),
            volumes_seen: 0,
            claims: ClaimNames::default(),
            users: BTreeMap::new(),
            ephemeral: Vec::new(),
            claims_seen: 0,
            pods_seen: 0,
            due: BTreeSet::new(),
        }
    }

    /// Volumes, claims and pods that are new.
    fn catch_up(&mut self, cluster: &Cluster) {
        self.claims.catch_up(cluster);
        for (index, volume) in (0u32..).zip(&cluster.volumes).skip(self.volumes_seen) {
            match &volume.claim_ref {
                Some(claim) => drop(self.reserved.insert(claim.clone(), index)),
                None => drop(self.free.entry(volume.storage_class.clone()).or_default().insert(index)),
            }
        }
        self.volumes_seen = cluster.volumes.len();
        for claim in cluster.volume_claims.get(self.claims_seen..).unwrap_or(&[]) {
            self.take(claim.volume, cluster);
            if claim.volume.is_none() {
                self.unbound.insert(claim.id);
                self.due.insert(claim.id);
            }
        }
        self.claims_seen = cluster.volume_claims.len();
        for pod in cluster.pods.get(self.pods_seen..).unwrap_or(&[]) {
            self.see_pod(pod);
        }
        self.pods_seen = cluster.pods.len();
    }

    /// A new pod: its ephemeral claims are made, and the claims that it uses are looked at again, so that it
    /// learns why it waits.
    fn see_pod(&mut self, pod: &Pod) {
        for volume in &pod.template.volumes {
            let name = claim_name(pod, volume);
            self.due.extend(self.claims.get(&pod.namespace, &name));
            if let PodVolume::Template { storage_class, stateful: false, .. } = volume {
                self.ephemeral.push((pod.namespace.clone(), name.clone(), storage_class.clone()));
            }
            self.users.entry((pod.namespace.clone(), name)).or_default().insert(pod.id);
        }
    }

    /// A claim has this volume now.
    fn take(&mut self, volume: Option<u32>, cluster: &Cluster) {
        let Some(index) = volume else { return };
        let Some(volume) = cluster.volumes.get(index as usize) else { return };
        if let Some(free) = self.free.get_mut(&volume.storage_class) {
            free.remove(&index);
        }
    }

    fn forget(&mut self, pod: &Pod) {
        for volume in &pod.template.volumes {
            let key = (pod.namespace.clone(), claim_name(pod, volume));
            if let Some(users) = self.users.get_mut(&key) {
                users.remove(&pod.id);
            }
        }
    }

    fn outcome(&self, cluster: &Cluster, claim: &VolumeClaim) -> Outcome {
        let class = claim.storage_class.as_ref().map(|name| cluster.declared.storage_class(name));
        let waits_for_consumer = matches!(class, Some(Some(class)) if class.wait_for_consumer);
        let reserved = self.reserved.get(&(claim.namespace.clone(), claim.name.clone()));
        let free = self.free.get(&claim.storage_class).filter(|_| !waits_for_consumer);
        if let Some(volume) = reserved.or_else(|| free.and_then(|free| free.first())) {
            return Outcome::Bind(*volume);
        }
        if waits_for_consumer && claim.selected_node.is_none() {
            return Outcome::Later;
        }
        let Some(Some(class)) = class else { return Outcome::Waits(None) };
        if class.provisioner == NO_PROVISIONER {
            return Outcome::Waits(None);
        }
        let driver = migrated(&class.provisioner);
        if self.controller.serves(&driver) {
            Outcome::Provision
        } else {
            Outcome::Waits(Some(Capability::Volumes(driver)))
        }
    }

    /// The scheduler keeps pods with unbound claims pending; those that wait in their binding learn why here.
    fn tell(
        &self,
        cluster: &Cluster,
        claim: &VolumeClaim,
        waits_for: Option<Capability>,
        effects: &mut Effects,
    ) {
        let users = self.users.get(&(claim.namespace.clone(), claim.name.clone()));
        for id in users.into_iter().flatten() {
            let pod = cluster.pod(*id);
            let in_binding = claim.selected_node.is_some() || pod.node.is_some();
            if pod.is_wanted() && pod.stage <= Stage::Bound && in_binding {
                let why = Waiting::VolumeUnbound { claim: claim.name.clone(), waits_for: waits_for.clone() };
                effects.now(Effect::PodWaits(*id, Box::new(why)));
            }
        }
    }
}
