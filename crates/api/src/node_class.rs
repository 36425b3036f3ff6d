//! Karpenter's EC2NodeClass.
//!
//! Follows `aws/karpenter-provider-aws` v1.14.1 `pkg/apis/v1/{ec2nodeclass,ec2nodeclass_validation}.go`.

use std::collections::BTreeMap;

use cluster::node_class::{AmiFamily, KubeletSettings, SelectorTerm};
use cluster::{FieldPath, Name, NodeClass};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Deserialize;
use serde_json::Value;

use crate::arrival::arrival;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::problem::Reporter;
use crate::suggest::did_you_mean;
use crate::{amounts, code, kubelet_settings, selector};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "fields that are only accepted")]
struct Wire {
    api_version: String,
    kind: String,
    metadata: Value,
    #[serde(default)]
    spec: Option<WireSpec>,
    #[serde(default)]
    status: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(dead_code, reason = "fields that are only accepted")]
struct WireSpec {
    subnet_selector_terms: Option<Vec<WireTerm>>,
    security_group_selector_terms: Option<Vec<WireTerm>>,
    capacity_reservation_selector_terms: Value,
    placement_group_selector: Value,
    ami_selector_terms: Option<Vec<WireAmiTerm>>,
    ami_family: Option<String>,
    user_data: Option<String>,
    role: Option<String>,
    instance_profile: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    context: Option<String>,
    #[serde(rename = "associatePublicIPAddress")]
    associate_public_ip_address: Option<bool>,
    #[serde(rename = "ipPrefixCount")]
    ip_prefix_count: Option<i32>,
    detailed_monitoring: Option<bool>,
    connection_tracking: Value,
    kubelet: Value,
    block_device_mappings: Option<Vec<WireDevice>>,
    instance_store_policy: Option<String>,
    network_interfaces: Value,
    cpu_options: Value,
    enclave_options: Value,
    metadata_options: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireTerm {
    tags: Option<BTreeMap<String, String>>,
    id: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireAmiTerm {
    alias: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    id: Option<String>,
    name: Option<String>,
    owner: Option<String>,
    ssm_parameter: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(dead_code, reason = "fields that are only accepted")]
struct WireDevice {
    device_name: Option<String>,
    root_volume: Option<bool>,
    ebs: Option<WireEbs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(dead_code, reason = "fields that are only accepted")]
struct WireEbs {
    volume_size: Option<Quantity>,
    volume_type: Option<String>,
    iops: Option<i64>,
    throughput: Option<i64>,
    encrypted: Option<bool>,
    delete_on_termination: Option<bool>,
    #[serde(rename = "kmsKeyID")]
    kms_key_id: Option<String>,
    #[serde(rename = "snapshotID")]
    snapshot_id: Option<String>,
    volume_initialization_rate: Option<i64>,
}

/// IAM's limit on a role's name.
const MAX_ROLE_NAME: usize = 64;

/// Most selector terms in one list.
const MAX_TERMS: usize = 30;

/// Families that may be written.
const FAMILIES: [&str; 7] =
    ["AL2", "AL2023", "Bottlerocket", "Custom", "Windows2019", "Windows2022", "Windows2025"];

/// Lowers an EC2NodeClass; `None` when it was refused.
pub(crate) fn node_class(object: &Object, reporter: &mut Reporter<'_>) -> Option<NodeClass> {
    let wire: Wire = decode(object, Strictness::Refuse, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let subnets = terms(spec.subnet_selector_terms.as_deref(), "subnetSelectorTerms", false, reporter);
    let security_groups =
        terms(spec.security_group_selector_terms.as_deref(), "securityGroupSelectorTerms", true, reporter);
    let ami_family = ami_family(&spec, reporter);
    check_identity(&spec, reporter);
    check_tags(spec.tags.as_ref(), reporter);
    let class = NodeClass {
        name: object.key.name.clone(),
        location: object.place.at(""),
        arrival: arrival(object, reporter)?,
        ami_family,
        subnets,
        security_groups,
        role: spec.role.as_deref().map(Name::from),
        instance_profile: spec.instance_profile.as_deref().map(Name::from),
        kubelet: kubelet(&spec.kubelet, reporter),
        root_volume_bytes: root_volume(
            spec.block_device_mappings.as_deref().unwrap_or_default(),
            ami_family,
            reporter,
        ),
        instance_store_raid0: instance_store(spec.instance_store_policy.as_deref(), reporter),
    };
    (!reporter.refused).then_some(class)
}

fn kubelet(value: &Value, reporter: &mut Reporter<'_>) -> KubeletSettings {
    if value.is_null() {
        KubeletSettings::default()
    } else {
        kubelet_settings::kubelet(value, &FieldPath::of("/spec/kubelet"), reporter)
    }
}

fn instance_store(policy: Option<&str>, reporter: &mut Reporter<'_>) -> bool {
    if let Some(other) = policy.filter(|policy| *policy != "RAID0") {
        let path = FieldPath::of("/spec/instanceStorePolicy");
        reporter.error(
            &path,
            code::BAD_VALUE,
            format!("{path}: Unsupported value: {other:?}: supported values: RAID0"),
            "",
        );
    }
    policy == Some("RAID0")
}

/// Terms over subnets or security groups: there must be some, and each must select something in one way.
fn terms(
    wires: Option<&[WireTerm]>,
    field: &str,
    named: bool,
    reporter: &mut Reporter<'_>,
) -> Vec<SelectorTerm> {
    let path = FieldPath::of("/spec").child(field);
    let wires = wires.unwrap_or_default();
    if wires.is_empty() {
        let message = format!("{path}: {field} cannot be empty");
        reporter.error(
            &path,
            code::MISSING_FIELD,
            message,
            "such as `- tags: {karpenter.sh/discovery: my-cluster}`",
        );
    }
    if wires.len() > MAX_TERMS {
        reporter.error(&path, code::BAD_VALUE, format!("{path}: must have at most {MAX_TERMS} items"), "");
    }
    let mut terms = Vec::new();
    for (index, wire) in wires.iter().enumerate() {
        check_term(wire, &path.child(index), named, reporter);
        terms.push(SelectorTerm {
            tags: selector::labels(wire.tags.as_ref()),
            id: wire.id.as_deref().filter(|id| !id.is_empty()).map(Name::from),
            name: wire.name.as_deref().filter(|name| !name.is_empty()).map(Name::from),
        });
    }
    terms
}

fn check_term(wire: &WireTerm, path: &FieldPath, named: bool, reporter: &mut Reporter<'_>) {
    let set = [wire.tags.is_some(), wire.id.is_some(), wire.name.is_some()];
    let known = if named { "['tags', 'id', 'name']" } else { "['tags', 'id']" };
    if !named && wire.name.is_some() {
        let at = path.child("name");
        reporter.error(
            &at,
            code::UNKNOWN_FIELD,
            format!("strict decoding error: unknown field \"{at}\""),
            "select by tags or id",
        );
    }
    if !set.contains(&true) {
        reporter.error(
            path,
            code::MISSING_FIELD,
            format!("{path}: expected at least one, got none, {known}"),
            "write tags or id",
        );
    }
    if wire.id.is_some() && (wire.tags.is_some() || wire.name.is_some()) {
        let message = format!(
            "{path}: 'id' is mutually exclusive, cannot be set with a combination of other fields in a selector term"
        );
        reporter.error(path, code::EXCLUSIVE_FIELDS, message, "make it two terms, or keep the id alone");
    }
    if wire.name.is_some() && wire.tags.is_some() {
        let message = format!(
            "{path}: 'name' is mutually exclusive, cannot be set with a combination of other fields in a selector term"
        );
        reporter.error(path, code::EXCLUSIVE_FIELDS, message, "make it two terms, or keep the name alone");
    }
    for (key, value) in wire.tags.iter().flatten() {
        if key.is_empty() || value.is_empty() {
            let at = path.child("tags");
            reporter.error(
                &at,
                code::BAD_VALUE,
                format!("{at}: empty tag keys or values aren't supported"),
                "`\"*\"` matches any value",
            );
        }
    }
}

/// `spec.amiFamily`, else the alias's family.
fn ami_family(spec: &WireSpec, reporter: &mut Reporter<'_>) -> AmiFamily {
    let path = FieldPath::of("/spec/amiSelectorTerms");
    let wires = spec.ami_selector_terms.as_deref().unwrap_or_default();
    if wires.is_empty() {
        let message = format!("{path}: Required value: at least one term");
        reporter.error(&path, code::MISSING_FIELD, message, "such as `- alias: al2023@latest`");
    }
    let mut by_alias = None;
    for (index, wire) in wires.iter().enumerate() {
        let alias = check_ami_term(wire, wires.len(), &path.child(index), reporter);
        by_alias = by_alias.or(alias);
    }
    let at = FieldPath::of("/spec/amiFamily");
    let written = spec.ami_family.as_deref().map(|text| {
        let known = FAMILIES.contains(&text);
        if !known {
            let message =
                format!("{at}: Unsupported value: {text:?}: supported values: {}", FAMILIES.join(", "));
            reporter.error(&at, code::BAD_VALUE, message, did_you_mean(text, FAMILIES));
        }
        AmiFamily::parse(text).filter(|_| known).unwrap_or_default()
    });
    match (written, by_alias) {
        (Some(written), Some(alias)) if written != alias && written != AmiFamily::Custom => {
            let message = format!(
                "{at}: amiFamily must match the family of the alias in amiSelectorTerms, or be 'Custom'"
            );
            reporter.error(&at, code::EXCLUSIVE_FIELDS, message, "remove amiFamily: the alias says it");
            written
        }
        (Some(written), _) => written,
        (None, Some(alias)) => alias,
        (None, None) => {
            if !wires.is_empty() && !reporter.refused {
                let message = format!(
                    "{at}: if set, amiFamily must be specified when amiSelectorTerms does not contain an alias"
                );
                reporter.error(
                    &at,
                    code::MISSING_FIELD,
                    message,
                    "write amiFamily, such as AL2023 or Bottlerocket",
                );
            }
            AmiFamily::default()
        }
    }
}

/// Checks one term; the family when it is an alias.
fn check_ami_term(
    wire: &WireAmiTerm,
    terms: usize,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Option<AmiFamily> {
    let others = [
        wire.tags.is_some(),
        wire.id.is_some(),
        wire.name.is_some(),
        wire.owner.is_some(),
        wire.ssm_parameter.is_some(),
    ];
    let mut exclusive = |what: &str| {
        let message = format!("{path}: {what}");
        reporter.error(path, code::EXCLUSIVE_FIELDS, message, "an alias stands alone in the list");
    };
    if wire.id.is_some()
        && (wire.alias.is_some() || wire.tags.is_some() || wire.name.is_some() || wire.owner.is_some())
    {
        exclusive(
            "'id' is mutually exclusive, cannot be set with a combination of other fields in amiSelectorTerms",
        );
    }
    if wire.alias.is_some() && others.contains(&true) {
        exclusive(
            "'alias' is mutually exclusive, cannot be set with a combination of other fields in amiSelectorTerms",
        );
    }
    if wire.alias.is_some() && terms != 1 {
        exclusive(
            "'alias' is mutually exclusive, cannot be set with a combination of other amiSelectorTerms",
        );
    }
    let Some(alias) = wire.alias.as_deref() else {
        let selects =
            [wire.tags.is_some(), wire.id.is_some(), wire.name.is_some(), wire.ssm_parameter.is_some()];
        if !selects.contains(&true) {
            let message = format!(
                "{path}: expected at least one, got none, ['tags', 'id', 'name', 'alias', 'ssmParameter']"
            );
            reporter.error(path, code::MISSING_FIELD, message, "such as `alias: al2023@latest`");
        }
        return None;
    };
    alias_family(alias, &path.child("alias"), reporter)
}

fn alias_family(alias: &str, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<AmiFamily> {
    const KNOWN: [&str; 6] = ["al2", "al2023", "bottlerocket", "windows2019", "windows2022", "windows2025"];
    let Some((family, version)) = alias.split_once('@').filter(|(_, version)| !version.is_empty()) else {
        let message =
            format!("{path}: 'alias' is improperly formatted, must match the format 'family@version'");
        reporter.error(path, code::BAD_VALUE, message, "such as al2023@latest or bottlerocket@v1.49.0");
        return None;
    };
    if !KNOWN.contains(&family) {
        let message =
            format!("{path}: family is not supported, must be one of the following: {}", KNOWN.join(", "));
        reporter.error(path, code::BAD_VALUE, message, did_you_mean(family, KNOWN));
        return None;
    }
    if family.starts_with("windows") && version != "latest" {
        reporter.error(
            path,
            code::BAD_VALUE,
            format!("{path}: windows families may only specify version 'latest'"),
            "",
        );
    }
    AmiFamily::parse(family)
}

/// Role xor instance profile, and a role that IAM can have.
fn check_identity(spec: &WireSpec, reporter: &mut Reporter<'_>) {
    let path = FieldPath::of("/spec");
    match (&spec.role, &spec.instance_profile) {
        (None, None) => {
            let message = "spec: must specify exactly one of ['role', 'instanceProfile']";
            reporter.error(
                &path,
                code::MISSING_FIELD,
                message,
                "write `role: <name of the nodes' IAM role>`",
            );
        }
        (Some(_), Some(_)) => {
            let message = "spec: must specify exactly one of ['role', 'instanceProfile']";
            reporter.error(
                &path.child("instanceProfile"),
                code::EXCLUSIVE_FIELDS,
                message,
                "keep one of the two",
            );
        }
        (Some(role), None) => check_role(role, &path.child("role"), reporter),
        (None, Some(profile)) if profile.is_empty() => {
            let at = path.child("instanceProfile");
            reporter.error(&at, code::BAD_VALUE, format!("{at}: instanceProfile cannot be empty"), "");
        }
        _ => {}
    }
}

fn check_role(role: &str, path: &FieldPath, reporter: &mut Reporter<'_>) {
    // Only the name counts; an ARN or a path in front is cut off as IAM's API does for PassRole.
    let name = role.rsplit('/').next().unwrap_or(role);
    if role.is_empty() {
        reporter.error(path, code::BAD_VALUE, format!("{path}: role cannot be empty"), "");
    } else if name.chars().count() > MAX_ROLE_NAME {
        let length = name.chars().count();
        let message = format!(
            "{path}: {name:?} has {length} characters; an IAM role's name has at most {MAX_ROLE_NAME}: no such role can exist, and the node class never becomes ready"
        );
        reporter.error(
            path,
            code::ROLE_NAME_TOO_LONG,
            message,
            "shorten the cluster's name or write the role's real name",
        );
    }
}

fn check_tags(tags: Option<&BTreeMap<String, String>>, reporter: &mut Reporter<'_>) {
    let path = FieldPath::of("/spec/tags");
    for key in tags.into_iter().flat_map(BTreeMap::keys) {
        let restricted = match key.as_str() {
            "" => Some("empty tag keys aren't supported".to_owned()),
            "eks:eks-cluster-name"
            | "karpenter.sh/nodepool"
            | "karpenter.sh/nodeclaim"
            | "karpenter.k8s.aws/ec2nodeclass" => {
                Some(format!("tag contains a restricted tag matching {key}"))
            }
            key if key.starts_with("kubernetes.io/cluster") => {
                Some("tag contains a restricted tag matching kubernetes.io/cluster/".to_owned())
            }
            _ => None,
        };
        if let Some(restricted) = restricted {
            let at = path.child(key);
            reporter.error(
                &at,
                code::BAD_VALUE,
                format!("{at}: {restricted}"),
                "remove the tag: Karpenter sets it",
            );
        }
    }
}

/// The size of the volume that holds pods' files: the one marked as root volume; else, on Bottlerocket the data
/// volume `/dev/xvdb`, otherwise the last device (`aws` `pkg/providers/instancetype/types.go` `ephemeralStorage`).
fn root_volume(devices: &[WireDevice], family: AmiFamily, reporter: &mut Reporter<'_>) -> Option<i64> {
    let path = FieldPath::of("/spec/blockDeviceMappings");
    let mut sizes: Vec<(usize, Option<i64>)> = Vec::new();
    for (index, device) in devices.iter().enumerate() {
        let size = device.ebs.as_ref().and_then(|ebs| ebs.volume_size.as_ref());
        let at = || path.child(index).child("ebs").child("volumeSize");
        sizes.push((index, size.and_then(|size| amounts::amount("storage", &size.0, at, reporter))));
    }
    let roots: Vec<usize> =
        (0..devices.len()).filter(|index| devices[*index].root_volume == Some(true)).collect();
    if roots.len() > 1 {
        let message = format!("{path}: must have only one blockDeviceMappings with rootVolume");
        reporter.error(&path, code::EXCLUSIVE_FIELDS, message, "");
    }
    let named =
        |wanted: &str| devices.iter().position(|device| device.device_name.as_deref() == Some(wanted));
    let chosen = roots.first().copied().or_else(|| match family {
        AmiFamily::Bottlerocket => named("/dev/xvdb"),
        AmiFamily::Custom => devices.len().checked_sub(1),
        AmiFamily::Al2 | AmiFamily::Al2023 => named("/dev/xvda"),
        _ => named("/dev/sda1"),
    })?;
    sizes.get(chosen).and_then(|(_, size)| *size)
}
