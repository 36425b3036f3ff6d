//! Karpenter as an [`Upstream`].

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::Value;

use super::smaller::smaller;
use super::tally::Tally;
use super::{generate, ours, question, report};
use crate::difference::{Difference, differences};
use crate::play::{self, TIMEOUT_MS, Upstream};
use crate::program::Program;

/// Karpenter's scheduler and disruption, beside the engine.
#[derive(Clone, Copy, Debug)]
pub struct Karpenter;

impl Upstream for Karpenter {
    type Tally = Tally;
    const VERSION: &'static str = "sigs.k8s.io/karpenter v1.14.1";
    const RECORD: &'static str = "records/karpenter.jsonl.gz";
    const SECTION: &'static str = "karpenter";

    fn input(seed: u64) -> (Vec<Value>, Vec<String>) {
        generate::generate(seed)
    }

    fn ask(program: &mut Program, seed: u64, objects: &[Value]) -> Result<Value> {
        let theirs = program.ask(&question::line(seed, objects))?;
        if let Some(error) = theirs["error"].as_str() {
            bail!("the program cannot answer seed {seed}: {error}");
        }
        Ok(ours::normalised(&theirs))
    }

    fn ours(objects: &[Value]) -> Result<Value> {
        ours::answer(objects)
    }

    fn count(tally: &mut Tally, features: &[String], theirs: &Value, _: &Value, agree: bool) {
        tally.count(features, theirs, agree);
    }

    fn counted(tally: &Tally) -> (u64, u64) {
        (tally.inputs, tally.different)
    }

    fn smallest(program: &mut Program, seed: u64, objects: &[Value], found: &[Difference]) -> Vec<Value> {
        smaller(objects.to_vec(), found, |objects| play::compare::<Karpenter>(program, seed, objects))
    }

    fn report(tally: &Tally, seeds: &Range<u64>) -> String {
        report::markdown(tally, seeds)
    }
}

/// Compares the two about one large input: how many NodeClaims Karpenter plans, and where the two differ.
pub fn one(path: &Path, objects: &[Value]) -> Result<(usize, Vec<Difference>)> {
    let mut program = Program::new(path, Karpenter::ARGUMENTS, 10 * TIMEOUT_MS);
    let theirs = Karpenter::ask(&mut program, 0, objects)?;
    let found = differences(&theirs, &ours::answer(objects)?);
    Ok((theirs["claims"].as_array().map_or(0, Vec::len), found))
}
