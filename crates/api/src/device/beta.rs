//! `resource.k8s.io/v1beta1` and `v1beta2` brought into the shape of `v1`.
//!
//! Follows `k8s.io/kubernetes` v1.36 `pkg/apis/resource/v1beta1/conversion.go`: in `v1beta1` a request's fields stand
//! beside its name, and a device's under `basic`. `v1alpha3` has other kinds of allocation and is not read.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Reader;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::{code, reader};

/// Whether a request's fields stand beside its name.
pub(super) fn is_flat(object: &Object) -> bool {
    object.version == "v1beta1"
}

/// Decodes an object of any version that is read; `None` when it was refused.
pub(super) fn decode_any<T: DeserializeOwned>(reader: &mut Reader<'_, '_>) -> Option<T> {
    match reader.object.version.as_str() {
        "v1" => decode(reader.object, Strictness::Prune, reader.reporter),
        "v1beta1" | "v1beta2" => {
            let mut value = reader.object.value().clone();
            if is_flat(reader.object) {
                raise(&mut value);
            }
            value["apiVersion"] = format!("{}/v1", super::GROUP).into();
            let (read, _) = reader::read(&value);
            read.map_err(|error| reader.reporter.unreadable(&cluster::FieldPath::root(), error)).ok()
        }
        version => {
            let kind = reader.object.key.kind.as_str();
            let message = format!("no matches for kind {kind:?} in version \"{}/{version}\"", super::GROUP);
            let path = cluster::FieldPath::of("/apiVersion");
            let help = format!("write `apiVersion: {}/v1`", super::GROUP);
            reader.reporter.error(&path, code::WRONG_API_VERSION, message, help);
            None
        }
    }
}

fn raise(value: &mut Value) {
    for pointer in ["/spec/devices/requests", "/spec/spec/devices/requests"] {
        for request in value.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten() {
            raise_request(request);
        }
    }
    for device in value.pointer_mut("/spec/devices").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(fields) = device.as_object_mut() else { continue };
        if let Some(Value::Object(basic)) = fields.shift_remove("basic") {
            fields.extend(basic);
        }
    }
}

fn raise_request(request: &mut Value) {
    let Some(fields) = request.as_object_mut() else { return };
    if fields.contains_key("firstAvailable") {
        return;
    }
    let (own, exactly): (Map<String, Value>, Map<String, Value>) =
        std::mem::take(fields).into_iter().partition(|(field, _)| field == "name");
    *fields = own;
    fields.insert("exactly".into(), exactly.into());
}
