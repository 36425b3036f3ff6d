//! Reads a typed value out of a JSON value the way Kubernetes' API server does: `null` is the zero value, a number
//! is a quantity, unknown fields are reported with their path and do not stop the rest, a wrong type is reported
//! with the exact path of the field.
//!
//! A serde `Deserializer` over `&serde_json::Value` of our own, because the known field names (for "did you mean")
//! are visible only to the deserializer. No Kubernetes type is known here but `Quantity`, by name.
//! Follows `k8s.io/apimachinery` v0.36 `pkg/runtime/serializer/json` (strict decoding) in meaning.

use std::cell::RefCell;
use std::fmt;

use cluster::FieldPath;
use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use serde_json::Value;

/// A field that the type does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownField {
    /// Where it is, the field included.
    pub(crate) path: FieldPath,
    /// The field.
    pub(crate) field: String,
    /// The fields that are known there.
    pub(crate) known: &'static [&'static str],
}

/// Why a value could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadError {
    /// Where; set by the innermost reader that sees the error pass.
    pub(crate) path: Option<FieldPath>,
    /// What is wrong, without a full stop.
    pub(crate) message: String,
}

/// Reads `value` as a `T`; unknown fields come back beside it.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> (Result<T, ReadError>, Vec<UnknownField>) {
    let unknown = RefCell::new(Vec::new());
    let result = T::deserialize(Reader { value, path: &Path::Root, unknown: &unknown });
    let result = result.map_err(|error| error.placed(&Path::Root));
    (result, unknown.into_inner())
}

/// The path down to a value, kept on the stack: nothing is allocated unless something is wrong.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn field_path(&self) -> FieldPath {
        match self {
            Path::Root => FieldPath::root(),
            Path::Key(parent, key) => parent.field_path().child(key),
            Path::Index(parent, index) => parent.field_path().child(index),
        }
    }
}

#[derive(Clone, Copy)]
struct Reader<'v, 'p> {
    value: &'v Value,
    path: &'p Path<'p>,
    unknown: &'p RefCell<Vec<UnknownField>>,
}

impl ReadError {
    fn placed(mut self, path: &Path<'_>) -> ReadError {
        self.path.get_or_insert_with(|| path.field_path());
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> ReadError {
        ReadError { path: None, message: message.to_string() }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        de::Error::custom(format_args!("expected {}, found {}", Wanted(expected), Found(found)))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        de::Error::custom(format_args!("expected {}, found {}", Wanted(expected), Found(found)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> ReadError {
        de::Error::custom(format_args!("{variant:?} is not one of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> ReadError {
        de::Error::custom(format_args!("the field {field} is required"))
    }
}

/// What is wanted, in the words of a YAML author: serde's and the types' own names are nobody's business.
struct Wanted<'e>(&'e dyn de::Expected);

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.to_string();
        f.write_str(match name.as_str() {
            "a sequence" => "a list",
            "a map" => "a mapping",
            "u8" | "u16" | "u32" | "u64" => "a whole number that is not negative",
            "i8" | "i16" | "i32" | "i64" | "a 32-bit integer" => "a whole number",
            "f32" | "f64" => "a number",
            "IntOrString" => "a whole number or a string",
            "Quantity" => "a quantity",
            "Time" | "MicroTime" => "an instant",
            other => other,
        })
    }
}

/// What was found, in the words of a YAML author.
struct Found<'u>(de::Unexpected<'u>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            de::Unexpected::Unsigned(number) => write!(f, "the number {number}"),
            de::Unexpected::Signed(number) => write!(f, "the number {number}"),
            de::Unexpected::Float(number) => write!(f, "the number {number}"),
            de::Unexpected::Bool(value) => write!(f, "the boolean {value}"),
            de::Unexpected::Str(text) => write!(f, "the string {text:?}"),
            de::Unexpected::Seq => f.write_str("a list"),
            de::Unexpected::Map => f.write_str("a mapping"),
            de::Unexpected::Unit => f.write_str("nothing"),
            other => other.fmt(f),
        }
    }
}

fn unexpected(value: &Value) -> de::Unexpected<'_> {
    match value {
        Value::Null => de::Unexpected::Unit,
        Value::Bool(value) => de::Unexpected::Bool(*value),
        Value::String(text) => de::Unexpected::Str(text),
        Value::Array(_) => de::Unexpected::Seq,
        Value::Object(_) => de::Unexpected::Map,
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => de::Unexpected::Unsigned(value),
            (_, Some(value)) => de::Unexpected::Signed(value),
            _ => de::Unexpected::Float(number.as_f64().unwrap_or(f64::MAX)),
        },
    }
}

macro_rules! scalars {
    ($($method:ident => $zero:expr;)*) => { $(
        /// `null` leaves a field at its zero value, as Go's decoder does.
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            if self.value.is_null() { $zero(visitor) } else { self.deserialize_any(visitor) }
        }
    )* };
}

impl<'de, 'p> de::Deserializer<'de> for Reader<'de, 'p> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items { reader: self, items: items.iter(), next: 0 }),
            Value::Object(fields) => {
                visitor.visit_map(Fields { reader: self, fields: fields.iter(), current: None })
            }
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, value) => visitor.visit_f64(value.unwrap_or(f64::MAX)),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Number(number) if name == "Quantity" => {
                let text: StringDeserializer<ReadError> = number.to_string().into_deserializer();
                visitor.visit_newtype_struct(text)
            }
            Value::Null if name == "Quantity" => {
                let text: StringDeserializer<ReadError> = "0".to_owned().into_deserializer();
                visitor.visit_newtype_struct(text)
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if let Value::Object(fields) = self.value {
            for field in fields.keys().filter(|field| !known.contains(&field.as_str())) {
                let path = Path::Key(self.path, field).field_path();
                self.unknown.borrow_mut().push(UnknownField { path, field: field.clone(), known });
            }
        }
        match self.value {
            Value::Object(_) | Value::Null => self.deserialize_map(visitor),
            other => Err(de::Error::invalid_type(unexpected(other), &"a mapping")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.value {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            other => Err(de::Error::invalid_type(unexpected(other), &"a string")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    scalars! {
        deserialize_bool => |visitor: V| visitor.visit_bool(false);
        deserialize_i8 => |visitor: V| visitor.visit_i64(0);
        deserialize_i16 => |visitor: V| visitor.visit_i64(0);
        deserialize_i32 => |visitor: V| visitor.visit_i64(0);
        deserialize_i64 => |visitor: V| visitor.visit_i64(0);
        deserialize_u8 => |visitor: V| visitor.visit_u64(0);
        deserialize_u16 => |visitor: V| visitor.visit_u64(0);
        deserialize_u32 => |visitor: V| visitor.visit_u64(0);
        deserialize_u64 => |visitor: V| visitor.visit_u64(0);
        deserialize_f32 => |visitor: V| visitor.visit_f64(0.0);
        deserialize_f64 => |visitor: V| visitor.visit_f64(0.0);
        deserialize_str => |visitor: V| visitor.visit_str("");
        deserialize_string => |visitor: V| visitor.visit_str("");
        deserialize_seq => |visitor: V| visitor.visit_seq(Nothing);
        deserialize_map => |visitor: V| visitor.visit_map(Nothing);
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Items<'v, 'p> {
    reader: Reader<'v, 'p>,
    items: std::slice::Iter<'v, Value>,
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'de, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(value) = self.items.next() else { return Ok(None) };
        let path = Path::Index(self.reader.path, self.next);
        self.next += 1;
        let reader = Reader { value, path: &path, unknown: self.reader.unknown };
        seed.deserialize(reader).map(Some).map_err(|error| error.placed(&path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Fields<'v, 'p> {
    reader: Reader<'v, 'p>,
    fields: serde_json::map::Iter<'v>,
    current: Option<(&'v str, &'v Value)>,
}

impl<'de> de::MapAccess<'de> for Fields<'de, '_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((key, value)) = self.fields.next() else { return Ok(None) };
        self.current = Some((key, value));
        let path = Path::Key(self.reader.path, key);
        let key: de::value::BorrowedStrDeserializer<'de, ReadError> =
            de::value::BorrowedStrDeserializer::new(key);
        seed.deserialize(key).map(Some).map_err(|error| error.placed(&path))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ReadError> {
        let Some((key, value)) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let path = Path::Key(self.reader.path, key);
        let reader = Reader { value, path: &path, unknown: self.reader.unknown };
        seed.deserialize(reader).map_err(|error| error.placed(&path))
    }
}

/// What `null` read as a mapping or a list contains.
struct Nothing;

impl<'de> de::SeqAccess<'de> for Nothing {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        _seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        Ok(None)
    }
}

impl<'de> de::MapAccess<'de> for Nothing {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _seed: K) -> Result<Option<K::Value>, ReadError> {
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, _seed: T) -> Result<T::Value, ReadError> {
        Err(de::Error::custom("nothing has no value"))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_carry_their_path_and_what_is_known() {
        let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"template": {"spec": {"containers": [{"name": "a", "hostport": 1}], "hostnetwork": true}}}});
        let (result, unknown) = read::<Deployment>(&value);
        assert!(result.is_ok());
        let paths: Vec<String> = unknown.iter().map(|field| field.path.to_string()).collect();
        assert_eq!(paths, ["spec.template.spec.hostnetwork", "spec.template.spec.containers[0].hostport"]);
        assert!(unknown[0].known.contains(&"hostNetwork"));
    }

    #[test]
    fn a_wrong_type_is_reported_where_it_is() {
        let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec":
            {"containers": [{"name": "a"}, {"name": "b", "env": [{"name": "PORT", "value": 8080}]}]}}}});
        let error = read::<Deployment>(&value).0.unwrap_err();
        assert_eq!(error.path.unwrap().to_string(), "spec.template.spec.containers[1].env[0].value");
        assert_eq!(error.message, "expected a string, found the number 8080");
    }

    #[test]
    fn null_is_a_quantity_of_zero() {
        let value = json!({"limits": {"cpu": null}});
        let (read, _) = read::<k8s_openapi::api::core::v1::ResourceRequirements>(&value);
        assert_eq!(read.unwrap().limits.unwrap()["cpu"].0, "0");
    }

    #[test]
    fn null_is_the_zero_value_and_numbers_are_quantities() {
        let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": null, "spec": {"replicas": null,
            "template": {"spec": {"nodeSelector": {"a": null}, "tolerations": null,
                "containers": [{"name": "a", "resources": {"requests": {"cpu": 1, "memory": 0.5}}}]}}}});
        let deployment = read::<Deployment>(&value).0.unwrap();
        let spec = deployment.spec.unwrap();
        assert_eq!(spec.replicas, None);
        let pod = spec.template.spec.unwrap();
        assert_eq!(pod.node_selector.unwrap()["a"], "");
        let requests = pod.containers[0].resources.clone().unwrap().requests.unwrap();
        assert_eq!((requests["cpu"].0.as_str(), requests["memory"].0.as_str()), ("1", "0.5"));
    }
}
