//! Karpenter's NodeOverlay.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/apis/v1alpha1/{nodeoverlay,nodeoverlay_validation}.go`. Prices are read
//! to the millionth of a dollar. That an overlay conflicts with another one is found where it is applied.

use cluster::node_overlay::PriceChange;
use cluster::{FieldPath, NodeOverlay};
use serde::Deserialize;
use serde_json::Value;

use crate::amounts::{self, WireList};
use crate::code;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::problem::Reporter;
use crate::profile::micros;
use crate::requirement::{self, WireRequirement};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "fields that are only accepted")]
struct Wire {
    api_version: String,
    kind: String,
    metadata: Value,
    #[serde(default)]
    spec: WireSpec,
    #[serde(default)]
    status: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireSpec {
    requirements: Option<Vec<WireRequirement>>,
    price_adjustment: Option<String>,
    price: Option<String>,
    capacity: Option<WireList>,
    weight: Option<i64>,
}

/// What the CRD lets nobody change.
const RESTRICTED: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pods"];

/// Lowers a NodeOverlay; `None` when it was refused.
pub(crate) fn node_overlay(object: &Object, reporter: &mut Reporter<'_>) -> Option<NodeOverlay> {
    if object.version != "v1alpha1" {
        let path = FieldPath::of("/apiVersion");
        let message =
            format!("no matches for kind \"NodeOverlay\" in version \"{}/{}\"", object.group, object.version);
        reporter.error(&path, code::WRONG_API_VERSION, message, "write `apiVersion: karpenter.sh/v1alpha1`");
        return None;
    }
    let spec = decode::<Wire>(object, Strictness::Refuse, reporter)?.spec;
    let at = |field: &str| FieldPath::of("/spec").child(field);
    let Some(requirements) = &spec.requirements else {
        let path = at("requirements");
        let message = format!("{path}: Required value");
        reporter.error(
            &path,
            code::MISSING_FIELD,
            message,
            "write a list; `[]` stands for every instance type",
        );
        return None;
    };
    let price = price(&spec, &at, reporter);
    let capacity = amounts::named_amounts(spec.capacity.as_ref(), &at("capacity"), reporter);
    for (name, _) in capacity.iter().filter(|(name, _)| RESTRICTED.contains(&name.as_str())) {
        let path = at("capacity").child(name);
        let message = format!("{path}: invalid resource restricted");
        reporter.error(&path, code::BAD_VALUE, message, "only extended resources can be added");
    }
    if spec.weight.is_some_and(|weight| !(1..=10_000).contains(&weight)) {
        let path = at("weight");
        let message = format!("{path}: {} is not in the range 1-10000", spec.weight.unwrap_or(0));
        reporter.error(&path, code::BAD_VALUE, message, "write 1 to 10000, or remove it");
    }
    let overlay = NodeOverlay {
        name: object.key.name.clone(),
        location: object.place.at(""),
        weight: spec.weight.and_then(|weight| i32::try_from(weight).ok()).unwrap_or(0),
        requirements: requirement::of_overlay(requirements, &at("requirements"), reporter),
        price,
        capacity,
    };
    (!reporter.refused).then_some(overlay)
}

fn price(
    spec: &WireSpec,
    at: &impl Fn(&str) -> FieldPath,
    reporter: &mut Reporter<'_>,
) -> Option<PriceChange> {
    if spec.price.is_some() && spec.price_adjustment.is_some() {
        let message = "spec: cannot set both 'price' and 'priceAdjustment'";
        reporter.error(&at("priceAdjustment"), code::EXCLUSIVE_FIELDS, message, "keep one of the two");
        return None;
    }
    let (field, text, change, example) = match (&spec.price, &spec.price_adjustment) {
        (Some(text), _) => ("price", text, absolute(text), "dollars an hour, such as \"0.05\""),
        (None, Some(text)) => {
            ("priceAdjustment", text, adjustment(text), "such as \"+0.02\", \"-0.5\" or \"-15%\"")
        }
        (None, None) => return None,
    };
    if change.is_none() {
        let path = at(field);
        let message =
            format!("{path}: {text:?} is not a price{}", if field == "price" { "" } else { " adjustment" });
        reporter.error(&path, code::BAD_VALUE, message, format!("write {example}"));
    }
    change
}

/// `^\d+(\.\d+)?$`.
fn absolute(text: &str) -> Option<PriceChange> {
    (!text.starts_with('.') && !text.ends_with('.')).then(|| micros(text)).flatten().map(PriceChange::Set)
}

/// `^(([+-]{1}(\d*\.?\d+))|(\+{1}\d*\.?\d+%)|(^(-\d{1,2}(\.\d+)?%)$)|(-100%))$`.
fn adjustment(text: &str) -> Option<PriceChange> {
    let (sign, number) = match text.split_at_checked(1)? {
        ("+", number) => (1, number),
        ("-", number) => (-1, number),
        _ => return None,
    };
    let percent = number.strip_suffix('%');
    let digits = percent.unwrap_or(number);
    let amount = micros(digits).filter(|_| !digits.ends_with('.'))?;
    if percent.is_none() {
        return Some(PriceChange::Add(sign * amount));
    }
    let whole = digits.split('.').next().unwrap_or_default();
    let too_much = sign < 0 && digits != "100" && !(1..=2).contains(&whole.len());
    (!too_much).then_some(PriceChange::Percent(sign * amount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{lowered, shown};

    fn overlay(spec: &str) -> String {
        format!(
            "apiVersion: karpenter.sh/v1alpha1\nkind: NodeOverlay\nmetadata: {{name: a}}\nspec: {{{spec}}}\n"
        )
    }

    #[test]
    fn a_good_one_is_read() {
        let wire = overlay(
            "weight: 7, priceAdjustment: \"-15%\", capacity: {smarter-devices/fuse: 2}, \
             requirements: [{key: karpenter.sh/nodepool, operator: In, values: [b]}]",
        );
        let declared = lowered(&wire).declared;
        let read = &declared.node_overlays[0];
        assert_eq!((read.weight, read.price), (7, Some(PriceChange::Percent(-15_000_000))));
        assert_eq!(
            (read.capacity.clone(), read.requirements.len()),
            (vec![("smarter-devices/fuse".into(), 2)], 1)
        );
        assert!(declared.not_modelled.is_empty() && declared.would_matter.is_empty());
    }

    #[test]
    fn prices_are_the_crds() {
        for (text, change) in [
            ("+0.5", Some(PriceChange::Add(500_000))),
            ("-.25", Some(PriceChange::Add(-250_000))),
            ("+150%", Some(PriceChange::Percent(150_000_000))),
            ("-99.5%", Some(PriceChange::Percent(-99_500_000))),
            ("-100%", Some(PriceChange::Percent(-100_000_000))),
            ("-101%", None),
            ("-.5%", None),
            ("0.5", None),
            ("+5.", None),
            ("+", None),
            ("", None),
            ("+1e3", None),
        ] {
            assert_eq!(adjustment(text), change, "{text}");
        }
        assert_eq!(absolute("0.05"), Some(PriceChange::Set(50_000)));
        assert_eq!([absolute(".5"), absolute("5."), absolute("-1"), absolute("")], [None; 4]);
    }

    #[test]
    fn what_the_crd_refuses_is_refused_where_it_is_written() {
        for (spec, code, path) in [
            ("price: \"1\", priceAdjustment: \"+1\", requirements: []", "CONF111", "spec.priceAdjustment"),
            ("price: cheap, requirements: []", "CONF102", "spec.price"),
            ("capacity: {memory: 1Gi}, requirements: []", "CONF102", "spec.capacity.memory"),
            ("weight: 0, requirements: []", "CONF102", "spec.weight"),
            ("weight: 1", "CONF104", "spec.requirements"),
            (
                "requirements: [{key: kubernetes.io/hostname, operator: Exists}]",
                "CONF112",
                "spec.requirements[0].key",
            ),
            ("requirements: [{key: a, operator: In}]", "CONF102", "spec.requirements[0].values"),
        ] {
            let lowered = lowered(&overlay(spec));
            let told = shown(&lowered.problems);
            assert!(told.contains(&format!("Error {code} [{path}]")), "{spec}: {told}");
            assert!(lowered.declared.node_overlays.is_empty(), "{spec}");
        }
        let v1 = overlay("requirements: []").replace("v1alpha1", "v1");
        assert!(shown(&lowered(&v1).problems).contains("Error CONF103 [apiVersion]"));
    }
}
