//! Resource lists: `requests`, `limits`, `capacity`, `hard` as amounts.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/core/validation` `ValidateContainerResourceName`,
//! `validateResourceQuantity`.

use std::collections::BTreeMap;

use cluster::{FieldPath, Name, Quantity, Resources};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;

use crate::code;
use crate::problem::Reporter;

/// A `ResourceList` as it is on the wire.
pub(crate) type WireList = BTreeMap<String, WireQuantity>;

/// Reads a resource list; what is no quantity, or negative, is an error at its field.
pub(crate) fn resources(list: Option<&WireList>, path: &FieldPath, reporter: &mut Reporter<'_>) -> Resources {
    let mut amounts = Resources::ZERO;
    for (name, amount) in named_amounts(list, path, reporter) {
        amounts.set(&name, amount);
    }
    amounts
}

/// As [`resources`], keeping which resources are named: a zero is not an absence.
pub(crate) fn named_amounts(
    list: Option<&WireList>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<(Name, i64)> {
    let mut amounts = Vec::new();
    for (name, quantity) in list.into_iter().flatten() {
        if let Some(value) = amount(name, &quantity.0, || path.child(name), reporter) {
            amounts.push((Name::from(name.as_str()), value));
        }
    }
    amounts
}

/// One amount in the units of [`Resources::get`].
pub(crate) fn amount(
    name: &str,
    text: &str,
    path: impl Fn() -> FieldPath,
    reporter: &mut Reporter<'_>,
) -> Option<i64> {
    let quantity = match Quantity::parse(text) {
        Ok(quantity) => quantity,
        Err(error) => {
            reporter.error(&path(), code::BAD_VALUE, format!("{}: {error}", path()), "");
            return None;
        }
    };
    let amount = match name {
        "cpu" | "requests.cpu" | "limits.cpu" => quantity.milli(),
        _ => quantity.units(),
    };
    if amount < 0 {
        reporter.error(
            &path(),
            code::BAD_VALUE,
            format!("{}: {text:?} is negative", path()),
            "write 0 or more",
        );
        return None;
    }
    if is_extended(name) && quantity.milli() % 1000 != 0 {
        reporter.error(
            &path(),
            code::BAD_VALUE,
            format!("{}: {text:?} is not whole, as extended resources must be", path()),
            "",
        );
        return None;
    }
    Some(amount)
}

/// Extended resources have a domain that is not Kubernetes' own (`IsExtendedResourceName`).
pub(crate) fn is_extended(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(domain, _)| domain != "kubernetes.io" && !domain.ends_with(".kubernetes.io"))
}
