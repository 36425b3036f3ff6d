//! Karpenter's EC2NodeClass.
//!
//! Follows `aws/karpenter-provider-aws` v1.14.1 `pkg/apis/v1/{ec2nodeclass,ec2nodeclass_validation}.go`.

use std::collections::BTreeMap;

use cluster::node_class::{AmiFamily, KubeletSettings, SelectorTerm};
use cluster::{FieldPath, Name, NodeClass};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Deserialize;
use serde_json::Value;

use crate::ami::{WireAmiTerm, ami_family};
use crate::context::Context;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::problem::Reporter;
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

/// Lowers an EC2NodeClass; `None` when it was refused.
pub(crate) fn node_class(
    object: &Object,
    context: &Context,
    reporter: &mut Reporter<'_>,
) -> Option<NodeClass> {
    let wire: Wire = decode(object, Strictness::Refuse, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let subnets = terms(spec.subnet_selector_terms.as_deref(), "subnetSelectorTerms", false, reporter);
    let security_groups =
        terms(spec.security_group_selector_terms.as_deref(), "securityGroupSelectorTerms", true, reporter);
    let ami_terms = spec.ami_selector_terms.as_deref().unwrap_or_default();
    let ami_family = ami_family(ami_terms, spec.ami_family.as_deref(), reporter);
    check_identity(&spec, reporter);
    check_tags(spec.tags.as_ref(), reporter);
    let class = NodeClass {
        name: object.key.name.clone(),
        location: object.place.at(""),
        arrival: context.arrival(object, reporter)?,
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
        fixed: fixed(object),
        images: object.field("/spec/amiSelectorTerms").map(canonical).unwrap_or_default().into(),
    };
    (!reporter.refused).then_some(class)
}

/// What makes nodes drift when it changes (`EC2NodeClass.Hash`, aws/karpenter-provider-aws v1.14.1
/// `pkg/apis/v1/ec2nodeclass.go`): everything but what is looked up again and again.
fn fixed(object: &Object) -> Name {
    const LOOKED_UP: [&str; 6] = [
        "subnetSelectorTerms",
        "securityGroupSelectorTerms",
        "capacityReservationSelectorTerms",
        "amiSelectorTerms",
        "amiFamily",
        "ipPrefixCount",
    ];
    let fields = object.field("/spec").and_then(Value::as_object).into_iter().flatten();
    let fixed = fields.filter(|(key, _)| !LOOKED_UP.contains(&key.as_str()));
    canonical(&Value::Object(fixed.map(|(key, value)| (key.clone(), value.clone())).collect())).into()
}

/// A value as text in which neither the order of fields and items nor fields of nothing are a difference.
fn canonical(value: &Value) -> String {
    let mut parts: Vec<String> = match value {
        Value::Object(fields) => {
            let parts = fields.iter().map(|(key, value)| (key, canonical(value)));
            parts.filter(|(_, text)| !text.is_empty()).map(|(key, text)| format!("{key:?}:{text}")).collect()
        }
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Null | Value::Bool(false) => return String::new(),
        Value::Number(number) if number.as_i64() == Some(0) => return String::new(),
        Value::String(text) if text.is_empty() => return String::new(),
        other => return other.to_string(),
    };
    parts.sort_unstable();
    match value {
        _ if parts.is_empty() => String::new(),
        Value::Array(_) => format!("[{}]", parts.join(",")),
        _ => format!("{{{}}}", parts.join(",")),
    }
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

#[cfg(test)]
mod tests;
