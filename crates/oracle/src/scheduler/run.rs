//! Playing seeds: against the program, or against what it once said.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::tally::Tally;
use super::{engine, generate};
use crate::difference::{self, Difference, differences};
use crate::program::Program;
use crate::record::{Record, fingerprint};
use crate::shrink::shrink;

/// A line may take this long.
const TIMEOUT_MS: u64 = 60_000;
/// Which upstream decides; the Go module pins the same.
const UPSTREAM: &str = "k8s.io/kubernetes v1.36.3";

/// A cluster about which the two differ.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The seed that made it.
    pub seed: u64,
    /// What is left of it.
    pub objects: Vec<Value>,
    /// Where the answers about it differ.
    pub differences: Vec<Difference>,
}

/// What to do with seeds.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which seeds.
    pub seeds: Range<u64>,
    /// Stop after this many differences.
    pub most_findings: usize,
    /// Whether differing clusters are made smaller.
    pub shrinks: bool,
}

/// Plays seeds against the program at `path`.
pub fn live(path: &Path, plan: &Plan, record: Option<&Path>) -> Result<(Tally, Vec<Finding>)> {
    let mut program = Program::new(path, &[], TIMEOUT_MS);
    let (mut tally, mut findings, mut rows) = (Tally::default(), Vec::new(), Vec::new());
    for seed in plan.seeds.clone() {
        let objects = generate::cluster(seed);
        let theirs = ask(&mut program, &objects)?;
        let ours = engine::answer(&objects)?;
        let found = differences(&theirs, &ours);
        tally.count(&theirs, nodes(&objects), found.is_empty());
        if !found.is_empty() {
            findings.push(finding(&mut program, seed, objects.clone(), found, plan.shrinks));
        }
        if record.is_some() {
            rows.push(json!({"seed": seed, "input": fingerprint(&objects.into()), "answer": theirs}));
        }
        if findings.len() >= plan.most_findings {
            break;
        }
    }
    if let Some(path) = record {
        Record { header: json!({"upstream": UPSTREAM, "generator": env!("CARGO_PKG_VERSION")}), rows }
            .write(path)?;
    }
    Ok((tally, findings))
}

/// Compares the engine with a record.
pub fn recorded(path: &Path) -> Result<(Tally, Vec<Finding>)> {
    let record = Record::read(path)?;
    let (mut tally, mut findings) = (Tally::default(), Vec::new());
    for row in &record.rows {
        let seed = row["seed"].as_u64().unwrap_or_default();
        let objects = generate::cluster(seed);
        if row["input"] != fingerprint(&objects.clone().into()) {
            bail!("seed {seed} makes another cluster than when it was recorded: record again");
        }
        let differences = differences(&row["answer"], &engine::answer(&objects)?);
        tally.count(&row["answer"], nodes(&objects), differences.is_empty());
        if !differences.is_empty() {
            findings.push(Finding { seed, objects, differences });
        }
    }
    Ok((tally, findings))
}

/// A finding as text.
pub fn show(finding: &Finding) -> String {
    format!("seed {}\n{}", finding.seed, difference::show(&finding.objects, &finding.differences))
}

fn nodes(objects: &[Value]) -> u64 {
    objects.iter().filter(|object| object["kind"] == "Node").count() as u64
}

/// What the program says, without what identifies the question.
fn ask(program: &mut Program, objects: &[Value]) -> Result<Value> {
    let mut answer = program.ask(&json!({"objects": objects}))?;
    if let Some(error) = answer["error"].as_str() {
        bail!("the program cannot answer: {error}");
    }
    if let Some(fields) = answer.as_object_mut() {
        fields.shift_remove("seed");
    }
    Ok(answer)
}

/// Makes a differing cluster smaller while the first field that differs still does.
fn finding(
    program: &mut Program,
    seed: u64,
    objects: Vec<Value>,
    found: Vec<Difference>,
    shrinks: bool,
) -> Finding {
    if !shrinks {
        return Finding { seed, objects, differences: found };
    }
    let kind = |differences: &[Difference]| differences.first().map(|first| kind_of(&first.at));
    let wanted = kind(&found);
    let known = refused(&objects);
    let mut compare = |objects: &[Value]| match (ask(program, objects), engine::answer(objects)) {
        // What is left must stay as valid as it was.
        (Ok(_), Ok(ours)) if names(&ours).any(|name| !known.iter().any(|known| known == name)) => Vec::new(),
        (Ok(theirs), Ok(ours)) => differences(&theirs, &ours),
        _ => Vec::new(),
    };
    let objects = shrink(objects, |objects| {
        let found = compare(objects);
        !found.is_empty() && kind(&found) == wanted
    });
    let differences = compare(&objects);
    Finding { seed, objects, differences }
}

/// The pods that the API server would refuse, as the engine says.
fn refused(objects: &[Value]) -> Vec<String> {
    engine::answer(objects).map(|ours| names(&ours).map(str::to_owned).collect()).unwrap_or_default()
}

fn names(answer: &Value) -> impl Iterator<Item = &str> {
    answer["refused"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// What kind of field a pointer names: its parts without numbers and names of nodes and pods.
fn kind_of(pointer: &str) -> String {
    let word = |part: &&str| {
        !part.is_empty() && !part.chars().any(|letter| letter.is_ascii_digit()) && !part.contains("~1")
    };
    pointer.split('/').filter(word).collect::<Vec<&str>>().join("/")
}
