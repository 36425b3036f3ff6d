//! Asking both sides about seeds, and showing the smallest input of each difference.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::{generate, ours, question};
use crate::difference::{self, Difference};
use crate::program::Program;
use crate::shrink;

/// How one input went.
#[derive(Debug)]
pub enum Outcome {
    /// Both decide alike.
    Agrees,
    /// They do not.
    Differs(Vec<Difference>),
    /// It is not an input: refused, or a side failed.
    Invalid(String),
}

/// Asks both sides.
pub fn ask(program: &mut Program, seed: u64, objects: &[Value]) -> Outcome {
    let ours = match ours::answer(objects) {
        Ok(ours) => ours,
        Err(error) => return Outcome::Invalid(error.to_string()),
    };
    let theirs = match program.ask(&question::line(seed, objects)) {
        Ok(theirs) => theirs,
        Err(error) => return Outcome::Invalid(error.to_string()),
    };
    if let Some(error) = theirs["error"].as_str() {
        return Outcome::Invalid(error.to_owned());
    }
    let theirs = ours::normalised(&theirs);
    match difference::differences(&theirs, &ours) {
        same if same.is_empty() => Outcome::Agrees,
        found => Outcome::Differs(found),
    }
}

/// Asks about `count` seeds from `first`; shows the first `shown` differences, shrunk.
pub fn seeds(path: &Path, first: u64, count: u64, shown: usize, out: &mut impl Write) -> Result<()> {
    let mut program = Program::new(path, &[], 20_000);
    let (mut agreed, mut differed, mut invalid) = (0, 0, 0);
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for seed in first..first + count {
        let objects = generate::generate(seed);
        match ask(&mut program, seed, &objects) {
            Outcome::Agrees => agreed += 1,
            Outcome::Invalid(why) => {
                invalid += 1;
                if invalid <= 5 {
                    writeln!(out, "seed {seed}: {why}")?;
                }
            }
            Outcome::Differs(found) => {
                differed += 1;
                for kind in found.iter().map(kind_of).collect::<BTreeSet<String>>() {
                    *kinds.entry(kind).or_insert(0_u64) += 1;
                }
                if differed <= shown {
                    show(&mut program, seed, objects, out)?;
                }
            }
        }
    }
    for (kind, inputs) in kinds {
        writeln!(out, "{inputs:6} inputs differ in {kind}")?;
    }
    writeln!(out, "{count} inputs: {agreed} agree, {differed} differ, {invalid} are no inputs")?;
    Ok(())
}

/// Which part of an answer a difference is in: its pointer without the numbers.
fn kind_of(difference: &Difference) -> String {
    let parts = difference.at.split('/').skip(1).filter(|part| part.parse::<usize>().is_err());
    parts.take(2).collect::<Vec<&str>>().join("/")
}

/// Kinds whose fields hang together: shrinking leaves them out whole or not at all.
const WHOLE: [&str; 10] = [
    "NodePool",
    "Settings",
    "InstanceType",
    "Node",
    "NodeClaim",
    "CSINode",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
];

/// Whether shrinking left objects that a cluster could have; `all` are the objects before.
fn is_whole(objects: &[Value], all: &[Value]) -> bool {
    let has = |object: &Value, field: &str| object["metadata"][field].is_string();
    let named = |kind: &str, name: &Value| {
        objects.iter().any(|object| object["kind"] == kind && object["metadata"]["name"] == *name)
    };
    let whole = |object: &Value| match object["kind"].as_str() {
        Some("Pod") => {
            let node = &object["spec"]["nodeName"];
            let claims = object["spec"]["volumes"].as_array().into_iter().flatten();
            let mut claims = claims.filter_map(|volume| volume.get("persistentVolumeClaim"));
            has(object, "uid")
                && has(object, "namespace")
                && (node.is_null() || named("Node", node))
                && claims.all(|claim| claim["claimName"].is_string())
        }
        Some("PersistentVolumeClaim") => {
            let volume = &object["spec"]["volumeName"];
            all.contains(object) && (volume.is_null() || named("PersistentVolume", volume))
        }
        Some("NodeClaim") => {
            all.contains(object) && named("NodePool", &object["metadata"]["labels"]["karpenter.sh/nodepool"])
        }
        Some(kind) if WHOLE.contains(&kind) => all.contains(object),
        _ => true,
    };
    let stays = |object: &&Value| matches!(object["kind"].as_str(), Some("Settings" | "Namespace"));
    all.iter().filter(stays).all(|object| objects.contains(object)) && objects.iter().all(whole)
}

fn show(program: &mut Program, seed: u64, objects: Vec<Value>, out: &mut impl Write) -> Result<()> {
    let all = objects.clone();
    let kinds = |found: &[Difference]| -> BTreeSet<String> { found.iter().map(kind_of).collect() };
    let wanted = match ask(program, seed, &objects) {
        Outcome::Differs(found) => kinds(&found),
        _ => return Ok(()),
    };
    let differs = |objects: &[Value], program: &mut Program| {
        is_whole(objects, &all)
            && matches!(ask(program, seed, objects), Outcome::Differs(found) if !kinds(&found).is_disjoint(&wanted))
    };
    let smallest = shrink::shrink(objects, |objects| differs(objects, program));
    writeln!(out, "seed {seed}:")?;
    if let Outcome::Differs(found) = ask(program, seed, &smallest) {
        write!(out, "{}", difference::show(&smallest, &found))?;
    }
    Ok(())
}
