//! Images, registries, volumes, AWS facts, what exists, how long Jobs run.

use cluster::profile::{AwsFacts, ImageRule, PriceFact, Pull, Registry, Unavailable};
use cluster::{FieldPath, Name};
use serde_json::Value;

use super::Reading;
use super::wire::{
    WireAws, WireExisting, WireImage, WirePrice, WireRegistry, WireRuntime, WireUnavailable, WireVolume,
};
use crate::code;
use crate::context::Pattern;
use crate::selector::names;
use crate::suggest::did_you_mean;

impl Reading<'_, '_> {
    /// Rules as written, then the one that matches the rest.
    pub(super) fn images(&mut self, wires: &[WireImage]) -> Vec<ImageRule> {
        let path = FieldPath::of("/spec/images");
        let mut rules = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            let at = path.child(index);
            if wire.pattern.is_empty() {
                self.missing(&at.child("match"), "such as \"registry.example/*\"");
            }
            let pull = match wire.pull.as_deref() {
                None | Some("ok") => Pull::Ok,
                Some("unauthorized") => Pull::Unauthorized,
                Some("notFound") => Pull::NotFound,
                Some(other) => {
                    let known = ["ok", "unauthorized", "notFound"];
                    self.refuse(
                        &at.child("pull"),
                        format_args!("{other:?} is not one of {}", known.join(", ")),
                        did_you_mean(other, known),
                    );
                    Pull::Ok
                }
            };
            let known = ["amd64", "arm64"];
            for (index, arch) in wire
                .architectures
                .iter()
                .flatten()
                .enumerate()
                .filter(|(_, arch)| !known.contains(&arch.as_str()))
            {
                let help = match arch.as_str() {
                    "x86_64" | "x86-64" => Some("write amd64".to_owned()),
                    "aarch64" => Some("write arm64".to_owned()),
                    other => did_you_mean(other, known),
                };
                self.refuse(
                    &at.child("architectures").child(index),
                    format_args!("{arch:?} is not one of {}", known.join(", ")),
                    help,
                );
            }
            rules.push(ImageRule {
                pattern: wire.pattern.as_str().into(),
                os: wire.os.as_deref().unwrap_or("linux").into(),
                architectures: wire.architectures.as_deref().map_or_else(both, |list| names(Some(list))),
                pull,
            });
        }
        if !rules.iter().any(|rule| rule.pattern == "*") {
            self.gaps.take(&path, "/spec/images");
            rules.push(ImageRule {
                pattern: "*".into(),
                os: "linux".into(),
                architectures: both(),
                pull: Pull::Ok,
            });
        }
        rules
    }

    pub(super) fn registries(&mut self, wires: &[WireRegistry]) -> Vec<Registry> {
        let path = FieldPath::of("/spec/registries");
        let mut registries = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            let at = path.child(index);
            if wire.host.is_empty() {
                self.missing(&at.child("host"), "write the registry's host");
            }
            let pull_secret = wire.pull_secret.as_deref().and_then(|text| match text.split_once('/') {
                Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                    Some((Name::from(namespace), Name::from(name)))
                }
                _ => {
                    self.refuse(
                        &at.child("pullSecret"),
                        format_args!("{text:?} is not namespace/name"),
                        "such as apps/registry",
                    );
                    None
                }
            });
            let token_issued =
                wire.token_issued.as_deref().and_then(|text| self.instant(text, &at.child("tokenIssued")));
            registries.push(Registry {
                host: wire.host.as_str().into(),
                pull_secret,
                token_issued_unix_ms: token_issued,
            });
        }
        registries
    }

    pub(super) fn volumes(&mut self, wires: &[WireVolume]) -> Vec<(Name, u32)> {
        let path = FieldPath::of("/spec/volumes");
        let mut limits = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            let at = path.child(index);
            if wire.driver.is_empty() {
                self.missing(&at.child("driver"), "such as ebs.csi.aws.com");
            }
            match wire.attach_limit {
                Some(limit) => limits.push((Name::from(wire.driver.as_str()), limit)),
                None => self.missing(&at.child("attachLimit"), "write how many volumes a node takes"),
            }
        }
        limits
    }

    pub(super) fn aws(&mut self, wire: &WireAws) -> AwsFacts {
        self.gaps.unless(wire.service_linked_roles.is_some(), "/spec/aws/serviceLinkedRoles");
        self.gaps.unless(wire.controller_permissions.is_some(), "/spec/aws/controllerPermissions");
        let unreachable = wire.reachable.iter().filter(|(_, reachable)| !**reachable);
        AwsFacts {
            service_linked_roles: wire.service_linked_roles.as_deref().map(|roles| names(Some(roles))),
            unreachable: unreachable.map(|(service, _)| Name::from(service.as_str())).collect(),
            allowed_actions: self.permissions(wire.controller_permissions.as_ref()),
            unavailable: self.unavailable(&wire.unavailable),
            quotas: wire.quotas.iter().map(|(name, limit)| (Name::from(name.as_str()), *limit)).collect(),
            prices: self.prices(&wire.prices),
        }
    }

    /// `all`, or a list of IAM actions.
    fn permissions(&mut self, value: Option<&Value>) -> Option<Vec<Name>> {
        let actions = match value? {
            Value::String(text) if text == "all" => return None,
            Value::Array(items) => {
                items.iter().map(|item| item.as_str().map(Name::from)).collect::<Option<Vec<Name>>>()
            }
            _ => None,
        };
        if actions.is_none() {
            let path = FieldPath::of("/spec/aws/controllerPermissions");
            self.refuse(
                &path,
                "expected `all` or a list of IAM actions",
                "such as [ec2:CreateFleet, ec2:RunInstances]",
            );
        }
        actions
    }

    fn unavailable(&mut self, wires: &[WireUnavailable]) -> Vec<Unavailable> {
        let path = FieldPath::of("/spec/aws/unavailable");
        let text = |field: &Option<String>| {
            Name::from(field.as_deref().filter(|text| *text != "*").unwrap_or_default())
        };
        let mut facts = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            self.check_type(wire.instance_type.as_deref(), &path.child(index).child("instanceType"));
            self.check_capacity_type(wire.capacity_type.as_deref(), &path.child(index).child("capacityType"));
            let (instance_type, zone) = (text(&wire.instance_type), text(&wire.zone));
            facts.push(Unavailable { instance_type, zone, capacity_type: text(&wire.capacity_type) });
        }
        facts
    }

    fn prices(&mut self, wires: &[WirePrice]) -> Vec<PriceFact> {
        let path = FieldPath::of("/spec/aws/prices");
        let mut prices = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            let at = path.child(index);
            self.check_type(wire.instance_type.as_deref(), &at.child("instanceType"));
            self.check_capacity_type(wire.capacity_type.as_deref(), &at.child("capacityType"));
            let Some(instance_type) = wire.instance_type.as_deref() else {
                self.missing(&at.child("instanceType"), "write the instance type");
                continue;
            };
            let price = wire
                .usd_per_hour
                .as_ref()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            let Some(price_micro_usd) = price.as_deref().and_then(micros) else {
                self.refuse(
                    &at.child("usdPerHour"),
                    "expected an amount of dollars with at most six decimals",
                    "such as 0.031",
                );
                continue;
            };
            prices.push(PriceFact {
                instance_type: instance_type.into(),
                zone: wire.zone.as_deref().unwrap_or_default().into(),
                capacity_type: wire.capacity_type.as_deref().unwrap_or("on-demand").into(),
                price_micro_usd,
            });
        }
        prices
    }

    fn check_capacity_type(&mut self, text: Option<&str>, path: &FieldPath) {
        let known = ["on-demand", "spot", "reserved"];
        if let Some(other) = text.filter(|text| !known.contains(text) && *text != "*") {
            self.refuse(
                path,
                format_args!("{other:?} is not one of {}", known.join(", ")),
                did_you_mean(other, known),
            );
        }
    }

    /// Reports an instance type that the catalog does not know; answers whether it does.
    pub(super) fn check_type(&mut self, text: Option<&str>, path: &FieldPath) -> bool {
        let Some(text) = text.filter(|text| *text != "*" && !text.is_empty()) else { return true };
        let types = self.catalog.instance_types();
        let known = types.is_empty() || self.catalog.instance_type(text).is_some();
        if !known {
            let help = did_you_mean(text, types.iter().map(|it| it.name.as_str()));
            self.reporter.error(
                path,
                code::UNKNOWN_INSTANCE_TYPE,
                format!("{path}: there is no instance type {text:?}"),
                help,
            );
        }
        known
    }

    pub(super) fn existing(&mut self, wires: &[WireExisting]) -> Vec<(Pattern, bool)> {
        let path = FieldPath::of("/spec/existing");
        let mut rules = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            let at = path.child(index);
            if wire.kind.is_empty() {
                self.missing(&at.child("kind"), "write the kind, or \"*\"");
            }
            let running = match wire.pods.as_deref() {
                Some("running") => true,
                Some("gone") => false,
                None => {
                    self.gaps.take(&at.child("pods"), "/spec/existing/*/pods");
                    true
                }
                Some(other) => {
                    self.refuse(
                        &at.child("pods"),
                        format_args!("{other:?} is not one of running, gone"),
                        did_you_mean(other, ["running", "gone"]),
                    );
                    true
                }
            };
            rules.push((pattern(&wire.kind, &wire.namespace, &wire.name), running));
        }
        rules
    }

    pub(super) fn runtimes(&mut self, wires: &[WireRuntime]) -> Vec<(Pattern, i64)> {
        let path = FieldPath::of("/spec/runtimes");
        let mut rules = Vec::new();
        for (index, wire) in wires.iter().enumerate() {
            let at = path.child(index);
            let Some(text) = wire.duration.as_deref() else {
                self.missing(&at.child("duration"), "such as 60s");
                continue;
            };
            if let Some(ms) = self.duration(text, &at.child("duration")) {
                rules.push((pattern(&wire.kind, &wire.namespace, &wire.name), ms));
            }
        }
        rules
    }
}

fn both() -> Vec<Name> {
    vec!["amd64".into(), "arm64".into()]
}

fn pattern(kind: &str, namespace: &str, name: &str) -> Pattern {
    Pattern { kind: kind.into(), namespace: namespace.into(), name: name.into() }
}

/// Dollars in millionths, without floats; more than six decimals are cut off.
pub(crate) fn micros(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) || whole.len() > 9 {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(whole * 1_000_000 + fraction.parse::<i64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_without_floats() {
        assert_eq!(micros("0.031"), Some(31_000));
        assert_eq!(micros("12"), Some(12_000_000));
        assert_eq!(micros(".5"), Some(500_000));
        assert_eq!(micros("-1"), None);
        assert_eq!(micros("1e-3"), None);
    }
}
