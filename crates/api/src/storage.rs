//! Storage classes, volumes, volume claims, CSI drivers of nodes.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/storage`, `pkg/apis/core` and
//! `plugin/pkg/admission/storage/storageclass/setdefault`.

use cluster::profile::Provider;
use cluster::storage::{StorageClass, Volume, VolumeClaim, VolumeClaimId, VolumeTraits, VolumeWish};
use cluster::template::NodeSelectorTerm;
use cluster::{Declared, FieldPath, Kind, Name, SelectorOperator, SelectorRequirement};
use k8s_openapi::api::{core::v1 as core, storage::v1 as storage};

use crate::amounts;
use crate::code;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::problem::Reporter;
use crate::selector::{label_selector, names, node_term};

/// The annotations that make a class the default.
const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// A StorageClass.
pub(crate) fn storage_class(object: &Object, reporter: &mut Reporter<'_>) -> Option<StorageClass> {
    let wire: storage::StorageClass = decode(object, Strictness::Prune, reporter)?;
    let mode = wire.volume_binding_mode.as_deref().unwrap_or("Immediate");
    if !matches!(mode, "Immediate" | "WaitForFirstConsumer") {
        let path = FieldPath::of("/volumeBindingMode");
        let known = ["Immediate", "WaitForFirstConsumer"];
        let message = format!("{path}: {mode:?} is not one of {}", known.join(", "));
        reporter.error(&path, code::BAD_VALUE, message, crate::suggest::did_you_mean(mode, known));
    }
    if wire.provisioner.is_empty() {
        let path = FieldPath::of("/provisioner");
        reporter.error(
            &path,
            code::MISSING_FIELD,
            format!("{path}: required value"),
            "such as ebs.csi.aws.com",
        );
    }
    let term = |term: &core::TopologySelectorTerm| NodeSelectorTerm {
        match_expressions: term
            .match_label_expressions
            .iter()
            .flatten()
            .map(|expression| SelectorRequirement {
                key: expression.key.as_str().into(),
                operator: SelectorOperator::In,
                values: names(Some(&expression.values)),
                min_values: None,
            })
            .collect(),
        match_fields: Vec::new(),
    };
    (!reporter.refused).then(|| StorageClass {
        name: object.key.name.clone(),
        location: object.place.at(""),
        provisioner: wire.provisioner.as_str().into(),
        wait_for_consumer: mode == "WaitForFirstConsumer",
        is_default: DEFAULT_CLASS
            .iter()
            .any(|key| object.annotations.get(*key).is_some_and(|value| value == "true")),
        allowed_topologies: wire.allowed_topologies.iter().flatten().map(term).collect(),
    })
}

/// The class that a provider makes in every cluster: EKS `gp2`, up to Kubernetes 1.29 as the default one ("Amazon EKS
/// Kubernetes versions", 1.30); GKE `standard-rwo` and AKS `default`, each the default one. What the input says of a
/// class of that name or of a default class wins, and so does a dump of a cluster.
pub(crate) fn add_provided_class(objects: &[Object], declared: &mut Declared) {
    let (name, provisioner, default) = match declared.profile.provider {
        Provider::Eks => ("gp2", "kubernetes.io/aws-ebs", declared.profile.kubernetes < (1, 30)),
        Provider::Gke => ("standard-rwo", "pd.csi.storage.gke.io", true),
        Provider::Aks => ("default", "disk.csi.azure.com", true),
        Provider::None => return,
    };
    let dumped = objects.iter().any(|object| object.key.kind == Kind::StorageClass && object.live);
    if dumped || declared.storage_class(name).is_some() {
        return;
    }
    declared.storage_classes.push(StorageClass {
        name: name.into(),
        location: declared.profile.location.clone(),
        provisioner: provisioner.into(),
        wait_for_consumer: true,
        is_default: default && declared.default_storage_class().is_none(),
        allowed_topologies: Vec::new(),
    });
}

/// A claim as written: `storage_class` is `None` where nothing is written (the default class is filled in later)
/// and `Some("")` for "no class".
pub(crate) struct WrittenClaim {
    /// The claim; `volume` is not looked up yet.
    pub(crate) claim: VolumeClaim,
    /// `storageClassName` is absent.
    pub(crate) wants_default: bool,
    /// `spec.volumeName`.
    pub(crate) volume_name: Option<Name>,
    /// The live claim's phase is `Bound`.
    pub(crate) bound: bool,
}

/// A PersistentVolumeClaim.
pub(crate) fn volume_claim(object: &Object, reporter: &mut Reporter<'_>) -> Option<WrittenClaim> {
    let wire: core::PersistentVolumeClaim = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    if spec.access_modes.as_ref().is_none_or(Vec::is_empty) {
        let path = FieldPath::of("/spec/accessModes");
        reporter.error(
            &path,
            code::MISSING_FIELD,
            format!("{path}: required value: at least 1 access mode is required"),
            "such as [ReadWriteOnce]",
        );
    }
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let traits = traits(
        requests,
        spec.access_modes.as_deref(),
        (spec.volume_mode.as_deref(), spec.volume_attributes_class_name.as_deref()),
        (&FieldPath::of("/spec/resources/requests"), reporter),
    );
    let at = FieldPath::of("/spec/selector");
    let selector = spec.selector.as_ref().map(|selector| label_selector(selector, &at, reporter));
    let modes = spec.access_modes.unwrap_or_default();
    let volume_name = spec.volume_name.as_deref().filter(|name| !name.is_empty()).map(Name::from);
    let phase = wire.status.and_then(|status| status.phase).unwrap_or_default();
    let wish = VolumeWish {
        traits,
        selector,
        prebound: volume_name.clone().filter(|_| !matches!(phase.as_str(), "Bound" | "Lost")),
        deleting: object.field("/metadata/deletionTimestamp").is_some(),
        lost: volume_name.clone().filter(|_| phase == "Lost"),
    };
    let single_node = modes.iter().all(|mode| matches!(mode.as_str(), "ReadWriteOnce" | "ReadWriteOncePod"));
    (!reporter.refused).then(|| WrittenClaim {
        wants_default: spec.storage_class_name.is_none(),
        volume_name,
        bound: phase == "Bound",
        claim: VolumeClaim {
            id: VolumeClaimId(0),
            namespace: object.key.namespace.clone(),
            name: object.key.name.clone(),
            location: object.place.at(""),
            storage_class: spec
                .storage_class_name
                .as_deref()
                .filter(|class| !class.is_empty())
                .map(Name::from),
            single_node,
            single_pod: modes.iter().any(|mode| mode == "ReadWriteOncePod"),
            selected_node: None,
            volume: None,
            wish,
        },
    })
}

/// A PersistentVolume.
pub(crate) fn volume(object: &Object, reporter: &mut Reporter<'_>) -> Option<Volume> {
    let wire: core::PersistentVolume = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let path = FieldPath::of("/spec/nodeAffinity/required/nodeSelectorTerms");
    let required = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
    let mut node_affinity = Vec::new();
    for (index, term) in required.iter().flat_map(|required| &required.node_selector_terms).enumerate() {
        node_affinity.push(node_term(term, &path.child(index), reporter));
    }
    let traits = traits(
        spec.capacity.as_ref(),
        spec.access_modes.as_deref(),
        (spec.volume_mode.as_deref(), spec.volume_attributes_class_name.as_deref()),
        (&FieldPath::of("/spec/capacity"), reporter),
    );
    let phase = wire.status.as_ref().and_then(|status| status.phase.as_deref());
    (!reporter.refused).then(|| Volume {
        name: object.key.name.clone(),
        location: Some(object.place.at("")),
        driver: driver(&spec),
        claim_ref: spec.claim_ref.as_ref().map(|reference| {
            let text = |field: &Option<String>| Name::from(field.as_deref().unwrap_or_default());
            (text(&reference.namespace), text(&reference.name))
        }),
        storage_class: spec.storage_class_name.as_deref().filter(|class| !class.is_empty()).map(Name::from),
        node_affinity,
        labels: object.labels.clone(),
        attached: Vec::new(),
        traits,
        reserved: !matches!(phase, None | Some("" | "Available")),
        deleting: object.field("/metadata/deletionTimestamp").is_some(),
    })
}

/// Size, modes and class of attributes; the size is among `amounts`.
fn traits(
    amounts: Option<&amounts::WireList>,
    access_modes: Option<&[String]>,
    (mode, attributes_class): (Option<&str>, Option<&str>),
    (path, reporter): (&FieldPath, &mut Reporter<'_>),
) -> VolumeTraits {
    let amounts = amounts::named_amounts(amounts, path, reporter);
    let size = amounts.into_iter().find(|(name, _)| name == "storage");
    VolumeTraits {
        size_bytes: size.map_or(0, |(_, bytes)| bytes),
        access_modes: names(access_modes),
        block: mode == Some("Block"),
        attributes_class: attributes_class.unwrap_or_default().into(),
    }
}

/// The CSI driver; in-tree EBS volumes are migrated to the driver (`csi-translation-lib`).
fn driver(spec: &core::PersistentVolumeSpec) -> Name {
    let in_tree = [
        (spec.aws_elastic_block_store.is_some(), "ebs.csi.aws.com"),
        (spec.gce_persistent_disk.is_some(), "pd.csi.storage.gke.io"),
        (spec.azure_disk.is_some(), "disk.csi.azure.com"),
        (spec.local.is_some(), "kubernetes.io/local-volume"),
        (spec.host_path.is_some(), "kubernetes.io/host-path"),
        (spec.nfs.is_some(), "kubernetes.io/nfs"),
    ];
    match &spec.csi {
        Some(csi) => csi.driver.as_str().into(),
        None => in_tree.iter().find(|(set, _)| *set).map(|(_, name)| Name::from(*name)).unwrap_or_default(),
    }
}

/// The drivers of a CSINode with their attach limits.
pub(crate) fn csi_node(object: &Object, reporter: &mut Reporter<'_>) -> Option<Vec<(Name, Option<u32>)>> {
    let wire: storage::CSINode = decode(object, Strictness::Prune, reporter)?;
    let limit = |driver: &storage::CSINodeDriver| {
        driver
            .allocatable
            .as_ref()
            .and_then(|limits| limits.count)
            .and_then(|count| u32::try_from(count).ok())
    };
    Some(wire.spec.drivers.iter().map(|driver| (Name::from(driver.name.as_str()), limit(driver))).collect())
}

#[cfg(test)]
mod tests {
    use crate::testing::lowered;

    const CLAIM: &str = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n";

    fn class_of_claim(profile: &str) -> Option<String> {
        let text = format!("apiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nspec: {{{profile}}}\n{CLAIM}");
        let declared = lowered(&text).declared;
        assert!(declared.storage_class("gp2").is_some() != profile.contains("provider"));
        declared.volume_claims[0].storage_class.as_ref().map(ToString::to_string)
    }

    #[test]
    fn eks_brings_gp2_which_is_the_default_until_1_29_only() {
        assert_eq!(class_of_claim("kubernetesVersion: \"1.29\"").as_deref(), Some("gp2"));
        assert_eq!(class_of_claim("kubernetesVersion: \"1.33\""), None);
        assert_eq!(class_of_claim("provider: none, kubernetesVersion: \"1.29\""), None);
    }

    #[test]
    fn a_default_class_of_the_input_wins_over_gp2() {
        let own = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: gp3, annotations: {storageclass.kubernetes.io/is-default-class: \"true\"}}\nprovisioner: ebs.csi.aws.com\n---\napiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nspec: {kubernetesVersion: \"1.29\"}\n";
        let declared = lowered(&format!("{own}{CLAIM}")).declared;
        assert_eq!(declared.volume_claims[0].storage_class.as_deref(), Some("gp3"));
    }
}
