//! Playing seeds: against the program, or against what it once said.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::smaller::smaller;
use super::tally::Tally;
use super::{generate, ours, question, report};
use crate::difference::{self, Difference, differences};
use crate::program::Program;
use crate::record::{Record, fingerprint};

/// A line may take this long.
const TIMEOUT_MS: u64 = 60_000;
/// Which upstream decides; the Go module pins the same.
pub const UPSTREAM: &str = "sigs.k8s.io/karpenter v1.14.1";

/// An input about which the two differ.
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
    /// Whether differing inputs are made smaller.
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

/// Plays seeds against the program at `path`.
pub fn live(path: &Path, plan: &Plan) -> Result<Played> {
    let mut program = Program::new(path, &[], TIMEOUT_MS);
    let mut played = Played::default();
    for seed in plan.seeds.clone() {
        let (objects, features) = generate::generate(seed);
        let theirs = ask(&mut program, seed, &objects)?;
        let found = differences(&theirs, &ours::answer(&objects)?);
        played.tally.count(&features, &theirs, found.is_empty());
        if !found.is_empty() {
            let objects = if plan.shrinks {
                smallest(&mut program, seed, objects.clone(), &found)
            } else {
                objects.clone()
            };
            let differences = compare(&mut program, seed, &objects);
            played.findings.push(Finding { seed, objects, differences });
        }
        if played.rows.len() < plan.kept {
            played.rows.push(json!({"seed": seed, "input": fingerprint(&objects.into()), "answer": theirs}));
        }
        if played.findings.len() >= plan.most_findings {
            break;
        }
    }
    Ok(played)
}

/// Compares the two about one input: how many NodeClaims Karpenter plans, and where the two differ.
pub fn one(path: &Path, objects: &[Value]) -> Result<(usize, Vec<Difference>)> {
    let theirs = ask(&mut Program::new(path, &[], 10 * TIMEOUT_MS), 0, objects)?;
    let found = differences(&theirs, &ours::answer(objects)?);
    Ok((theirs["claims"].as_array().map_or(0, Vec::len), found))
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
        let (objects, features) = generate::generate(seed);
        if row["input"] != fingerprint(&objects.clone().into()) {
            bail!("seed {seed} makes another input than when it was recorded: record again");
        }
        let differences = differences(&row["answer"], &ours::answer(&objects)?);
        played.tally.count(&features, &row["answer"], differences.is_empty());
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

/// What the program decides, in the form of the engine's answer.
fn ask(program: &mut Program, seed: u64, objects: &[Value]) -> Result<Value> {
    let theirs = program.ask(&question::line(seed, objects))?;
    if let Some(error) = theirs["error"].as_str() {
        bail!("the program cannot answer seed {seed}: {error}");
    }
    Ok(ours::normalised(&theirs))
}

/// Where the two differ; nothing when one of them does not take it for an input.
fn compare(program: &mut Program, seed: u64, objects: &[Value]) -> Vec<Difference> {
    match (ask(program, seed, objects), ours::answer(objects)) {
        (Ok(theirs), Ok(ours)) => differences(&theirs, &ours),
        _ => Vec::new(),
    }
}

fn smallest(program: &mut Program, seed: u64, objects: Vec<Value>, found: &[Difference]) -> Vec<Value> {
    smaller(objects, found, |objects| compare(program, seed, objects))
}
