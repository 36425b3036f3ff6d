//! Playing seeds: against an upstream's program, or against what it once said.
//!
//! What is the same for every upstream. How its inputs are made, asked, compared and counted is behind [`Upstream`].

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::difference::{self, Difference, differences};
use crate::program::Program;
use crate::record::{Record, fingerprint};

/// A line may take this long.
pub const TIMEOUT_MS: u64 = 60_000;

/// One real thing, beside the engine.
pub trait Upstream {
    /// How much was compared.
    type Tally: Default;
    /// Its module and version; the Go module pins the same.
    const VERSION: &'static str;
    /// Recorded decisions, below this crate's folder.
    const RECORD: &'static str;
    /// The name of the part of `docs/fidelity.md` that is generated.
    const SECTION: &'static str;
    /// What its program is started with.
    const ARGUMENTS: &'static [&'static str] = &[];

    /// The objects of a seed, and what they are about.
    fn input(seed: u64) -> (Vec<Value>, Vec<String>);
    /// What the program says.
    fn ask(program: &mut Program, seed: u64, objects: &[Value]) -> Result<Value>;
    /// What the engine says.
    fn ours(objects: &[Value]) -> Result<Value>;
    /// The part of the program's answer that is compared.
    fn decided(theirs: &Value) -> Cow<'_, Value> {
        Cow::Borrowed(theirs)
    }
    /// Counts an input.
    fn count(tally: &mut Self::Tally, features: &[String], theirs: &Value, ours: &Value, agree: bool);
    /// How many inputs were counted, and in how many of them the two differ.
    fn counted(tally: &Self::Tally) -> (u64, u64);
    /// What can be left of an input about which the two differ as in `found`.
    fn smallest(program: &mut Program, seed: u64, objects: &[Value], found: &[Difference]) -> Vec<Value>;
    /// Differences that stay: a name and the smallest cluster of each.
    fn known() -> Vec<(&'static str, Vec<Value>)> {
        Vec::new()
    }
    /// What was compared, as the generated part of the documentation.
    fn report(tally: &Self::Tally, seeds: &Range<u64>) -> String;
}

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
pub struct Played<T> {
    /// How much was compared.
    pub tally: T,
    /// Where the two differ.
    pub findings: Vec<Finding>,
    /// Rows of a record.
    pub rows: Vec<Value>,
}

/// Plays seeds against the program at `path`, and looks whether known differences still are.
pub fn live<U: Upstream>(path: &Path, plan: &Plan) -> Result<Played<U::Tally>> {
    let mut program = Program::new(path, U::ARGUMENTS, TIMEOUT_MS);
    let mut played = Played::default();
    for seed in plan.seeds.clone() {
        let (objects, features) = U::input(seed);
        let theirs = U::ask(&mut program, seed, &objects)?;
        let ours = U::ours(&objects)?;
        let found = differences(&U::decided(&theirs), &ours);
        U::count(&mut played.tally, &features, &theirs, &ours, found.is_empty());
        if !found.is_empty() {
            played.findings.push(finding::<U>(&mut program, seed, &objects, found, plan.shrinks));
        }
        if played.rows.len() < plan.kept {
            played.rows.push(json!({"seed": seed, "input": fingerprint(&objects.into()), "answer": theirs}));
        }
        if played.findings.len() >= plan.most_findings {
            break;
        }
    }
    for (name, objects) in U::known() {
        let theirs = U::ask(&mut program, 0, &objects)?;
        if differences(&U::decided(&theirs), &U::ours(&objects)?).is_empty() {
            bail!("{name}: no difference any more, take it out of the list");
        }
    }
    Ok(played)
}

fn finding<U: Upstream>(
    program: &mut Program,
    seed: u64,
    objects: &[Value],
    found: Vec<Difference>,
    shrinks: bool,
) -> Finding {
    if !shrinks {
        return Finding { seed, objects: objects.to_vec(), differences: found };
    }
    let objects = U::smallest(program, seed, objects, &found);
    let differences = compare::<U>(program, seed, &objects);
    Finding { seed, objects, differences }
}

/// Where the two differ; nothing when one of them does not take it for an input.
pub fn compare<U: Upstream>(program: &mut Program, seed: u64, objects: &[Value]) -> Vec<Difference> {
    match (U::ask(program, seed, objects), U::ours(objects)) {
        (Ok(theirs), Ok(ours)) => differences(&U::decided(&theirs), &ours),
        _ => Vec::new(),
    }
}

/// What was played as a record, with the part of the documentation that tells of it.
pub fn record<U: Upstream>(played: &Played<U::Tally>, seeds: &Range<u64>) -> Record {
    let header = json!({
        "upstream": U::VERSION,
        "generator": env!("CARGO_PKG_VERSION"),
        "seeds": [seeds.start, seeds.end],
        "report": U::report(&played.tally, seeds),
    });
    Record { header, rows: played.rows.clone() }
}

/// Compares the engine with a record.
pub fn recorded<U: Upstream>(record: &Record) -> Result<Played<U::Tally>> {
    let mut played = Played::default();
    for row in &record.rows {
        let seed = row["seed"].as_u64().unwrap_or_default();
        let (objects, features) = U::input(seed);
        if row["input"] != fingerprint(&objects.clone().into()) {
            bail!("seed {seed} makes another input than when it was recorded: record again");
        }
        let ours = U::ours(&objects)?;
        let differences = differences(&U::decided(&row["answer"]), &ours);
        U::count(&mut played.tally, &features, &row["answer"], &ours, differences.is_empty());
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
