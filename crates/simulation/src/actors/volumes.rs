//! Volumes: from a claim to a device on a node.
//!
//! [`binding`] gives claims their volumes, [`attaching`] brings volumes to nodes and back, [`drivers`] knows which
//! CSI drivers work where. Volumes of the in-tree plugin `kubernetes.io/aws-ebs` are handled by the CSI driver,
//! as CSI migration does (`k8s.io/csi-translation-lib` v0.36).

pub mod attaching;
pub mod binding;
pub mod drivers;

use cluster::role::Program;
use cluster::{Cluster, Name};

/// The EBS CSI driver.
pub const EBS: &str = "ebs.csi.aws.com";

/// The driver that serves a plugin or provisioner name.
pub fn migrated(driver: &Name) -> Name {
    if driver == "kubernetes.io/aws-ebs" { Name::new_static(EBS) } else { driver.clone() }
}

/// The program that creates and attaches volumes of a driver; `None` for drivers that the model does not know,
/// which are taken to work everywhere and without limits.
pub fn controller_of(driver: &str) -> Option<Program> {
    (driver == EBS).then_some(Program::EbsCsiController)
}

/// Drivers in use that are only taken to work, in name order.
pub fn assumed_drivers(cluster: &Cluster) -> Vec<Name> {
    let classes = cluster.declared.storage_classes.iter().map(|class| (&class.name, &class.provisioner));
    let used =
        |name: &Name| cluster.volume_claims.iter().any(|claim| claim.storage_class.as_ref() == Some(name));
    let of_classes = classes.filter(|(name, _)| used(name)).map(|(_, driver)| driver);
    let of_volumes =
        cluster.volume_claims.iter().filter_map(|claim| cluster.volumes.get(claim.volume? as usize));
    let mut drivers: Vec<Name> = of_classes
        .chain(of_volumes.map(|volume| &volume.driver))
        .filter(|driver| !driver.is_empty() && *driver != binding::NO_PROVISIONER)
        .map(migrated)
        .filter(|driver| controller_of(driver).is_none())
        .collect();
    drivers.sort();
    drivers.dedup();
    drivers
}

#[cfg(test)]
mod tests;
