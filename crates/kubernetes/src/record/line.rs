//! Lines of a recording, as they are written and read. Whatever a file holds, reading it ends with what could be read and
//! with problems that name their lines.

use std::sync::Arc;

use autoscaler::Provisioner;
use cluster::Name;
use cluster::declared::KarpenterSettings;
use cluster::node_claim::{LaunchFailure, LaunchOption, RefusedOffering};
use serde_json::{Value, json};

use super::VERSION;
use crate::Resource;
use crate::calls::Call;
use crate::edge::{Failure, Settings, Told, Work};
use crate::mirror::Seen;

/// The most problems that are told of one file.
const PROBLEMS: usize = 20;

/// The first line.
#[derive(Clone, Debug)]
pub struct Header {
    /// The controller's settings.
    pub settings: Settings,
    /// When it began, milliseconds of the Unix epoch.
    pub start_unix_ms: i64,
}

/// What happened, at an instant in milliseconds of the Unix epoch.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A watch told something.
    Hear(i64, Told),
    /// The work of this number came to an end.
    Finish(i64, u64, Result<(), Failure>),
    /// The edge was asked what to do, and wanted this.
    Act(i64, Vec<Value>),
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// A recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The first line.
    pub header: Header,
    /// The others, with their lines.
    pub entries: Vec<(usize, Entry)>,
    /// The last line was torn, and is left out.
    pub torn: bool,
}

pub(super) fn header(settings: &Settings, start_unix_ms: i64) -> Value {
    let policy = match settings.provisioner {
        Provisioner::Karpenter => "karpenter",
        Provisioner::Plimsoll => "plimsoll",
    };
    let own = &settings.karpenter;
    json!({"plimsoll": "recording", "version": VERSION, "policy": policy, "run": settings.run.as_str(),
        "shadow": settings.shadow, "start": start_unix_ms, "batchIdleMs": own.batch_idle_ms, "batchMaxMs": own.batch_max_ms,
        "vmMemoryOverheadMillipercent": own.vm_memory_overhead_millipercent, "reservedEnis": own.reserved_enis,
        "ignorePreferences": own.ignore_preferences, "minValuesBestEffort": own.min_values_best_effort,
        "spotToSpot": own.spot_to_spot, "reservedCapacity": own.reserved_capacity,
        "nodeOverlay": own.node_overlay, "nodeRepair": own.node_repair, "staticCapacity": own.static_capacity,
        "capacityBuffer": own.capacity_buffer})
}

/// What the edge wants, as it is compared.
pub(super) fn work(work: &Work) -> Value {
    json!({
        "effect": format!("{:?}", work.effect),
        "tries": work.tries,
        "calls": work.calls.iter().map(call).collect::<Vec<Value>>(),
    })
}

fn call(call: &Call) -> Value {
    match call {
        Call::Create(resource, body) => json!({"create": resource.kind(), "body": body}),
        Call::Patch { resource, namespace, name, status, body } => {
            let mut line = json!({"patch": resource.kind(), "name": name, "status": status, "body": body});
            if !namespace.is_empty() {
                line["namespace"] = json!(namespace);
            }
            line
        }
        Call::Delete { resource, namespace, name, uid } => {
            json!({"delete": resource.kind(), "namespace": namespace, "name": name, "uid": uid})
        }
        Call::Evict { namespace, name, uid } => json!({"evict": name, "namespace": namespace, "uid": uid}),
    }
}

/// Reads a recording.
///
/// # Errors
/// Lines that cannot be read. A last line without an end may be torn: it is left out.
pub fn read(text: &str) -> Result<Recording, Vec<Problem>> {
    let mut lines = text.split_inclusive('\n').zip(1..);
    let Some((first, _)) = lines.next() else {
        return Err(vec![Problem {
            line: 1,
            message: "is empty; a recording begins with its settings".to_owned(),
        }]);
    };
    let header = parse(first).and_then(|value| read_header(&value));
    let header = header.map_err(|message| vec![Problem { line: 1, message }])?;
    let (mut entries, mut problems, mut torn) = (Vec::new(), Vec::new(), false);
    for (text, line) in lines {
        match parse(text).and_then(|value| read_entry(&value)) {
            Ok(entry) => entries.push((line, entry)),
            Err(_) if !text.ends_with('\n') => torn = true,
            Err(message) => {
                problems.push(Problem { line, message });
                if problems.len() == PROBLEMS {
                    break;
                }
            }
        }
    }
    if problems.is_empty() { Ok(Recording { header, entries, torn }) } else { Err(problems) }
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))
}

fn read_header(value: &Value) -> Result<Header, String> {
    if value["plimsoll"] != "recording" {
        return Err("is not the first line of a recording of `plimsoll controller --record`".to_owned());
    }
    match value["version"].as_u64() {
        Some(VERSION) => {}
        Some(other) => return Err(format!("version {other} of recordings is not known here; {VERSION} is")),
        None => return Err("has no version".to_owned()),
    }
    let number = |field: &str| value[field].as_i64().ok_or_else(|| format!("has no number {field:?}"));
    let provisioner = match value["policy"].as_str() {
        Some("karpenter") => Provisioner::Karpenter,
        Some("plimsoll") => Provisioner::Plimsoll,
        _ => return Err("policy is neither karpenter nor plimsoll".to_owned()),
    };
    let usual = KarpenterSettings::default();
    let flag = |field: &str, usual: bool| value[field].as_bool().unwrap_or(usual);
    let karpenter = KarpenterSettings {
        batch_idle_ms: number("batchIdleMs")?,
        batch_max_ms: number("batchMaxMs")?,
        vm_memory_overhead_millipercent: number("vmMemoryOverheadMillipercent")
            .unwrap_or(usual.vm_memory_overhead_millipercent),
        reserved_enis: number("reservedEnis")
            .ok()
            .and_then(|own| u32::try_from(own).ok())
            .unwrap_or(usual.reserved_enis),
        ignore_preferences: flag("ignorePreferences", usual.ignore_preferences),
        min_values_best_effort: flag("minValuesBestEffort", usual.min_values_best_effort),
        spot_to_spot: flag("spotToSpot", usual.spot_to_spot),
        reserved_capacity: flag("reservedCapacity", usual.reserved_capacity),
        node_overlay: flag("nodeOverlay", usual.node_overlay),
        node_repair: flag("nodeRepair", usual.node_repair),
        static_capacity: flag("staticCapacity", usual.static_capacity),
        capacity_buffer: flag("capacityBuffer", usual.capacity_buffer),
    };
    let run = value["run"].as_str().unwrap_or_default().into();
    let settings = Settings { provisioner, run, shadow: flag("shadow", false), karpenter };
    Ok(Header { settings, start_unix_ms: number("start")? })
}

fn read_entry(value: &Value) -> Result<Entry, String> {
    let at = value["at"].as_i64().ok_or("has no instant `at`")?;
    if let Some(there) = value.get("there") {
        let object = there.get("object").filter(|object| object.is_object()).ok_or("has no object")?;
        return Ok(Entry::Hear(at, Told::Seen(Seen::There(kind(there)?, Arc::new(object.clone())))));
    }
    if let Some(gone) = value.get("gone") {
        let (namespace, name) = (text(&gone["namespace"]), text(&gone["name"]));
        return Ok(Entry::Hear(at, Told::Seen(Seen::Gone(kind(gone)?, namespace, name))));
    }
    if let Some(listed) = value.get("listed") {
        let all = listed["all"].as_array().ok_or("has no list `all`")?;
        let all = all.iter().map(|own| (text(&own[0]), text(&own[1]))).collect();
        return Ok(Entry::Hear(at, Told::Listed(kind(listed)?, all)));
    }
    if let Some(finish) = value.get("finish") {
        let work = finish["work"].as_u64().ok_or("has no number of work")?;
        let failed = |field: &str| finish.get(field).and_then(Value::as_str).map(str::to_owned);
        if let Some(refused) = finish.get("soldOut").and_then(Value::as_array) {
            let refused: Option<Vec<RefusedOffering>> = refused.iter().map(read_refused).collect();
            let refused = refused.ok_or("soldOut is no list of [type, zone, capacity type, price]")?;
            return Ok(Entry::Finish(at, work, Err(Failure::SoldOut(refused))));
        }
        let result = match (failed("passing"), failed("final")) {
            (Some(why), _) => Err(Failure::Passing(why)),
            (_, Some(why)) => Err(Failure::Final(why)),
            _ => Ok(()),
        };
        return Ok(Entry::Finish(at, work, result));
    }
    match value.get("act").and_then(Value::as_array) {
        Some(wanted) => Ok(Entry::Act(at, wanted.clone())),
        None => Err("is neither there, gone, listed, finish nor act".to_owned()),
    }
}

/// What the cloud had none of, as it is written.
pub(super) fn sold_out(refused: &[RefusedOffering]) -> Value {
    let row = |own: &LaunchOption| {
        json!([
            own.instance_type.as_str(),
            own.zone.as_str(),
            own.capacity_type.as_str(),
            own.price_micro_usd
        ])
    };
    refused.iter().map(|own| row(&own.option)).collect()
}

fn read_refused(row: &Value) -> Option<RefusedOffering> {
    let name = |index: usize| row[index].as_str().map(Name::from);
    let option = LaunchOption {
        instance_type: name(0)?,
        zone: name(1)?,
        capacity_type: name(2)?,
        price_micro_usd: row[3].as_i64()?,
    };
    Some(RefusedOffering { option, subnet: None, why: LaunchFailure::InsufficientCapacity })
}

fn kind(value: &Value) -> Result<Resource, String> {
    let name = value["kind"].as_str().unwrap_or_default();
    let known = Resource::WATCHED.into_iter().find(|resource| resource.kind() == name);
    known.ok_or_else(|| format!("kind {name:?} is not watched"))
}

fn text(value: &Value) -> Name {
    value.as_str().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "{\"plimsoll\":\"recording\",\"version\":1,\"policy\":\"karpenter\",\"run\":\"r\",\
        \"batchIdleMs\":1000,\"batchMaxMs\":10000,\"start\":5}\n";

    #[test]
    fn bad_lines_are_named_and_a_torn_end_is_not_one() {
        let good = "{\"at\":6,\"act\":[]}\n";
        let torn = read(&format!("{FIRST}{good}{{\"at\":7,\"ac")).unwrap();
        assert_eq!((torn.entries.len(), torn.torn), (1, true));
        let bad =
            read(&format!("{FIRST}{{\"at\":7,\"ac\n{good}{{\"at\":8,\"gone\":{{\"kind\":\"Secret\"}}}}\n"));
        let problems = bad.unwrap_err();
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(problems[1].message, "kind \"Secret\" is not watched");
    }

    #[test]
    fn what_was_sold_out_is_read_as_it_was_written() {
        let row = json!(["c-4x-amd64-linux", "test-zone-a", "spot", 70_000]);
        let refused = read_refused(&row).unwrap();
        assert_eq!(sold_out(std::slice::from_ref(&refused)), json!([row]));
        let finish = |refused: Value| json!({"at": 7, "finish": {"work": 0, "soldOut": refused}});
        let Ok(Entry::Finish(7, 0, result)) = read_entry(&finish(json!([row]))) else { panic!("not read") };
        assert_eq!(result, Err(Failure::SoldOut(vec![refused])));
        assert!(read_entry(&finish(json!([["c"]]))).is_err());
    }

    #[test]
    fn what_is_no_recording_is_said_to_be_none() {
        let first = |text: &str| read(text).unwrap_err()[0].message.clone();
        assert!(first("").starts_with("is empty"));
        assert!(first("apiVersion: v1\n").starts_with("is not JSON"));
        assert!(first("{}\n").contains("not the first line"));
        assert!(first(&FIRST.replace(":1,", ":2,")).starts_with("version 2"));
    }
}
