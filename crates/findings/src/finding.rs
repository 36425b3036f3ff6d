//! One thing that is wrong, with its evidence.

use std::collections::BTreeMap;

use cluster::{Location, ObjectKey};

use crate::code::Code;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which condition.
    pub code: Code,
    /// How much it matters here; not part of the code.
    pub severity: Severity,
    /// The headline: one sentence, readable alone, without a full stop.
    pub title: String,
    /// Where to look first.
    pub primary: Option<Label>,
    /// Other places that take part.
    pub secondary: Vec<Label>,
    /// Objects that are affected, in input order.
    pub objects: Vec<ObjectKey>,
    /// Further sentences: numbers, what follows, what would not help.
    pub notes: Vec<String>,
    /// What to do about it, in words; what was verified is a remedy.
    pub help: Option<String>,
    /// The numbers behind the sentences, by name, units last (`addresses`, `limit_millis`).
    pub numbers: BTreeMap<&'static str, i64>,
}

/// A place in the input and what it has to do with the finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The field.
    pub location: Location,
    /// A short remark shown beside it.
    pub text: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Note,
    /// A hazard that did not decide this run.
    Warning,
    /// It keeps something from running.
    Error,
}

impl Finding {
    /// A finding with nothing but a headline; the other parts are filled in by its rule.
    pub fn new(code: Code, severity: Severity, title: impl Into<String>) -> Finding {
        Finding {
            code,
            severity,
            title: title.into(),
            primary: None,
            secondary: Vec::new(),
            objects: Vec::new(),
            notes: Vec::new(),
            help: None,
            numbers: BTreeMap::new(),
        }
    }

    /// Where to look first.
    #[must_use]
    pub fn at(mut self, location: Location, text: impl Into<String>) -> Finding {
        self.primary = Some(Label { location, text: text.into() });
        self
    }

    /// Another place that takes part.
    #[must_use]
    pub fn also(mut self, location: Location, text: impl Into<String>) -> Finding {
        self.secondary.push(Label { location, text: text.into() });
        self
    }

    /// One more sentence.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Finding {
        self.notes.push(text.into());
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Finding {
        self.help = Some(text.into());
        self
    }

    /// A number behind the sentences.
    #[must_use]
    pub fn number(mut self, name: &'static str, value: i64) -> Finding {
        self.numbers.insert(name, value);
        self
    }

    /// An object that is affected; each is listed once.
    pub fn affects(&mut self, object: ObjectKey) {
        if !self.objects.contains(&object) {
            self.objects.push(object);
        }
    }
}
