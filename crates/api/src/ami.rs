//! Which AMI family a node class asks for: `amiSelectorTerms` and `amiFamily`.
//!
//! Follows `aws/karpenter-provider-aws` v1.14.1 `pkg/apis/v1/ec2nodeclass.go` (CEL rules and `AMIFamily`).

use std::collections::BTreeMap;

use cluster::FieldPath;
use cluster::node_class::AmiFamily;
use serde::Deserialize;

use crate::code;
use crate::problem::Reporter;
use crate::suggest::did_you_mean;

/// One of `amiSelectorTerms`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WireAmiTerm {
    alias: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    id: Option<String>,
    name: Option<String>,
    owner: Option<String>,
    ssm_parameter: Option<String>,
}

/// Families that may be written.
const FAMILIES: [&str; 7] =
    ["AL2", "AL2023", "Bottlerocket", "Custom", "Windows2019", "Windows2022", "Windows2025"];

/// `spec.amiFamily`, else the alias's family.
pub(crate) fn ami_family(
    wires: &[WireAmiTerm],
    written: Option<&str>,
    reporter: &mut Reporter<'_>,
) -> AmiFamily {
    let path = FieldPath::of("/spec/amiSelectorTerms");
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
    let written = written.map(|text| {
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
