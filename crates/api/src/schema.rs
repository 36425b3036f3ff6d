//! Which fields a type has, at every depth: found by reading the type out of nothing.
//!
//! A serde `Deserializer` that answers every question with a small value and writes down what it was asked for. So
//! what is known here is what [`crate::reader`] accepts, by the names that are written; no list of fields is kept.

use std::cell::RefCell;

use serde::de::value::Error;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

/// Deeper fields are left out: nobody reaches them by one wrong indent.
const MAX_DEPTH: usize = 24;

/// Every field of `T` as a pointer, `*` for the items of a list, in the order of the type.
pub(crate) fn fields<T: DeserializeOwned>() -> Vec<String> {
    let found = RefCell::new(Vec::new());
    let tracer = Tracer { path: String::new(), above: &Above::Nothing, found: &found };
    // A type that does not accept the small values is known as far as it was read.
    let _ = T::deserialize(tracer);
    found.into_inner()
}

/// The structs that are being read: a type that holds itself is not followed again.
enum Above<'a> {
    Nothing,
    Struct(&'a Above<'a>, &'static str),
}

impl Above<'_> {
    fn holds(&self, name: &str) -> bool {
        match self {
            Above::Nothing => false,
            Above::Struct(above, this) => *this == name || above.holds(name),
        }
    }
}

struct Tracer<'a> {
    path: String,
    above: &'a Above<'a>,
    found: &'a RefCell<Vec<String>>,
}

impl<'de> de::Deserializer<'de> for Tracer<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(false)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str("")
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str("")
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = match name {
            "Quantity" => "0",
            "Time" | "MicroTime" => "2026-01-01T00:00:00Z",
            _ => return visitor.visit_newtype_struct(self),
        };
        visitor.visit_newtype_struct(text.into_deserializer())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(OneItem(Some(Tracer { path: format!("{}/*", self.path), ..self })))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Fields { tracer: &self, above: self.above, names: [].iter(), current: "" })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let follow = !self.above.holds(name) && self.path.matches('/').count() < MAX_DEPTH;
        let names = if follow { names } else { &[] };
        self.found.borrow_mut().extend(names.iter().map(|field| format!("{}/{field}", self.path)));
        let above = Above::Struct(self.above, name);
        visitor.visit_map(Fields { tracer: &self, above: &above, names: names.iter(), current: "" })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(variants.first().copied().unwrap_or_default().into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

/// One item stands for all.
struct OneItem<'a>(Option<Tracer<'a>>);

impl<'de> de::SeqAccess<'de> for OneItem<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.take().map(|item| seed.deserialize(item)).transpose()
    }
}

struct Fields<'a> {
    tracer: &'a Tracer<'a>,
    above: &'a Above<'a>,
    names: std::slice::Iter<'static, &'static str>,
    current: &'static str,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        // Kubernetes' types take no other kind than their own; there is nothing below these two anyway.
        let Some(name) = self.names.find(|name| !matches!(**name, "apiVersion" | "kind")) else {
            return Ok(None);
        };
        self.current = name;
        let key: de::value::StrDeserializer<'_, Error> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let path = format!("{}/{}", self.tracer.path, self.current);
        seed.deserialize(Tracer { path, above: self.above, found: self.tracer.found })
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
    use k8s_openapi::api::batch::v1::CronJob;
    use k8s_openapi::api::core::v1::{PersistentVolume, Pod};

    use super::*;
    use crate::profile::wire::WireCluster;

    fn whole<T: DeserializeOwned>() -> bool {
        let found = RefCell::new(Vec::new());
        T::deserialize(Tracer { path: String::new(), above: &Above::Nothing, found: &found }).is_ok()
    }

    #[test]
    fn fields_are_found_by_the_names_that_are_written() {
        let fields = fields::<WireCluster>();
        for field in [
            "/metadata",
            "/spec/network/subnets/*/reservations/*/type",
            "/spec/images/*/match",
            "/spec/nodeGroups/*/taints/*/effect",
            "/spec/faults/*/node/for",
        ] {
            assert!(fields.iter().any(|known| known == field), "{field}");
        }
        assert!(!fields.iter().any(|known| known.starts_with("/spec/nodeGroups/*/labels/")));
    }

    #[test]
    fn types_are_read_to_their_end() {
        assert!(whole::<WireCluster>() && whole::<crate::scenario::wire::WireScenario>());
        assert!(whole::<Pod>() && whole::<Deployment>() && whole::<StatefulSet>() && whole::<DaemonSet>());
        assert!(whole::<CronJob>() && whole::<PersistentVolume>());
        let fields = fields::<CronJob>();
        let container = "/spec/jobTemplate/spec/template/spec/containers/*/resources/limits";
        assert!(fields.iter().any(|known| known == container));
    }
}
