//! Kinds that take a few lines each: priority classes, LimitRanges, quotas, disruption budgets, Services,
//! namespaces.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/{core,policy,scheduling}/validation`.

use cluster::admission::{BudgetBound, DisruptionBudget, Namespace, PriorityClass, Quota, Service};
use cluster::{FieldPath, Name};
use k8s_openapi::api::{core::v1 as core, policy::v1 as policy, scheduling::v1 as scheduling};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::admission::Limits;
use crate::amounts::{self, named_amounts};
use crate::code;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::problem::Reporter;
use crate::selector::{label_selector, labels, names};

/// The highest value that a user's class may have.
const HIGHEST_USER_PRIORITY: i32 = 1_000_000_000;

/// A PriorityClass.
pub(crate) fn priority_class(object: &Object, reporter: &mut Reporter<'_>) -> Option<PriorityClass> {
    let wire: scheduling::PriorityClass = decode(object, Strictness::Prune, reporter)?;
    let name = object.key.name.clone();
    let value = wire.value.unwrap_or(0);
    let system = name.starts_with("system-");
    if value > HIGHEST_USER_PRIORITY && !system {
        let path = FieldPath::of("/value");
        let message = format!(
            "{path}: {value} is above {HIGHEST_USER_PRIORITY}, the highest value of a class that is not the system's"
        );
        reporter.error(&path, code::BAD_VALUE, message, "");
    }
    if system && !matches!(name.as_str(), "system-cluster-critical" | "system-node-critical") {
        let path = FieldPath::of("/metadata/name");
        reporter.error(
            &path,
            code::BAD_VALUE,
            format!("{path}: priority class names with 'system-' prefix are reserved for system use only"),
            "",
        );
    }
    let preempts = wire.preemption_policy.as_deref() != Some("Never");
    (!reporter.refused).then(|| PriorityClass {
        name,
        value,
        global_default: wire.global_default.unwrap_or(false),
        preempts,
    })
}

/// Says what the API server would refuse of a ConfigMap: values are texts, `true` and `5` without quotes are none.
pub(crate) fn config_map(object: &Object, reporter: &mut Reporter<'_>) {
    decode::<core::ConfigMap>(object, Strictness::Prune, reporter);
}

/// The items of a LimitRange.
pub(crate) fn limit_range(object: &Object, reporter: &mut Reporter<'_>) -> Option<Vec<Limits>> {
    let wire: core::LimitRange = decode(object, Strictness::Prune, reporter)?;
    let mut items = Vec::new();
    for (index, item) in wire.spec.iter().flat_map(|spec| spec.limits.iter()).enumerate() {
        let path = FieldPath::of("/spec/limits").child(index);
        let mut list = |list, field: &str| named_amounts(list, &path.child(field), reporter);
        let limits = Limits {
            kind: item.type_.as_str().into(),
            default: list(item.default.as_ref(), "default"),
            default_request: list(item.default_request.as_ref(), "defaultRequest"),
            min: list(item.min.as_ref(), "min"),
            max: list(item.max.as_ref(), "max"),
            max_ratio_milli: ratios(item.max_limit_request_ratio.as_ref(), &path, reporter),
            location: Some(object.place.at(&path.0)),
        };
        items.push(limits.with_defaults());
    }
    (!reporter.refused).then_some(items)
}

/// `maxLimitRequestRatio` in thousandths, whatever the resource's own unit; at least 1
/// (`pkg/apis/core/validation` `ValidateLimitRange`).
fn ratios(
    list: Option<&amounts::WireList>,
    item: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<(Name, i64)> {
    let path = item.child("maxLimitRequestRatio");
    let mut ratios = Vec::new();
    for (name, ratio) in list.into_iter().flatten() {
        let at = || path.child(name);
        match amounts::amount("cpu", &ratio.0, at, reporter) {
            Some(milli) if milli < 1000 => {
                let message = format!("{}: ratio {} is less than 1", at(), ratio.0);
                reporter.error(&at(), code::BAD_VALUE, message, "");
            }
            Some(milli) => ratios.push((Name::from(name.as_str()), milli)),
            None => {}
        }
    }
    ratios
}

/// A ResourceQuota over requests and pods. What it limits beside those comes back as names.
pub(crate) fn quota(object: &Object, reporter: &mut Reporter<'_>) -> Option<(Quota, Vec<Name>)> {
    let wire: core::ResourceQuota = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let (mut hard, mut others) = (Vec::new(), Vec::new());
    for (name, amount) in named_amounts(spec.hard.as_ref(), &FieldPath::of("/spec/hard"), reporter) {
        match quota_resource(&name) {
            Some(resource) => hard.push((Name::from(resource), amount)),
            None => others.push(name),
        }
    }
    let mut priority_classes = None;
    for expression in
        spec.scope_selector.iter().flat_map(|selector| selector.match_expressions.iter().flatten())
    {
        match (expression.scope_name.as_str(), expression.operator.as_str()) {
            ("PriorityClass", "In") => priority_classes = Some(names(expression.values.as_deref())),
            (scope, operator) => others.push(Name::from(format!("scope {scope} {operator}"))),
        }
    }
    others.extend(spec.scopes.iter().flatten().map(|scope| Name::from(format!("scope {scope}"))));
    let quota = Quota {
        namespace: object.key.namespace.clone(),
        name: object.key.name.clone(),
        location: object.place.at(""),
        hard,
        priority_classes,
    };
    (!reporter.refused).then_some((quota, others))
}

/// The pod resource that a quota's entry limits; `None` for entries that limit something else.
fn quota_resource(name: &str) -> Option<&str> {
    match name {
        "pods" | "count/pods" => Some("pods"),
        "cpu" | "memory" | "ephemeral-storage" => Some(name),
        _ => {
            let resource = name.strip_prefix("requests.")?;
            (resource != "storage").then_some(resource)
        }
    }
}

/// A PodDisruptionBudget.
pub(crate) fn disruption_budget(object: &Object, reporter: &mut Reporter<'_>) -> Option<DisruptionBudget> {
    let wire: policy::PodDisruptionBudget = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let path = FieldPath::of("/spec");
    if spec.min_available.is_some() && spec.max_unavailable.is_some() {
        let message = "spec: minAvailable and maxUnavailable cannot be both set";
        reporter.error(&path.child("maxUnavailable"), code::EXCLUSIVE_FIELDS, message, "keep one of the two");
    }
    let bound = match (&spec.min_available, &spec.max_unavailable) {
        (Some(value), _) => bound(value, BudgetBound::MinAvailable, BudgetBound::MinAvailablePercent),
        (None, Some(value)) => bound(value, BudgetBound::MaxUnavailable, BudgetBound::MaxUnavailablePercent),
        (None, None) => Some(BudgetBound::MinAvailable(1)),
    };
    let Some(bound) = bound else {
        let field = if spec.min_available.is_some() { "minAvailable" } else { "maxUnavailable" };
        let at = path.child(field);
        reporter.error(
            &at,
            code::BAD_VALUE,
            format!("{at}: must be a number of pods or a percentage such as 50%"),
            "",
        );
        return None;
    };
    // An absent selector selects no pod, an empty one all of the namespace.
    let selector = label_selector(&spec.selector?, &path.child("selector"), reporter);
    let always_allow_unhealthy = spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow");
    (!reporter.refused).then(|| DisruptionBudget {
        namespace: object.key.namespace.clone(),
        name: object.key.name.clone(),
        location: object.place.at(""),
        selector,
        bound,
        always_allow_unhealthy,
    })
}

fn bound(
    value: &IntOrString,
    count: fn(u32) -> BudgetBound,
    percent: fn(u32) -> BudgetBound,
) -> Option<BudgetBound> {
    match value {
        IntOrString::Int(number) => u32::try_from(*number).ok().map(count),
        IntOrString::String(text) => {
            text.strip_suffix('%')?.parse().ok().filter(|number| *number <= 100).map(percent)
        }
    }
}

/// A Service.
pub(crate) fn service(object: &Object, reporter: &mut Reporter<'_>) -> Option<Service> {
    let wire: core::Service = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let selector = spec
        .selector
        .filter(|selector| !selector.is_empty() && spec.type_.as_deref() != Some("ExternalName"));
    (!reporter.refused).then(|| Service {
        namespace: object.key.namespace.clone(),
        name: object.key.name.clone(),
        location: object.place.at(""),
        selector: selector.map(|selector| labels(Some(&selector))),
    })
}

/// A Namespace.
pub(crate) fn namespace(object: &Object) -> Namespace {
    named_namespace(object.key.name.clone(), object.labels.clone())
}

/// A namespace with the label that the API server gives it.
pub(crate) fn named_namespace(name: Name, mut labels: cluster::Labels) -> Namespace {
    labels.insert("kubernetes.io/metadata.name".into(), name.clone());
    Namespace { name, labels }
}
