//! A container's settings: environment variables and `--flag=value` arguments.

use std::collections::BTreeMap;

use cluster::{FieldPath, Kind, Name, ObjectKey};
use k8s_openapi::api::core::v1 as core;

/// The data of ConfigMaps of the input.
pub(crate) type ConfigMaps = BTreeMap<ObjectKey, BTreeMap<Name, Name>>;

/// The settings of one container.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<Name, Name>,
    flags: BTreeMap<Name, Name>,
    /// Where they are written, inside the object.
    pub(crate) path: FieldPath,
}

impl Environment {
    /// Out of a container; ConfigMaps of the input are followed.
    pub(crate) fn of(
        container: &core::Container,
        namespace: &Name,
        config_maps: &ConfigMaps,
        path: FieldPath,
    ) -> Environment {
        let mut environment = Environment { path, ..Environment::default() };
        let map = |name: &str| config_maps.get(&ObjectKey::new(Kind::ConfigMap, namespace.clone(), name));
        for source in container.env_from.iter().flatten() {
            let prefix = source.prefix.as_deref().unwrap_or_default();
            let data = source.config_map_ref.as_ref().and_then(|reference| map(&reference.name));
            for (key, value) in data.into_iter().flatten() {
                environment.variables.insert(Name::from(format!("{prefix}{key}")), value.clone());
            }
        }
        for variable in container.env.iter().flatten() {
            let reference =
                variable.value_from.as_ref().and_then(|source| source.config_map_key_ref.as_ref());
            let value = match (&variable.value, reference) {
                (Some(value), _) => Some(Name::from(value.as_str())),
                (None, Some(reference)) => {
                    map(&reference.name).and_then(|data| data.get(reference.key.as_str()).cloned())
                }
                (None, None) => None,
            };
            environment.variables.extend(value.map(|value| (Name::from(variable.name.as_str()), value)));
        }
        environment.read_flags(container.command.iter().flatten().chain(container.args.iter().flatten()));
        environment
    }

    fn read_flags<'a>(&mut self, words: impl Iterator<Item = &'a String>) {
        let mut pending: Option<Name> = None;
        for word in words {
            let flag = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
            match (flag, pending.take()) {
                (Some(flag), _) => match flag.split_once('=') {
                    Some((name, value)) => {
                        self.flags.insert(name.into(), value.into());
                    }
                    None => {
                        self.flags.insert(flag.into(), Name::from("true"));
                        pending = Some(flag.into());
                    }
                },
                (None, Some(name)) => {
                    self.flags.insert(name, word.as_str().into());
                }
                (None, None) => {}
            }
        }
    }

    /// Sets a variable.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Name>) {
        self.variables.insert(name.into(), value.into());
    }

    /// A variable.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(Name::as_str)
    }

    /// A flag (`batch-idle-duration`), else the variable of the same meaning (`BATCH_IDLE_DURATION`).
    pub(crate) fn option(&self, flag: &str) -> Option<&str> {
        let variable = flag.to_ascii_uppercase().replace('-', "_");
        self.flags.get(flag).map(Name::as_str).or_else(|| self.text(&variable))
    }

    /// A variable as a whole number.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|text| text.trim().parse().ok())
    }

    /// A variable as Go's `strconv.ParseBool` reads it; the default where it is absent or something else.
    pub(crate) fn boolean(&self, name: &str, default: bool) -> bool {
        self.text(name).and_then(parse_bool).unwrap_or(default)
    }
}

/// Go's `strconv.ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_variables_and_config_maps_are_followed() {
        let container: core::Container = serde_json::from_value(serde_json::json!({
            "name": "controller",
            "args": ["--batch-idle-duration=2s", "--reserved-enis", "1", "-v"],
            "envFrom": [{"configMapRef": {"name": "settings"}}],
            "env": [{"name": "BATCH_IDLE_DURATION", "value": "5s"},
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}}],
        }))
        .unwrap();
        let key = ObjectKey::new(Kind::ConfigMap, "karpenter", "settings");
        let data = BTreeMap::from([("a".into(), "1".into()), ("BATCH_MAX_DURATION".into(), "20s".into())]);
        let maps = ConfigMaps::from([(key, data)]);
        let environment = Environment::of(&container, &"karpenter".into(), &maps, FieldPath::root());
        assert_eq!(environment.option("batch-idle-duration"), Some("2s"));
        assert_eq!(environment.option("reserved-enis"), Some("1"));
        assert_eq!(environment.option("batch-max-duration"), Some("20s"));
        assert_eq!(environment.text("A"), Some("1"));
    }
}
