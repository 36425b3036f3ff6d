//! An input as the Go program wants it, and what is in it for the engine's side.

use std::sync::Arc;

use cluster::requirements::{Requirement, Requirements, WELL_KNOWN_LABELS};
use cluster::{Name, Quantity, Resources, SelectorOperator};
use provisioning::market::Offers;
use provisioning::{Market, Offering, PoolMarket, Reservation, TypeOnOffer};
use serde_json::{Value, json};

const OWN: &str = "oracle/v1";

/// The objects of the oracle's own kinds.
fn own<'v>(objects: &'v [Value], kind: &'static str) -> impl Iterator<Item = &'v Value> {
    objects.iter().filter(move |object| object["apiVersion"] == OWN && object["kind"] == kind)
}

/// The objects that Kubernetes has.
pub fn kubernetes(objects: &[Value]) -> impl Iterator<Item = &Value> {
    objects.iter().filter(|object| object["apiVersion"] != OWN)
}

/// The settings; null where there are none.
pub fn settings(objects: &[Value]) -> &Value {
    own(objects, "Settings").next().unwrap_or(&Value::Null)
}

/// The clock of an input, in seconds since 1970.
pub fn now(objects: &[Value]) -> i64 {
    settings(objects)["now"].as_i64().unwrap_or(1_760_000_000)
}

/// The line for the Go program.
pub fn line(seed: u64, objects: &[Value]) -> Value {
    let settings = settings(objects);
    let pool_types: serde_json::Map<String, Value> = own(objects, "PoolTypes")
        .map(|own| {
            let names = own["types"].as_array().cloned().unwrap_or_default();
            (own["metadata"]["name"].as_str().unwrap_or_default().to_owned(), Value::from(names))
        })
        .collect();
    json!({
        "seed": seed,
        "ask": settings["ask"].as_str().unwrap_or("provision"),
        "now": now(objects),
        "settings": {
            "ignorePreferences": settings["ignorePreferences"] == true,
            "minValuesBestEffort": settings["minValuesBestEffort"] == true,
            "spotToSpot": settings["spotToSpot"] == true,
            "reservedCapacity": settings["reservedCapacity"] == true,
            "nodeOverlay": settings["nodeOverlay"] == true,
            "capacityBuffer": settings["capacityBuffer"] == true,
        },
        "wellKnown": WELL_KNOWN_LABELS.as_slice(),
        "instanceTypes": instance_types(objects),
        "poolTypes": pool_types,
        "objects": kubernetes(objects).collect::<Vec<&Value>>(),
    })
}

/// The types by name: the engine keeps them so, and Karpenter drops a DaemonSet's terms in the order of the types.
fn instance_types(objects: &[Value]) -> Vec<Value> {
    let named = own(objects, "InstanceType").map(|own| {
        let mut own = own.clone();
        own["name"] = own["metadata"]["name"].clone();
        own
    });
    let mut types: Vec<Value> = named.collect();
    types.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    types
}

/// What each pool can buy; `pools` are their names in the order of the model.
pub fn market(objects: &[Value], pools: &[Name]) -> Market {
    let mut types: Vec<TypeOnOffer> = own(objects, "InstanceType").map(on_offer).collect();
    types.sort_by(|a, b| a.name.cmp(&b.name));
    let all = Arc::new(Offers::new(types.clone()));
    let of_pool = |pool: &Name| {
        let only = own(objects, "PoolTypes").find(|own| own["metadata"]["name"] == pool.as_str());
        let Some(only) = only else { return Arc::clone(&all) };
        let names = only["types"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |offered: &&TypeOnOffer| names.iter().any(|name| *name == offered.name.as_str());
        Arc::new(Offers::new(types.iter().filter(named).cloned().collect()))
    };
    Market { pools: pools.iter().map(|pool| PoolMarket { not_ready: None, types: of_pool(pool) }).collect() }
}

fn on_offer(own: &Value) -> TypeOnOffer {
    let capacity = resources(&own["capacity"]);
    let requirements = own["requirements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let offerings = own["offerings"].as_array().map(Vec::as_slice).unwrap_or_default();
    TypeOnOffer {
        name: text(&own["metadata"]["name"]),
        requirements: Arc::new(requirements.iter().map(requirement).collect::<Requirements>()),
        allocatable: capacity.minus(&resources(&own["overhead"])),
        capacity,
        offerings: offerings.iter().map(offering).collect(),
    }
}

fn requirement(wire: &Value) -> Requirement {
    let operator =
        wire["operator"].as_str().and_then(SelectorOperator::parse).unwrap_or(SelectorOperator::Exists);
    let values = wire["values"].as_array().map(Vec::as_slice).unwrap_or_default();
    let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    Requirement::new(wire["key"].as_str().unwrap_or_default(), operator, &values)
}

fn offering(wire: &Value) -> Offering {
    Offering {
        zone: text(&wire["zone"]),
        capacity_type: text(&wire["capacityType"]),
        price_micro_usd: wire["price"].as_i64().unwrap_or(0),
        available: wire["available"] == true,
        reservation: wire["reservation"].as_str().map(|id| Reservation {
            id: Name::from(id),
            count: wire["count"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        }),
    }
}

fn resources(wire: &Value) -> Resources {
    let mut amounts = Resources::ZERO;
    for (name, amount) in wire.as_object().into_iter().flatten() {
        let Some(Ok(quantity)) = amount.as_str().map(Quantity::parse) else { continue };
        amounts.set(name, if name == "cpu" { quantity.milli() } else { quantity.units() });
    }
    amounts
}

fn text(value: &Value) -> Name {
    Name::from(value.as_str().unwrap_or_default())
}
