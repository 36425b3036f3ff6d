//! The labels that Karpenter puts on a node because of its instance type.
//!
//! Follows the Karpenter AWS provider (`pkg/apis/v1/labels.go`, `pkg/providers/instancetype/types.go`
//! `computeRequirements`, v1.14). A key that is absent here is one the type *does not have*: a requirement with
//! `DoesNotExist` holds, one with `In` does not. Zone, capacity type, OS and NodePool are not the type's business.

use cluster::{Labels, Name};

use crate::InstanceType;

/// `node.kubernetes.io/instance-type`.
pub const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";

/// `kubernetes.io/arch`.
pub const ARCH: &str = "kubernetes.io/arch";

/// The group of the provider's own labels.
pub const GROUP: &str = "karpenter.k8s.aws";

/// Every label of a type: instance type, architecture and `karpenter.k8s.aws/instance-*`. Tenancy is `default`,
/// the value a node has unless its NodePool asks for `dedicated`.
pub fn labels(it: &InstanceType) -> Labels {
    let mut labels = Labels::new();
    set(&mut labels, INSTANCE_TYPE, it.name.clone());
    set(&mut labels, ARCH, Name::new_static(it.arch));
    add_shape(&mut labels, it);
    add_name_parts(&mut labels, it);
    add_bandwidth_and_storage(&mut labels, it);
    add_gpu(&mut labels, it);
    add_accelerator(&mut labels, it);
    labels
}

/// Sets a label; the keys cost nothing to copy.
fn set(labels: &mut Labels, key: &'static str, value: impl Into<Name>) {
    labels.insert(Name::new_static(key), value.into());
}

/// Sets a number.
fn set_number(labels: &mut Labels, key: &'static str, value: impl ToString) {
    set(labels, key, value.to_string());
}

/// CPU, memory, hypervisor: what every type has. Bare metal has an empty hypervisor, not none.
fn add_shape(labels: &mut Labels, it: &InstanceType) {
    set_number(labels, "karpenter.k8s.aws/instance-cpu", it.vcpus);
    set_number(labels, "karpenter.k8s.aws/instance-memory", it.memory_mib);
    set(labels, "karpenter.k8s.aws/instance-cpu-manufacturer", it.cpu_manufacturer.clone());
    set_number(labels, "karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz", it.clock_mhz);
    set(labels, "karpenter.k8s.aws/instance-hypervisor", it.hypervisor.clone());
    set_number(
        labels,
        "karpenter.k8s.aws/instance-encryption-in-transit-supported",
        it.encryption_in_transit,
    );
    set(labels, "karpenter.k8s.aws/instance-tenancy", "default");
}

/// What the name says.
fn add_name_parts(labels: &mut Labels, it: &InstanceType) {
    if !it.category.is_empty() {
        set(labels, "karpenter.k8s.aws/instance-category", it.category.clone());
        set_number(labels, "karpenter.k8s.aws/instance-generation", it.generation);
    }
    set(labels, "karpenter.k8s.aws/instance-family", it.family.clone());
    set(labels, "karpenter.k8s.aws/instance-size", it.size.clone());
    set_number(labels, "karpenter.k8s.aws/instance-capability-flex", it.is_flex());
}

/// Bandwidth in Mbit/s and local NVMe in GB, where there is any.
fn add_bandwidth_and_storage(labels: &mut Labels, it: &InstanceType) {
    // Karpenter's own table, which is not quite what EC2 says and leaves old types out.
    if let Some(mbps) = it.label_mbps {
        set_number(labels, "karpenter.k8s.aws/instance-network-bandwidth", mbps);
    }
    if it.ebs_optimized_by_default && it.ebs_max_mbps > 0 {
        set_number(labels, "karpenter.k8s.aws/instance-ebs-bandwidth", it.ebs_max_mbps);
    }
    if it.local_storage_nvme && it.local_storage_gb > 0 {
        set_number(labels, "karpenter.k8s.aws/instance-local-nvme", it.local_storage_gb);
    }
}

/// GPUs, where there is exactly one kind.
fn add_gpu(labels: &mut Labels, it: &InstanceType) {
    let [gpu] = it.gpus.as_slice() else { return };
    set(labels, "karpenter.k8s.aws/instance-gpu-name", kebab(&gpu.name));
    set(labels, "karpenter.k8s.aws/instance-gpu-manufacturer", kebab(&gpu.manufacturer));
    set_number(labels, "karpenter.k8s.aws/instance-gpu-count", gpu.count);
    set_number(labels, "karpenter.k8s.aws/instance-gpu-memory", gpu.memory_mib);
}

/// Neuron devices, or other inference accelerators, where there is exactly one kind.
fn add_accelerator(labels: &mut Labels, it: &InstanceType) {
    let (name, manufacturer, count) = match (it.neuron.as_slice(), it.accelerators.as_slice()) {
        ([device], _) => (&device.name, Name::new("aws"), device.count),
        ([], [accelerator]) => (&accelerator.name, kebab(&accelerator.manufacturer), accelerator.count),
        _ => return,
    };
    set(labels, "karpenter.k8s.aws/instance-accelerator-name", kebab(name));
    set(labels, "karpenter.k8s.aws/instance-accelerator-manufacturer", manufacturer);
    set_number(labels, "karpenter.k8s.aws/instance-accelerator-count", count);
}

/// Lower case, dashes for spaces.
fn kebab(text: &str) -> Name {
    Name::from(text.to_lowercase().replace(' ', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    fn shown(name: &str) -> String {
        let labels = labels(Catalog::embedded().instance_type(name).unwrap());
        labels.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
    }

    #[test]
    fn a_general_purpose_type() {
        insta::assert_snapshot!(shown("m7g.large"), @r"
        karpenter.k8s.aws/instance-capability-flex=false
        karpenter.k8s.aws/instance-category=m
        karpenter.k8s.aws/instance-cpu=2
        karpenter.k8s.aws/instance-cpu-manufacturer=aws
        karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz=2600
        karpenter.k8s.aws/instance-ebs-bandwidth=10000
        karpenter.k8s.aws/instance-encryption-in-transit-supported=true
        karpenter.k8s.aws/instance-family=m7g
        karpenter.k8s.aws/instance-generation=7
        karpenter.k8s.aws/instance-hypervisor=nitro
        karpenter.k8s.aws/instance-memory=8192
        karpenter.k8s.aws/instance-network-bandwidth=937
        karpenter.k8s.aws/instance-size=large
        karpenter.k8s.aws/instance-tenancy=default
        kubernetes.io/arch=arm64
        node.kubernetes.io/instance-type=m7g.large
        ");
    }

    #[test]
    fn gpus_local_disks_and_metal() {
        insta::assert_snapshot!(shown("g4dn.metal"), @r"
        karpenter.k8s.aws/instance-capability-flex=false
        karpenter.k8s.aws/instance-category=g
        karpenter.k8s.aws/instance-cpu=96
        karpenter.k8s.aws/instance-cpu-manufacturer=intel
        karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz=2500
        karpenter.k8s.aws/instance-ebs-bandwidth=19000
        karpenter.k8s.aws/instance-encryption-in-transit-supported=true
        karpenter.k8s.aws/instance-family=g4dn
        karpenter.k8s.aws/instance-generation=4
        karpenter.k8s.aws/instance-gpu-count=8
        karpenter.k8s.aws/instance-gpu-manufacturer=nvidia
        karpenter.k8s.aws/instance-gpu-memory=16384
        karpenter.k8s.aws/instance-gpu-name=t4
        karpenter.k8s.aws/instance-hypervisor=
        karpenter.k8s.aws/instance-local-nvme=1800
        karpenter.k8s.aws/instance-memory=393216
        karpenter.k8s.aws/instance-network-bandwidth=100000
        karpenter.k8s.aws/instance-size=metal
        karpenter.k8s.aws/instance-tenancy=default
        kubernetes.io/arch=amd64
        node.kubernetes.io/instance-type=g4dn.metal
        ");
    }

    #[test]
    fn neuron_devices() {
        let labels = labels(Catalog::embedded().instance_type("inf2.24xlarge").unwrap());
        let value = |key: &str| labels[format!("{GROUP}/instance-accelerator-{key}").as_str()].clone();
        assert_eq!(
            (value("name"), value("manufacturer"), value("count")),
            ("inferentia2".into(), "aws".into(), "6".into())
        );
    }
}
