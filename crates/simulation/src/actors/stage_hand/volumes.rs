//! What the stage hand does about volumes.

use super::*;

impl StageHand {
    pub(super) fn perform_on_volumes(&mut self, effect: Effect) {
        match effect {
            Effect::RegisterDriver(id, driver, limit) => {
                self.cluster.nodes[id.0 as usize].volume_drivers.push((driver.clone(), limit));
                self.changed(Change::DriverRegistered(id, driver));
            }
            Effect::CreateVolumeClaim(namespace, name, class) => self.create_claim(namespace, name, class),
            Effect::SelectVolumeNode(id, node) => {
                self.cluster.volume_claims[id.0 as usize].selected_node = Some(node);
                self.changed(Change::VolumeNodeSelected(id, node));
            }
            Effect::BindVolume(id, source) => {
                let claim = &mut self.cluster.volume_claims[id.0 as usize];
                let class = claim.storage_class.clone();
                let driver = class.as_ref().and_then(|class| self.cluster.declared.storage_class(class));
                let driver = driver.map(|class| class.provisioner.clone()).unwrap_or_default();
                claim.volume = Some(match source {
                    VolumeSource::Existing(volume) => volume,
                    VolumeSource::Provisioned => {
                        let name = Name::from(format!("pvc-{}", id.0));
                        let claim_ref = Some((claim.namespace.clone(), claim.name.clone()));
                        let (location, node_affinity, attached) = (None, Vec::new(), Vec::new());
                        let storage_class = class;
                        self.cluster.volumes.push(Volume {
                            name,
                            location,
                            driver,
                            claim_ref,
                            storage_class,
                            node_affinity,
                            attached,
                            labels: Labels::new(),
                            traits: Default::default(),
                            reserved: false,
                            deleting: false,
                        });
                        self.cluster.volumes.len() as u32 - 1
                    }
                });
                self.changed(Change::VolumeBound(id));
            }
            Effect::AttachVolume(id, node) => {
                let volume = self.cluster.volume_claims[id.0 as usize].volume.expect("bound");
                self.cluster.volumes[volume as usize].attached.push(node);
                self.changed(Change::VolumeAttached(id, node));
            }
            Effect::DetachVolume(id, node) => {
                let volume = self.cluster.volume_claims[id.0 as usize].volume.expect("bound");
                self.cluster.volumes[volume as usize].attached.retain(|other| *other != node);
                self.changed(Change::VolumeDetached(id, node));
            }
            other => panic!("not performed here: {other:?}"),
        }
    }
    fn create_claim(&mut self, namespace: Name, name: Name, storage_class: Option<Name>) {
        if self.cluster.volume_claim(&namespace, &name).is_some() {
            return;
        }
        let id = VolumeClaimId(self.cluster.volume_claims.len() as u32);
        let key = ObjectKey::new(Kind::PersistentVolumeClaim, namespace.clone(), name.clone());
        self.cluster.volume_claims.push(VolumeClaim {
            id,
            namespace,
            name,
            location: Location::object(key),
            storage_class,
            single_node: true,
            single_pod: false,
            selected_node: None,
            volume: None,
            wish: Default::default(),
        });
        self.changed(Change::VolumeClaimCreated(id));
    }
}
