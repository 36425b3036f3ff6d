//! An object as it was handed over, and what its header says: kind, name, labels, owners. Nothing about its body.

use std::sync::Arc;

use cluster::{FieldPath, Kind, Labels, Location, Name, ObjectKey};
use serde_json::Value;

use crate::arrival;
use crate::group::{self, Scope};
use crate::problem::Problems;
use crate::{Problem, code};

/// One object of the input. `List`s are already unfolded.
#[derive(Clone, Debug)]
pub struct RawObject {
    /// The object, as JSON.
    pub value: Arc<Value>,
    /// Where the object starts inside its document: the root, or `/items/N` of a `List`.
    pub root: FieldPath,
    /// Which document of the input it came from; an index that `sources` understands.
    pub document: u32,
}

/// An object whose header was read.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// The object as handed over.
    pub(crate) raw: RawObject,
    /// Its identity.
    pub(crate) key: ObjectKey,
    /// The group and the version of `apiVersion`.
    pub(crate) group: Name,
    /// See `group`.
    pub(crate) version: Name,
    /// `metadata.labels`.
    pub(crate) labels: Labels,
    /// `metadata.annotations`.
    pub(crate) annotations: Labels,
    /// Position in the stream.
    pub(crate) index: u32,
    /// Where things in it are said to be.
    pub(crate) place: Place,
    /// An add-on that the profile brings.
    pub(crate) addon: bool,
    /// From a live cluster: it has a uid or a status that a controller wrote.
    pub(crate) live: bool,
}

/// How locations inside an object are made: its own fields, or one fixed field of the profile for what the profile
/// brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The object, or the profile's field.
    pub(crate) base: Location,
    /// Everything is at `base`.
    pub(crate) fixed: bool,
}

impl Place {
    /// The location of a field.
    pub(crate) fn at(&self, tail: &str) -> Location {
        if self.fixed { self.base.clone() } else { self.base.at(tail) }
    }
}

impl Object {
    /// Stands for a document that was not given.
    pub(crate) fn made_up(place: &Place) -> Object {
        let value = Arc::new(Value::Null);
        Object {
            raw: RawObject { value, root: FieldPath::root(), document: 0 },
            key: place.base.object.clone(),
            group: Name::default(),
            version: Name::default(),
            labels: Labels::new(),
            annotations: Labels::new(),
            index: 0,
            place: place.clone(),
            addon: false,
            live: false,
        }
    }

    /// The object's body.
    pub(crate) fn value(&self) -> &Value {
        &self.raw.value
    }

    /// A field by JSON pointer. Every object is asked for dozens: where nothing is escaped, nothing is copied.
    pub(crate) fn field(&self, pointer: &str) -> Option<&Value> {
        if pointer.contains('~') || !pointer.starts_with('/') {
            return self.raw.value.pointer(pointer);
        }
        pointer.split('/').skip(1).try_fold(self.raw.value.as_ref(), |value, token| match value {
            Value::Object(fields) => fields.get(token),
            Value::Array(items) => items.get(token.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The kind and name of the owner that made it.
    pub(crate) fn controller(&self) -> Option<(&str, &str)> {
        let owners = self.field("/metadata/ownerReferences")?.as_array()?;
        let owner = owners
            .iter()
            .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
            .or(owners.first())?;
        Some((owner.get("kind")?.as_str()?, owner.get("name")?.as_str()?))
    }
}

/// Reads the headers. What is no object is reported; of two documents with one key the later one stays.
pub(crate) fn read_all(raws: &[RawObject], problems: &mut Problems) -> Vec<Object> {
    let mut objects: Vec<Option<Object>> = Vec::with_capacity(raws.len());
    let mut by_key: std::collections::BTreeMap<(ObjectKey, Name), usize> = Default::default();
    for (index, raw) in raws.iter().enumerate() {
        let Some(mut object) = read_header(raw, u32::try_from(index).unwrap_or(u32::MAX), problems) else {
            continue;
        };
        let mut number = 0_u32;
        while is_generated(&object) && by_key.contains_key(&(object.key.clone(), object.group.clone())) {
            number = number.saturating_add(1);
            object.key.name = generated_name(&raw.value, number);
            object.place = Place { base: Location::object(object.key.clone()), fixed: false };
        }
        let single = !matches!(object.key.kind, Kind::Cluster);
        if let Some(earlier) =
            by_key.insert((object.key.clone(), object.group.clone()), objects.len()).filter(|_| single)
            && let Some(earlier) = objects[earlier].take()
        {
            object.live |= earlier.live;
            problems.push(duplicate(&object, &earlier));
        }
        objects.push(Some(object));
    }
    objects.into_iter().flatten().collect()
}

/// The name is made by the API server: two such documents are two objects.
fn is_generated(object: &Object) -> bool {
    object.field("/metadata/name").and_then(Value::as_str).unwrap_or_default().is_empty()
        && object.field("/metadata/generateName").is_some()
}

/// The name that the document with `metadata.generateName` gets here when `number` earlier ones have the same
/// prefix; the API server's own suffix is random.
pub fn generated_name(value: &Value, number: u32) -> Name {
    let prefix = value.pointer("/metadata/generateName").and_then(Value::as_str).unwrap_or_default();
    if number == 0 { Name::from(prefix) } else { Name::from(format!("{prefix}{number}")) }
}

fn duplicate(object: &Object, earlier: &Object) -> Problem {
    let twice = object.raw.value == earlier.raw.value;
    Problem {
        severity: if twice || earlier.live { crate::Severity::Note } else { crate::Severity::Warning },
        code: code::DUPLICATE_OBJECT,
        document: object.raw.document,
        path: object.raw.root.join(&FieldPath::of("/metadata/name")),
        message: format!("{} is declared twice; this one replaces the earlier one", object.key),
        help: Some("keep one of the two documents".to_owned()),
    }
}

fn read_header(raw: &RawObject, index: u32, problems: &mut Problems) -> Option<Object> {
    let text = |pointer: &str| raw.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let mut refuse = |path: &str, code, message: &str, help: &str| {
        problems.error_at(raw, &FieldPath::of(path), code, message.to_owned(), Some(help.to_owned()));
    };
    if raw.value.is_null() || raw.value.as_object().is_some_and(serde_json::Map::is_empty) {
        return None;
    }
    if !raw.value.is_object() || kind.is_empty() || api_version.is_empty() {
        let missing = if kind.is_empty() { "kind" } else { "apiVersion" };
        refuse(
            "",
            code::MALFORMED_OBJECT,
            &format!("the document is no Kubernetes object: {missing} is missing"),
            "write apiVersion, kind and metadata.name",
        );
        return None;
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = group::kind_of(group, kind);
    let named = matches!(kind, Kind::Cluster | Kind::Scenario);
    let name = match (text("/metadata/name"), text("/metadata/generateName")) {
        ("", "") if named => "profile",
        ("", "") => {
            refuse(
                "/metadata",
                code::MALFORMED_OBJECT,
                &format!("{kind} has no metadata.name"),
                "add metadata.name",
            );
            return None;
        }
        ("", prefix) => prefix,
        (name, _) => name,
    };
    let namespace = match (group::scope_of(&kind, group), text("/metadata/namespace")) {
        (Scope::Cluster, _) => "",
        (Scope::Namespaced, "") => "default",
        (_, namespace) => namespace,
    };
    let key = ObjectKey::new(kind, namespace, name);
    Some(Object {
        place: Place { base: Location::object(key.clone()), fixed: false },
        group: group.into(),
        version: version.into(),
        labels: strings(raw.value.pointer("/metadata/labels")),
        annotations: strings(raw.value.pointer("/metadata/annotations")),
        index,
        addon: false,
        live: arrival::is_live(&raw.value),
        raw: raw.clone(),
        key,
    })
}

/// The string values of a mapping; others are reported where the object is decoded.
fn strings(value: Option<&Value>) -> Labels {
    let fields = value.and_then(Value::as_object);
    fields
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((Name::from(key.as_str()), Name::from(value.as_str()?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::{lowered, shown};

    #[test]
    fn names_that_the_api_server_makes_are_different_ones() {
        let pod = |name: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{{name}}}\nspec: {{containers: [{{name: a, image: a}}]}}\n"
            )
        };
        let twice = |name: &str| lowered(&format!("{}---\n{}", pod(name), pod(name)));
        let made = twice("generateName: a-");
        assert_eq!(shown(&made.problems), "");
        let names: Vec<&str> = made.declared.workloads.iter().map(|pod| pod.key.name.as_str()).collect();
        assert_eq!(names, ["a-", "a-1"]);
        let written = twice("name: a");
        assert_eq!((written.declared.workloads.len(), written.problems[0].code), (1, "CONF105"));
    }
}
