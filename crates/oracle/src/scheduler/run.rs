//! Playing seeds: against the program, or against what it once said.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::tally::Tally;
use super::{engine, generate, known, report};
use crate::difference::{self, Difference, differences};
use crate::program::Program;
use crate::record::{Record, fingerprint};
use crate::shrink::shrink;

/// A line may take this long.
const TIMEOUT_MS: u64 = 60_000;
/// Which upstream decides; the Go module pins the same.
pub const UPSTREAM: &str = "k8s.io/kubernetes v1.36.3";

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
    /// How many answers are kept for a record.
    pub kept: usize,
}

/// What came of playing seeds.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// How much was compared.
    pub tally: Tally,
    /// Where the two differ.
    pub findings: Vec<Finding>,
    /// Rows of a record.
    pub rows: Vec<Value>,
}

/// Plays seeds against the program at `path`, and looks whether known differences still are.
pub fn live(path: &Path, plan: &Plan) -> Result<Played> {
    let mut program = Program::new(path, &["-logtostderr=false"], TIMEOUT_MS);
    let mut played = Played::default();
    for seed in plan.seeds.clone() {
        let objects = generate::cluster(seed);
        let theirs = ask(&mut program, &objects)?;
        let ours = engine::answer(&objects)?;
        let found = differences(&decided(&theirs), &ours);
        played.tally.count(&theirs, &ours, found.is_empty());
        if !found.is_empty() {
            played.findings.push(finding(&mut program, seed, objects.clone(), found, plan.shrinks));
        }
        if played.rows.len() < plan.kept {
            played.rows.push(json!({"seed": seed, "input": fingerprint(&objects.into()), "answer": theirs}));
        }
        if played.findings.len() >= plan.most_findings {
            break;
        }
    }
    for known in known::all() {
        let theirs = ask(&mut program, &known.objects)?;
        if differences(&decided(&theirs), &engine::answer(&known.objects)?).is_empty() {
            bail!("{}: no difference any more, take it out of the list", known.name);
        }
    }
    Ok(played)
}

/// What was played as a record, with the part of the documentation that tells of it.
pub fn record(played: &Played, seeds: &Range<u64>) -> Record {
    let header = json!({
        "upstream": UPSTREAM,
        "generator": env!("CARGO_PKG_VERSION"),
        "seeds": [seeds.start, seeds.end],
        "report": report::markdown(&played.tally, seeds),
    });
    Record { header, rows: played.rows.clone() }
}

/// Compares the engine with a record.
pub fn recorded(record: &Record) -> Result<Played> {
    let mut played = Played::default();
    for row in &record.rows {
        let seed = row["seed"].as_u64().unwrap_or_default();
        let objects = generate::cluster(seed);
        if row["input"] != fingerprint(&objects.clone().into()) {
            bail!("seed {seed} makes another cluster than when it was recorded: record again");
        }
        let ours = engine::answer(&objects)?;
        let differences = differences(&decided(&row["answer"]), &ours);
        played.tally.count(&row["answer"], &ours, differences.is_empty());
        if !differences.is_empty() {
            played.findings.push(Finding { seed, objects, differences });
        }
    }
    Ok(played)
}

/// A finding as text.
pub fn show(finding: &Finding) -> String {
    format!("seed {}\n{}", finding.seed, difference::show(&finding.objects, &finding.differences))
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

/// An answer without what was done for it.
fn decided(answer: &Value) -> Value {
    let mut answer = answer.clone();
    for pod in answer["pods"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        pod.shift_remove("work");
    }
    answer
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
    let is_new = |name: &str| !known.iter().any(|known| known == name);
    let failed = ask(program, &objects).is_ok_and(|theirs| fails(&theirs));
    let mut compare = |objects: &[Value]| match (ask(program, objects), engine::answer(objects)) {
        // What is left must stay as valid as it was.
        (Ok(theirs), Ok(ours)) if [&theirs, &ours].into_iter().flat_map(names).any(is_new) => Vec::new(),
        (Ok(theirs), Ok(_)) if fails(&theirs) && !failed => Vec::new(),
        (Ok(theirs), Ok(ours)) => differences(&decided(&theirs), &ours),
        _ => Vec::new(),
    };
    let objects = shrink(objects, |objects| {
        let found = compare(objects);
        !found.is_empty() && kind(&found) == wanted
    });
    let differences = compare(&objects);
    Finding { seed, objects, differences }
}

/// A plugin ended in an error: something is missing that no real cluster lacks.
fn fails(answer: &Value) -> bool {
    answer.to_string().contains("\"code\":\"Error\"")
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
