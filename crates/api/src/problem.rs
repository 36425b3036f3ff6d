//! Something wrong with the input, and how problems are collected.

use cluster::admission::{PodRefusal, Refuser, Violation};
use cluster::{FieldPath, Location, Name};

use crate::belongs::Belongs;
use crate::code;
use crate::object::{Object, RawObject};
use crate::reader::{ReadError, UnknownField};

/// Something wrong with one object of the input, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Stable code, e.g. `CONF101`.
    pub code: &'static str,
    /// The document, as in [`crate::RawObject::document`].
    pub document: u32,
    /// The field inside the document.
    pub path: FieldPath,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Note,
    /// Judged all the same, as far as it can be understood.
    Warning,
    /// The API server would refuse the object: it does not take part.
    Error,
}

/// Most problems that one object may report: a broken generator should not drown the rest.
const MAX_PROBLEMS_PER_OBJECT: usize = 20;

/// The problems so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// Adds one.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// Adds an error about a raw object.
    pub(crate) fn error_at(
        &mut self,
        raw: &RawObject,
        path: &FieldPath,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        let path = raw.root.join(path);
        self.push(Problem { severity: Severity::Error, code, document: raw.document, path, message, help });
    }

    /// All, in input order: by document, then by path.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        self.list.sort_by(|a, b| {
            let rest = |p: &Problem| (std::cmp::Reverse(p.severity), p.code);
            a.document
                .cmp(&b.document)
                .then_with(|| in_order(&a.path, &b.path))
                .then_with(|| rest(a).cmp(&rest(b)))
                .then_with(|| a.message.cmp(&b.message))
        });
        self.list.dedup();
        self.list
    }
}

/// Reports problems of one object and remembers whether it was refused.
pub(crate) struct Reporter<'p> {
    problems: &'p mut Problems,
    document: u32,
    root: FieldPath,
    folded: bool,
    reported: usize,
    /// An error was reported: the object does not take part.
    pub(crate) refused: bool,
    /// Why the API server refuses the pods that the object makes, one for each check.
    pub(crate) pod_refusals: Vec<PodRefusal>,
}

impl<'p> Reporter<'p> {
    /// A reporter for an object.
    pub(crate) fn new(problems: &'p mut Problems, object: &Object) -> Reporter<'p> {
        Reporter {
            problems,
            document: object.raw.document,
            root: object.raw.root.clone(),
            folded: object.place.fixed,
            reported: 0,
            refused: false,
            pod_refusals: Vec::new(),
        }
    }

    /// A LimitRange refuses the pods that the object makes: the object itself takes part. Several refusals are one
    /// answer, as of `k8s.io/apimachinery` `pkg/util/errors` `NewAggregate`.
    pub(crate) fn refuse_by_limit_range(&mut self, message: String, range: Option<Location>, at: Location) {
        let what = Name::from(message.as_str());
        let instead = Name::from("change the requests and limits, or the LimitRange");
        let violation = Violation { location: at, what, instead };
        match self.pod_refusals.iter_mut().find(|refusal| refusal.by == Refuser::LimitRanger) {
            Some(refusal) if refusal.violations.iter().any(|known| known.what == violation.what) => {
                refusal.violations.push(violation);
            }
            Some(refusal) => {
                let known = refusal.message.trim_start_matches('[').trim_end_matches(']');
                refusal.message = Name::from(format!("[{known}, {message}]"));
                refusal.violations.push(violation);
            }
            None => self.pod_refusals.push(PodRefusal {
                by: Refuser::LimitRanger,
                message: message.into(),
                object: range,
                violations: vec![violation],
            }),
        }
    }

    /// The API server would refuse the object.
    pub(crate) fn error(
        &mut self,
        path: &FieldPath,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<Help>,
    ) {
        self.refused = true;
        self.report(Severity::Error, path, code, message.into(), help.into());
    }

    /// Judged all the same.
    pub(crate) fn warning(
        &mut self,
        path: &FieldPath,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<Help>,
    ) {
        self.report(Severity::Warning, path, code, message.into(), help.into());
    }

    /// For information.
    pub(crate) fn note(
        &mut self,
        path: &FieldPath,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<Help>,
    ) {
        self.report(Severity::Note, path, code, message.into(), help.into());
    }

    /// A value that could not be read.
    pub(crate) fn unreadable(&mut self, base: &FieldPath, error: ReadError) {
        let path = base.join(&error.path.unwrap_or_default());
        let help = help_for_type(&error.message);
        self.error(&path, code::BAD_VALUE, format!("{}: {}", shown(&path), error.message), help);
    }

    /// A field that the kind does not have.
    pub(crate) fn unknown_field(
        &mut self,
        severity: Severity,
        unknown: &UnknownField,
        belongs: Option<&Belongs>,
    ) {
        let path = &unknown.path;
        let strict = severity == Severity::Error;
        self.refused |= strict;
        let message = match strict {
            true => format!("strict decoding error: unknown field \"{path}\""),
            false => format!("unknown field \"{path}\": the API server drops it"),
        };
        let help = belongs.map_or_else(|| known_fields(unknown.known), |belongs| belongs.help.clone());
        self.report(severity, path, code::UNKNOWN_FIELD, message, Help(Some(help)));
    }

    fn report(
        &mut self,
        severity: Severity,
        path: &FieldPath,
        code: &'static str,
        message: String,
        help: Help,
    ) {
        self.reported += 1;
        if self.reported > MAX_PROBLEMS_PER_OBJECT {
            return;
        }
        let path = if self.folded { self.root.clone() } else { self.root.join(path) };
        self.problems.push(Problem { severity, code, document: self.document, path, message, help: help.0 });
    }
}

/// What to write instead, where that is known.
pub(crate) struct Help(pub(crate) Option<String>);

impl From<&str> for Help {
    fn from(text: &str) -> Help {
        Help((!text.is_empty()).then(|| text.to_owned()))
    }
}

impl From<String> for Help {
    fn from(text: String) -> Help {
        Help((!text.is_empty()).then_some(text))
    }
}

impl From<Option<String>> for Help {
    fn from(text: Option<String>) -> Help {
        Help(text)
    }
}

/// Paths segment by segment, list indexes as numbers.
fn in_order(a: &FieldPath, b: &FieldPath) -> std::cmp::Ordering {
    let key = |segment: &str| (segment.parse::<u64>().ok(), segment.to_owned());
    a.0.split('/').map(key).cmp(b.0.split('/').map(key))
}

/// A path as people write it; the root has a name too.
pub(crate) fn shown(path: &FieldPath) -> String {
    if path.0.is_empty() { "the object".to_owned() } else { path.to_string() }
}

fn known_fields(known: &[&str]) -> String {
    match known.len() {
        0 => "remove it".to_owned(),
        1..=12 => format!("remove it; known here: {}", known.join(", ")),
        _ => "remove it: nothing of this name is known".to_owned(),
    }
}

/// What to do about a wrong type, by serde's words for it.
fn help_for_type(message: &str) -> &'static str {
    if message.contains("expected a string, found the number")
        || message.contains("expected a string, found the boolean")
    {
        "put the value in quotes"
    } else if message.contains("found the string") && message.contains("expected a whole number") {
        "write a number without quotes"
    } else if message.contains("expected a boolean, found the string") {
        "write true or false without quotes"
    } else if message.contains("expected a list") {
        "write a list: each entry on its own line, starting with `- `"
    } else {
        ""
    }
}
