//! `spec.kubelet` of an EC2NodeClass.

use std::collections::BTreeMap;

use cluster::node_class::KubeletSettings;
use cluster::{FieldPath, Name};
use serde::Deserialize;
use serde_json::Value;

use crate::amounts;
use crate::problem::Reporter;
use crate::{code, reader};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(dead_code, reason = "fields that are only accepted")]
struct Wire {
    #[serde(rename = "clusterDNS")]
    cluster_dns: Option<Vec<String>>,
    max_pods: Value,
    pods_per_core: Option<i64>,
    system_reserved: Value,
    kube_reserved: Value,
    eviction_hard: Option<BTreeMap<String, String>>,
    eviction_soft: Option<BTreeMap<String, String>>,
    eviction_soft_grace_period: Option<BTreeMap<String, String>>,
    eviction_max_pod_grace_period: Option<i64>,
    #[serde(rename = "imageGCHighThresholdPercent")]
    image_gc_high_threshold_percent: Option<i64>,
    #[serde(rename = "imageGCLowThresholdPercent")]
    image_gc_low_threshold_percent: Option<i64>,
    #[serde(rename = "cpuCFSQuota")]
    cpu_cfs_quota: Option<bool>,
}

/// Resources that may be reserved.
const RESERVABLE: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pid"];

/// Signals of eviction thresholds.
const SIGNALS: [&str; 6] = [
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
];

/// Lowers the settings. Other fields than those known are handed to the kubelet as they are (an open map).
pub(crate) fn kubelet(value: &Value, path: &FieldPath, reporter: &mut Reporter<'_>) -> KubeletSettings {
    let (wire, unknown) = reader::read::<Wire>(value);
    for field in &unknown {
        let at = path.join(&field.path);
        let help = crate::suggest::did_you_mean(&field.field, field.known.iter().copied());
        if help.is_some() {
            reporter.warning(
                &at,
                code::UNKNOWN_FIELD,
                format!("{at} is handed to the kubelet as it is"),
                help,
            );
        }
    }
    let wire = match wire {
        Ok(wire) => wire,
        Err(error) => {
            reporter.unreadable(path, error);
            return KubeletSettings::default();
        }
    };
    check_pairs(&wire, path, reporter);
    KubeletSettings {
        max_pods: max_pods(&wire.max_pods, &path.child("maxPods"), reporter),
        pods_per_core: not_negative(wire.pods_per_core, &path.child("podsPerCore"), reporter),
        kube_reserved: reserved(&wire.kube_reserved, &path.child("kubeReserved"), reporter),
        system_reserved: reserved(&wire.system_reserved, &path.child("systemReserved"), reporter),
        eviction_hard: signals(wire.eviction_hard.as_ref(), &path.child("evictionHard"), reporter),
    }
}

fn check_pairs(wire: &Wire, path: &FieldPath, reporter: &mut Reporter<'_>) {
    if let (Some(high), Some(low)) =
        (wire.image_gc_high_threshold_percent, wire.image_gc_low_threshold_percent)
        && high <= low
    {
        let message =
            format!("{path}: imageGCHighThresholdPercent must be greater than imageGCLowThresholdPercent");
        reporter.error(path, code::BAD_VALUE, message, "");
    }
    let keys = |map: &Option<BTreeMap<String, String>>| {
        map.iter().flatten().map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    let (soft, grace) = (keys(&wire.eviction_soft), keys(&wire.eviction_soft_grace_period));
    if let Some(alone) = soft.iter().find(|key| !grace.contains(key)) {
        let message =
            format!("{path}: evictionSoft {alone} does not have a matching evictionSoftGracePeriod");
        reporter.error(path, code::MISSING_FIELD, message, "");
    }
    if let Some(alone) = grace.iter().find(|key| !soft.contains(key)) {
        let message =
            format!("{path}: evictionSoftGracePeriod {alone} does not have a matching evictionSoft");
        reporter.error(path, code::MISSING_FIELD, message, "");
    }
    signals(wire.eviction_soft.as_ref(), &path.child("evictionSoft"), reporter);
}

/// A number, or with the gate `NodeClassCEL` an expression, which is not evaluated here.
fn max_pods(value: &Value, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<u32> {
    match value {
        Value::Null => None,
        Value::Number(number) => not_negative(number.as_i64().or(Some(-1)), path, reporter),
        Value::String(text) if text.parse::<i64>().is_err() => {
            let message = format!(
                "{path}: the expression {text:?} is not evaluated; the AMI family's own number is taken"
            );
            reporter.warning(path, code::NOT_MODELLED, message, "write a number");
            None
        }
        other => {
            reporter.error(
                path,
                code::BAD_VALUE,
                format!("{path}: expected a number, found {other}"),
                "write a number without quotes",
            );
            None
        }
    }
}

fn not_negative(value: Option<i64>, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<u32> {
    let value = value?;
    u32::try_from(value).ok().or_else(|| {
        reporter.error(path, code::BAD_VALUE, format!("{path}: must be a whole number of 0 or more"), "");
        None
    })
}

fn reserved(value: &Value, path: &FieldPath, reporter: &mut Reporter<'_>) -> Vec<(Name, i64)> {
    let Value::Object(fields) = value else {
        if !value.is_null() {
            let message =
                format!("{path}: an expression is not evaluated; the AMI family's own reservation is taken");
            reporter.warning(path, code::NOT_MODELLED, message, "write amounts by resource");
        }
        return Vec::new();
    };
    let mut amounts = Vec::new();
    for (name, amount) in fields {
        let at = path.child(name);
        if !RESERVABLE.contains(&name.as_str()) {
            let message =
                format!("{at}: valid keys are {}", RESERVABLE.map(|key| format!("'{key}'")).join(", "));
            reporter.error(&at, code::BAD_VALUE, message, crate::suggest::did_you_mean(name, RESERVABLE));
            continue;
        }
        let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
        if let Some(amount) = amounts::amount(name, &text, || at.clone(), reporter) {
            amounts.push((Name::from(name.as_str()), amount));
        }
    }
    amounts
}

fn signals(
    map: Option<&BTreeMap<String, String>>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<(Name, Name)> {
    for (key, value) in map.into_iter().flatten() {
        let at = path.child(key);
        if !SIGNALS.contains(&key.as_str()) {
            let message =
                format!("{at}: valid keys are {}", SIGNALS.map(|key| format!("'{key}'")).join(", "));
            reporter.error(&at, code::BAD_VALUE, message, crate::suggest::did_you_mean(key, SIGNALS));
        }
        let percent = value
            .strip_suffix('%')
            .map(|number| number.parse::<f64>().is_ok_and(|number| (0.0..=100.0).contains(&number)));
        if !percent.unwrap_or_else(|| cluster::Quantity::parse(value).is_ok()) {
            reporter.error(
                &at,
                code::BAD_VALUE,
                format!("{at}: {value:?} is neither an amount nor a percentage"),
                "such as 100Mi or 10%",
            );
        }
    }
    map.into_iter()
        .flatten()
        .map(|(key, value)| (Name::from(key.as_str()), Name::from(value.as_str())))
        .collect()
}
