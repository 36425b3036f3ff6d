//! Karpenter's own settings, read from its container's flags and environment.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/operator/options` and `aws/karpenter-provider-aws` v1.14.1
//! `pkg/operator/options`.

use cluster::declared::KarpenterSettings;

use crate::code;
use crate::duration;
use crate::environment::{Environment, parse_bool};
use crate::problem::Reporter;

/// The settings; what does not parse keeps Karpenter from starting, and is reported.
pub(crate) fn settings(environment: &Environment, reporter: &mut Reporter<'_>) -> KarpenterSettings {
    let (settings, wrong) = read(environment);
    for wrong in wrong {
        let message = format!("{wrong}: Karpenter does not start; its default is taken");
        reporter.warning(&environment.path, code::BAD_VALUE, message, "");
    }
    for name in gates(environment).filter(|(name, on)| *on && *name == "CapacityBuffer").map(|(name, _)| name)
    {
        let message = format!("feature gate {name} is on and not modelled");
        reporter.warning(&environment.path, code::NOT_MODELLED, message, "");
    }
    settings
}

/// The settings that environment variables say.
///
/// # Errors
/// The first one that keeps Karpenter from starting: its flag, and what it should be.
pub fn karpenter_settings(variables: &[(&str, &str)]) -> Result<KarpenterSettings, String> {
    let mut environment = Environment::default();
    variables.iter().for_each(|(name, value)| environment.set(name, *value));
    let (settings, wrong) = read(&environment);
    wrong.into_iter().next().map_or(Ok(settings), Err)
}

/// Feature gates that are said, and whether each is on.
fn gates(environment: &Environment) -> impl Iterator<Item = (&str, bool)> {
    let said = environment.option("feature-gates").unwrap_or_default().split(',');
    let pairs = said.filter_map(|gate| gate.trim().split_once('='));
    pairs.filter_map(|(name, value)| Some((name.trim(), parse_bool(value.trim())?)))
}

/// The settings, and what does not parse: its flag, and what it should be.
fn read(environment: &Environment) -> (KarpenterSettings, Vec<String>) {
    let mut settings = KarpenterSettings::default();
    let mut all_wrong = Vec::new();
    let mut wrong =
        |flag: &str, text: &str, wanted: &str| all_wrong.push(format!("{flag}: {text:?} is not {wanted}"));
    for (flag, field) in [
        ("batch-idle-duration", &mut settings.batch_idle_ms),
        ("batch-max-duration", &mut settings.batch_max_ms),
    ] {
        let Some(text) = environment.option(flag) else { continue };
        match duration::parse_ms(text) {
            Ok(ms) => *field = ms.max(0),
            Err(_) => wrong(flag, text, "a duration"),
        }
    }
    if let Some(text) = environment.option("vm-memory-overhead-percent") {
        match parse_share(text) {
            Some(share) => settings.vm_memory_overhead_millipercent = share,
            None => wrong("vm-memory-overhead-percent", text, "a share such as 0.075"),
        }
    }
    if let Some(text) = environment.option("reserved-enis") {
        match text.parse() {
            Ok(count) => settings.reserved_enis = count,
            Err(_) => wrong("reserved-enis", text, "a number"),
        }
    }
    match environment.option("preference-policy") {
        None | Some("" | "Respect") => {}
        Some("Ignore") => settings.ignore_preferences = true,
        Some(other) => wrong("preference-policy", other, "Respect or Ignore"),
    }
    match environment.option("min-values-policy") {
        None | Some("" | "Strict") => {}
        Some("BestEffort") => settings.min_values_best_effort = true,
        Some(other) => wrong("min-values-policy", other, "Strict or BestEffort"),
    }
    for (name, on) in gates(environment) {
        match name {
            "SpotToSpotConsolidation" => settings.spot_to_spot = on,
            "ReservedCapacity" => settings.reserved_capacity = on,
            "StaticCapacity" => settings.static_capacity = on,
            "NodeRepair" => settings.node_repair = on,
            "NodeOverlay" => settings.node_overlay = on,
            _ => {}
        }
    }
    (settings, all_wrong)
}

/// A share (`0.075`) in thousandths of a percent (7500), without floats.
fn parse_share(text: &str) -> Option<i64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if whole.is_empty() && fraction.is_empty()
        || !(whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let whole: i64 =
        if whole.is_empty() { 0 } else { whole.parse().ok().filter(|whole| (0..1000).contains(whole))? };
    let digits: String = fraction.chars().chain("00000".chars()).take(5).collect();
    Some(whole * 100_000 + digits.parse::<i64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_without_floats() {
        assert_eq!(parse_share("0.075"), Some(7_500));
        assert_eq!(parse_share(".1"), Some(10_000));
        assert_eq!(parse_share("0"), Some(0));
        assert_eq!(parse_share("1"), Some(100_000));
        assert_eq!(parse_share("x"), None);
        assert_eq!(parse_share("-0.1"), None);
    }

    #[test]
    fn settings_are_read_from_the_environment() {
        let settings = karpenter_settings(&[
            ("BATCH_IDLE_DURATION", "2s"),
            ("RESERVED_ENIS", "1"),
            ("PREFERENCE_POLICY", "Ignore"),
            ("FEATURE_GATES", "ReservedCapacity=false, SpotToSpotConsolidation=true, StaticCapacity=true"),
        ])
        .unwrap();
        assert_eq!(
            (settings.batch_idle_ms, settings.batch_max_ms, settings.reserved_enis),
            (2_000, 10_000, 1)
        );
        assert!(settings.ignore_preferences && settings.spot_to_spot && !settings.reserved_capacity);
        assert!(settings.static_capacity && !KarpenterSettings::default().static_capacity);
        let wrong = karpenter_settings(&[("BATCH_IDLE_DURATION", "soon")]).unwrap_err();
        assert_eq!(wrong, "batch-idle-duration: \"soon\" is not a duration");
    }
}
