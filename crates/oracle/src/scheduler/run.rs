//! kube-scheduler as an [`Upstream`].

use std::borrow::Cow;
use std::ops::Range;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::tally::Tally;
use super::{engine, generate, known, report};
use crate::difference::{Difference, differences};
use crate::play::Upstream;
use crate::program::Program;
use crate::shrink::shrink;

/// kube-scheduler's framework, beside the engine.
#[derive(Clone, Copy, Debug)]
pub struct KubeScheduler;

impl Upstream for KubeScheduler {
    type Tally = Tally;
    const VERSION: &'static str = "k8s.io/kubernetes v1.36.3";
    const RECORD: &'static str = "records/kube-scheduler.jsonl.gz";
    const SECTION: &'static str = "kube-scheduler";
    const ARGUMENTS: &'static [&'static str] = &["-logtostderr=false"];

    fn input(seed: u64) -> (Vec<Value>, Vec<String>) {
        (generate::cluster(seed), Vec::new())
    }

    /// What the program says, without what identifies the question.
    fn ask(program: &mut Program, _: u64, objects: &[Value]) -> Result<Value> {
        let mut answer = program.ask(&json!({"objects": objects}))?;
        if let Some(error) = answer["error"].as_str() {
            bail!("the program cannot answer: {error}");
        }
        if let Some(fields) = answer.as_object_mut() {
            fields.shift_remove("seed");
        }
        Ok(answer)
    }

    fn ours(objects: &[Value]) -> Result<Value> {
        engine::answer(objects)
    }

    /// An answer without what was done for it.
    fn decided(theirs: &Value) -> Cow<'_, Value> {
        let mut answer = theirs.clone();
        for pod in answer["pods"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            pod.shift_remove("work");
        }
        Cow::Owned(answer)
    }

    fn count(tally: &mut Tally, _: &[String], theirs: &Value, ours: &Value, agree: bool) {
        tally.count(theirs, ours, agree);
    }

    fn counted(tally: &Tally) -> (u64, u64) {
        (tally.clusters, tally.different)
    }

    /// Makes a differing cluster smaller while the first field that differs still does.
    fn smallest(program: &mut Program, seed: u64, objects: &[Value], found: &[Difference]) -> Vec<Value> {
        let kind = |differences: &[Difference]| differences.first().map(|first| kind_of(&first.at));
        let wanted = kind(found);
        let known = refused(objects);
        let is_new = |name: &str| !known.iter().any(|known| known == name);
        let failed = Self::ask(program, seed, objects).is_ok_and(|theirs| fails(&theirs));
        let mut compare = |objects: &[Value]| match (Self::ask(program, seed, objects), Self::ours(objects)) {
            // What is left must stay as valid as it was.
            (Ok(theirs), Ok(ours)) if [&theirs, &ours].into_iter().flat_map(names).any(is_new) => Vec::new(),
            (Ok(theirs), Ok(_)) if fails(&theirs) && !failed => Vec::new(),
            (Ok(theirs), Ok(ours)) => differences(&Self::decided(&theirs), &ours),
            _ => Vec::new(),
        };
        shrink(objects.to_vec(), |objects| {
            let found = compare(objects);
            !found.is_empty() && kind(&found) == wanted
        })
    }

    fn known() -> Vec<(&'static str, Vec<Value>)> {
        known::all().into_iter().map(|known| (known.name, known.objects)).collect()
    }

    fn report(tally: &Tally, seeds: &Range<u64>) -> String {
        report::markdown(tally, seeds)
    }
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
