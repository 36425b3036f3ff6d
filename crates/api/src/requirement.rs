//! Requirements, labels and taints of NodePools and NodeClaims.
//!
//! Follows the CEL rules of `sigs.k8s.io/karpenter` v1.14.1 `pkg/apis/v1` (`nodeclaim.go`, `nodepool.go`,
//! `labels.go`) and the label rules that `aws/karpenter-provider-aws` v1.14.1 adds to its chart's CRDs.

use std::collections::BTreeMap;

use cluster::{FieldPath, Labels, SelectorOperator, SelectorRequirement, Taint};
use serde::Deserialize;

use crate::code;
use crate::problem::Reporter;
use crate::selector;
use crate::suggest::did_you_mean;

/// A `NodeSelectorRequirementWithMinValues`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WireRequirement {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
    min_values: Option<i64>,
}

/// A taint.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WireTaint {
    key: String,
    value: Option<String>,
    effect: String,
    time_added: Option<String>,
}

/// Operators, `Gte` and `Lte` since v1.10.
const OPERATORS: [&str; 8] = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte"];

/// Most requirements in one list.
const MAX_REQUIREMENTS: usize = 100;

/// Keys of restricted domains that may be used all the same.
const WELL_KNOWN: &[&str] = &[
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "karpenter.sh/capacity-type",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "node.kubernetes.io/windows-build",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// What follows `karpenter.k8s.aws/` in well-known keys.
const WELL_KNOWN_AWS: &[&str] = &[
    "capacity-reservation-id",
    "capacity-reservation-interruptible",
    "capacity-reservation-type",
    "ec2nodeclass",
    "instance-accelerator-count",
    "instance-accelerator-manufacturer",
    "instance-accelerator-name",
    "instance-capability-flex",
    "instance-category",
    "instance-cpu",
    "instance-cpu-manufacturer",
    "instance-cpu-sustained-clock-speed-mhz",
    "instance-ebs-bandwidth",
    "instance-encryption-in-transit-supported",
    "instance-family",
    "instance-generation",
    "instance-gpu-count",
    "instance-gpu-manufacturer",
    "instance-gpu-memory",
    "instance-gpu-name",
    "instance-hypervisor",
    "instance-local-nvme",
    "instance-memory",
    "instance-network-bandwidth",
    "instance-size",
    "instance-tenancy",
    "nitro-sandbox",
    "placement-group-id",
    "placement-group-partition",
];

/// Why a key may not be used as a label or requirement of a NodePool, in the CRD's words.
fn restriction(key: &str) -> Option<String> {
    if matches!(key, "karpenter.sh/nodepool" | "kubernetes.io/hostname") {
        return Some(format!("label \"{key}\" is restricted"));
    }
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let excepted = ["node.kubernetes.io", "node-restriction.kubernetes.io", "kops.k8s.io"];
    if WELL_KNOWN.contains(&key) || excepted.iter().any(|exception| domain.ends_with(exception)) {
        return None;
    }
    if let Some(tail) = key.strip_prefix("karpenter.k8s.aws/") {
        return (!WELL_KNOWN_AWS.contains(&tail))
            .then(|| "label domain \"karpenter.k8s.aws\" is restricted".to_owned());
    }
    let restricted = ["kubernetes.io", "k8s.io", "karpenter.sh", "karpenter.k8s.aws"];
    restricted
        .iter()
        .find(|restricted| domain.ends_with(*restricted))
        .map(|found| format!("label domain \"{found}\" is restricted"))
}

fn check_key(key: &str, path: &FieldPath, reporter: &mut Reporter<'_>) {
    if key.is_empty() {
        reporter.error(path, code::MISSING_FIELD, format!("{path}: required value"), "name the label");
    } else if !is_qualified(key) {
        reporter.error(
            path,
            code::BAD_VALUE,
            format!("{path}: {key:?} is not a label key"),
            "such as example.com/team",
        );
    } else if let Some(restriction) = restriction(key) {
        let known = WELL_KNOWN_AWS.iter().map(|tail| format!("karpenter.k8s.aws/{tail}"));
        let known: Vec<String> = known.chain(WELL_KNOWN.iter().map(|key| (*key).to_owned())).collect();
        let help = did_you_mean(key, known.iter().map(String::as_str))
            .unwrap_or_else(|| "use a well-known label, or a domain of your own".to_owned());
        reporter.error(path, code::RESTRICTED_LABEL, format!("{path}: {key}: {restriction}"), help);
    }
}

/// `IsQualifiedName`: an optional DNS prefix, then at most 63 of letters, digits, `-`, `_` and `.`.
pub(crate) fn is_qualified(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(crate::decode::is_subdomain) && !name.is_empty() && is_label_value(name)
}

/// A label's value: empty, or at most 63 of letters, digits, `-`, `_` and `.` with a letter or digit at both ends.
pub(crate) fn is_label_value(value: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    value.len() <= 63
        && edge(value.bytes().next())
        && edge(value.bytes().last())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Labels of a NodePool's template.
pub(crate) fn labels(
    map: Option<&BTreeMap<String, String>>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Labels {
    for (key, value) in map.into_iter().flatten() {
        check_key(key, &path.child(key), reporter);
        if !is_label_value(value) {
            let at = path.child(key);
            reporter.error(&at, code::BAD_VALUE, format!("{at}: {value:?} is not a label value"), "");
        }
    }
    selector::labels(map)
}

/// `requirements` of a NodePool or a NodeClaim.
pub(crate) fn requirements(
    wires: &[WireRequirement],
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<SelectorRequirement> {
    allowing(None, wires, path, reporter)
}

/// `requirements` of a NodeOverlay: these may name pools, too.
pub(crate) fn of_overlay(
    wires: &[WireRequirement],
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<SelectorRequirement> {
    allowing(Some("karpenter.sh/nodepool"), wires, path, reporter)
}

/// Requirements; `key` may be used although it is restricted.
fn allowing(
    key: Option<&str>,
    wires: &[WireRequirement],
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<SelectorRequirement> {
    if wires.len() > MAX_REQUIREMENTS {
        let message = format!("{path}: must have at most {MAX_REQUIREMENTS} items");
        reporter.error(path, code::BAD_VALUE, message, "merge requirements on one key");
    }
    let mut requirements = Vec::new();
    for (index, wire) in wires.iter().take(MAX_REQUIREMENTS).enumerate() {
        let path = path.child(index);
        if key != Some(wire.key.as_str()) {
            check_key(&wire.key, &path.child("key"), reporter);
        }
        requirements.extend(requirement(wire, &path, reporter));
    }
    requirements
}

fn requirement(
    wire: &WireRequirement,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Option<SelectorRequirement> {
    let Some(operator) = SelectorOperator::parse(&wire.operator) else {
        let at = path.child("operator");
        let message = format!(
            "{at}: Unsupported value: {:?}: supported values: {}",
            wire.operator,
            OPERATORS.join(", ")
        );
        reporter.error(&at, code::BAD_VALUE, message, did_you_mean(&wire.operator, OPERATORS));
        return None;
    };
    let values = wire.values.as_deref().unwrap_or_default();
    if let Some(message) = wrong_values(operator, values) {
        let at = path.child("values");
        reporter.error(&at, code::BAD_VALUE, format!("{at}: {message}"), "");
    } else if let Some(bad) = values.iter().find(|value| !is_label_value(value)) {
        let at = path.child("values");
        reporter.error(&at, code::BAD_VALUE, format!("{at}: {bad:?} is not a label value"), "");
    }
    let min_values = wire.min_values.map(|min| {
        let at = path.child("minValues");
        if !(1..=50).contains(&min) {
            reporter.error(&at, code::BAD_VALUE, format!("{at}: {min} is not in the range 1-50"), "");
        } else if operator == SelectorOperator::In && i64::try_from(values.len()).unwrap_or(i64::MAX) < min {
            let message = "requirements with 'minValues' must have at least that many values specified in the 'values' field";
            reporter.error(&at, code::BAD_VALUE, format!("{at}: {message}"), "");
        }
        u32::try_from(min).unwrap_or(0)
    });
    Some(SelectorRequirement {
        key: wire.key.as_str().into(),
        operator,
        values: selector::names(Some(values)),
        min_values,
    })
}

fn wrong_values(operator: SelectorOperator, values: &[String]) -> Option<&'static str> {
    match operator {
        SelectorOperator::In if values.is_empty() => {
            Some("requirements with operator 'In' must have a value defined")
        }
        SelectorOperator::Gt | SelectorOperator::Lt | SelectorOperator::Gte | SelectorOperator::Lte => {
            let positive =
                values.first().is_some_and(|value| value.parse::<i64>().is_ok_and(|number| number >= 0));
            (values.len() != 1 || !positive).then_some(
                "requirements operator 'Gt', 'Lt', 'Gte' or 'Lte' must have a single positive integer value",
            )
        }
        // `NotIn` without values and `Exists` with some pass the CRD; Karpenter's own validation refuses the pool.
        SelectorOperator::NotIn if values.is_empty() => {
            Some("for 'in', 'notin' operators, values set can't be empty")
        }
        SelectorOperator::Exists | SelectorOperator::DoesNotExist if !values.is_empty() => {
            Some("values set must be empty for exists and does not exist")
        }
        _ => None,
    }
}

/// Taints; a key with one effect may be there once over both lists.
pub(crate) fn taints(
    wires: &[WireTaint],
    path: &FieldPath,
    seen: &mut Vec<(cluster::Name, cluster::Effect)>,
    reporter: &mut Reporter<'_>,
) -> Vec<Taint> {
    let mut taints = Vec::new();
    for (index, wire) in wires.iter().enumerate() {
        let at = || path.child(index);
        let _ = &wire.time_added;
        let Some(taint) = selector::taint((&wire.key, wire.value.as_deref(), &wire.effect), at, reporter)
        else {
            continue;
        };
        if seen.contains(&(taint.key.clone(), taint.effect)) {
            let message =
                format!("{}: duplicate taint Key/Effect pair {}={:?}", at(), taint.key, taint.effect);
            reporter.error(&at(), code::BAD_VALUE, message, "keep one of the two");
        }
        seen.push((taint.key.clone(), taint.effect));
        taints.push(taint);
    }
    taints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn karpenters_own_domains_are_restricted() {
        for allowed in [
            "kubernetes.io/arch",
            "karpenter.sh/capacity-type",
            "karpenter.k8s.aws/instance-family",
            "node.kubernetes.io/my-role",
            "team.node-restriction.kubernetes.io/a",
            "kops.k8s.io/instancegroup",
            "example.com/team",
            "role",
        ] {
            assert_eq!(restriction(allowed), None, "{allowed}");
        }
        for restricted in [
            "karpenter.sh/nodepool",
            "kubernetes.io/hostname",
            "karpenter.sh/custom",
            "karpenter.k8s.aws/instance-colour",
            "kubernetes.io/role",
            "node-role.kubernetes.io/worker",
            "foo.k8s.io/bar",
        ] {
            assert!(restriction(restricted).is_some(), "{restricted}");
        }
    }

    #[test]
    fn qualified_names_are_kubernetes_own() {
        for good in ["a", "a/b", "example.com/a_b.c-d", "9/9"] {
            assert!(is_qualified(good), "{good}");
        }
        for bad in ["", "/a", "a/", "A.com/a", "-a", "a-", "a/b/c", "a b"] {
            assert!(!is_qualified(bad), "{bad}");
        }
    }
}
