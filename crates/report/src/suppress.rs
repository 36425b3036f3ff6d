//! Which findings do not count, and why: annotations of objects, the project file, a former report.
//!
//! A suppressed finding is still in the report; it only does not fail the command. The verdict of a run is never
//! suppressed: a deadlock stays one, whatever is hidden. A suppression that suppresses nothing is a warning.

mod annotation;
mod baseline;
mod entry;

use std::collections::{BTreeMap, BTreeSet};

use api::Problem;
use cluster::{Kind, ObjectKey};
use findings::Finding;
use serde::Serialize;
use sources::Inputs;
use verdict::Verdict;

pub use baseline::Baseline;
use entry::Entry;

/// The code of what is wrong with a suppression.
pub const CODE: &str = sources::codes::SUPPRESSION;

/// What was said about suppressing.
#[derive(Debug, Default)]
pub struct Suppressions<'a> {
    /// The project file's `ignore`, with the file's name as it is printed.
    pub project: Option<(&'a str, &'a [sources::Ignore])>,
    /// A former report.
    pub baseline: Option<&'a Baseline>,
    /// Today, as `2026-12-31`: `until` is compared with it.
    pub today: &'a str,
}

/// Which findings and problems of one verdict do not count, by their index, and why.
#[derive(Debug, Default)]
pub struct Hidden {
    pub(crate) findings: BTreeMap<usize, Reason>,
    pub(crate) problems: BTreeMap<usize, Reason>,
    /// The outcome is no worse than that of the former report.
    pub(crate) known_outcome: bool,
    used: BTreeSet<(String, u32)>,
    entries: Vec<Entry>,
}

/// Why something does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Who says so.
    pub source: Source,
    /// The reason given.
    pub text: String,
}

/// Who suppresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// `plimsoll.dev/ignore.CODE` of an object.
    Annotation,
    /// `ignore` of the project file.
    Project,
    /// `--baseline`.
    Baseline,
}

/// Something wrong with a suppression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What does not count of a verdict on the environment `name`.
pub fn hide(inputs: &Inputs, verdict: &Verdict, name: &str, said: &Suppressions<'_>) -> Hidden {
    let mut entries = annotation::entries(inputs);
    if let Some((file, ignore)) = said.project {
        entries.extend(ignore.iter().map(|ignore| Entry::of_project(file, ignore, said.today)));
    }
    let mut hidden = Hidden { entries, ..Hidden::default() };
    for (index, finding) in verdict.findings.iter().enumerate() {
        let objects = objects_of(finding);
        let found = hidden.look_up((finding.code.id, finding.code.name), &objects);
        let known = || said.baseline.filter(|old| old.has(name, &crate::fingerprint::of_finding(finding)));
        if let Some(reason) = found.or_else(|| known().map(|_| Baseline::reason())) {
            hidden.findings.insert(index, reason);
        }
    }
    for (index, problem) in verdict.problems.iter().enumerate() {
        let objects = Objects { primary: object_of(inputs, problem), affected: Vec::new() };
        let found = hidden.look_up((problem.code, ""), &objects);
        let known =
            || said.baseline.filter(|old| old.has(name, &crate::fingerprint::of_problem(inputs, problem)));
        if let Some(reason) = found.or_else(|| known().map(|_| Baseline::reason())) {
            hidden.problems.insert(index, reason);
        }
    }
    hidden.known_outcome = said.baseline.is_some_and(|old| old.is_no_better(name, verdict.outcome));
    hidden
}

/// What is wrong with the suppressions of all clusters of a run together. `partial`: not all environments are judged,
/// so what is not used now may be used in another one.
pub fn faults(clusters: &[&Hidden], partial: bool) -> Vec<Fault> {
    let used: BTreeSet<&(String, u32)> = clusters.iter().flat_map(|hidden| &hidden.used).collect();
    let mut faults: Vec<Fault> = Vec::new();
    for entry in clusters.iter().flat_map(|hidden| &hidden.entries) {
        let fault = match &entry.invalid {
            Some(_) => entry.fault(),
            None if !partial && !used.contains(&entry.place()) => entry.fault(),
            None => continue,
        };
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}

/// Which objects a finding is about.
pub(crate) struct Objects {
    /// The object of the first place.
    primary: Option<ObjectKey>,
    /// The objects affected.
    affected: Vec<ObjectKey>,
}

fn objects_of(finding: &Finding) -> Objects {
    let primary = finding.primary.as_ref().map(|label| label.location.object.clone());
    Objects { primary, affected: finding.objects.clone() }
}

impl Hidden {
    /// A finding is suppressed where it points, or when all that it affects is.
    fn look_up(&mut self, code: (&str, &str), objects: &Objects) -> Option<Reason> {
        let fits = |entry: &&Entry, object: &ObjectKey| entry.fits_code(code) && entry.fits_object(object);
        let entries = || self.entries.iter().filter(|entry| entry.invalid.is_none());
        let whole = entries().find(|entry| {
            entry.fits_code(code)
                && (entry.fits_any_object()
                    || objects.primary.as_ref().is_some_and(|object| entry.fits_object(object)))
        });
        let found: Vec<Entry> = match whole {
            Some(entry) => vec![entry.clone()],
            None => {
                let each = objects
                    .affected
                    .iter()
                    .map(|object| entries().find(|entry| fits(entry, object)).cloned());
                each.collect::<Option<Vec<_>>>()?
            }
        };
        let reason = found.first().map(|entry| Reason { source: entry.source, text: entry.reason.clone() });
        self.used.extend(found.iter().map(Entry::place));
        reason
    }
}

/// The object that a problem is about.
pub(crate) fn object_of(inputs: &Inputs, problem: &Problem) -> Option<ObjectKey> {
    let document = inputs.documents.get(problem.document as usize)?;
    let part = document.parts.iter().find(|part| {
        let rest = problem.path.0.strip_prefix(part.root.0.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })?;
    let text =
        |pointer: &str| part.value.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
    Some(ObjectKey::new(Kind::from(text("/kind")), text("/metadata/namespace"), text("/metadata/name")))
}
