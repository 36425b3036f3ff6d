//! One suppression: what it covers, why, and what is wrong with it.

use cluster::ObjectKey;
use sources::Ignore;

use super::{Fault, Source};

/// One suppression.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub source: Source,
    /// A code or its name; `*` is every code.
    code: String,
    /// Kind, namespace and name; empty is any, `*` is any text.
    object: [String; 3],
    pub reason: String,
    file: String,
    line: u32,
    column: u32,
    /// Why it does not hold.
    pub invalid: Option<String>,
}

impl Entry {
    /// An entry of `ignore` in the project file.
    pub(crate) fn of_project(file: &str, ignore: &Ignore, today: &str) -> Entry {
        let invalid = if !ignore.until.is_empty() && !is_date(&ignore.until) {
            Some(format!("`until: {}` is not a date", ignore.until))
        } else if !ignore.until.is_empty() && ignore.until.as_str() < today {
            Some(format!("the suppression of {} ended on {}", ignore.code, ignore.until))
        } else {
            unknown_code(&ignore.code)
        };
        Entry {
            source: Source::Project,
            code: ignore.code.clone(),
            object: [ignore.kind.clone(), ignore.namespace.clone(), ignore.name.clone()],
            reason: ignore.reason.clone(),
            file: file.to_owned(),
            line: ignore.line,
            column: 1,
            invalid,
        }
    }

    /// An annotation of an object, at its place.
    pub(crate) fn of_annotation(
        object: [String; 3],
        code: &str,
        reason: &str,
        place: (String, u32, u32),
    ) -> Entry {
        let invalid = if reason.trim().is_empty() {
            Some(format!("the suppression of {code} gives no reason"))
        } else {
            unknown_code(code)
        };
        let (file, line, column) = place;
        Entry {
            source: Source::Annotation,
            code: code.to_owned(),
            object,
            reason: reason.trim().to_owned(),
            file,
            line,
            column,
            invalid,
        }
    }

    /// Where it is written: one suppression is used when it is used in one of the clusters.
    pub(crate) fn place(&self) -> (String, u32) {
        (format!("{} {}", self.file, self.code), self.line)
    }

    /// Whether it is about this code, given by its id and its name.
    pub(crate) fn fits_code(&self, (id, name): (&str, &str)) -> bool {
        self.code == "*"
            || self.code.eq_ignore_ascii_case(id)
            || (!name.is_empty() && self.code.eq_ignore_ascii_case(name))
    }

    /// Whether it names no object at all.
    pub(crate) fn fits_any_object(&self) -> bool {
        self.object.iter().all(|pattern| pattern.is_empty() || pattern == "*")
    }

    /// Whether it covers an object. An object that names no namespace is in `default`, if it is in any.
    pub(crate) fn fits_object(&self, object: &ObjectKey) -> bool {
        let [kind, namespace, name] = &self.object;
        let in_default = object.namespace.is_empty() && namespace == "default";
        (kind.is_empty() || kind.eq_ignore_ascii_case(object.kind.as_str()))
            && (namespace.is_empty() || in_default || matches(namespace, &object.namespace))
            && (name.is_empty() || matches(name, &object.name))
    }

    /// What to say when it does not hold, or nothing needs it.
    pub(crate) fn fault(&self) -> Fault {
        let unused = || format!("nothing is left to suppress: no {} of this run is covered", self.code);
        let help = match &self.invalid {
            Some(invalid) if invalid.contains("no reason") => "write why: it is shown with the report",
            Some(invalid) if invalid.contains("not a date") => "write a date, such as `until: 2026-12-31`",
            Some(invalid) if invalid.contains("not a code") => "`plimsoll explain` lists the codes",
            _ => "remove it, or renew it",
        };
        Fault {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            message: self.invalid.clone().unwrap_or_else(unused),
            help: help.to_owned(),
        }
    }
}

fn unknown_code(code: &str) -> Option<String> {
    let known = code == "*"
        || findings::Code::parse(code).is_some()
        || api::CODES.iter().any(|known| known.code.eq_ignore_ascii_case(code))
        || sources::codes::ALL.iter().any(|(known, _, _)| known.eq_ignore_ascii_case(code));
    (!known).then(|| format!("{code} is not a code"))
}

/// `2026-12-31`: digits and dashes in their places, a month and a day that exist in some year.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u32>().unwrap_or(0))
    };
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

/// Whether a text fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use cluster::Kind;

    use super::*;

    fn entry(ignore: Ignore) -> Entry {
        Entry::of_project(".plimsoll.yaml", &ignore, "2026-06-01")
    }

    fn ignore(code: &str) -> Ignore {
        Ignore { code: code.to_owned(), reason: "known".to_owned(), ..Ignore::default() }
    }

    #[test]
    fn patterns_cover_what_they_say() {
        for (pattern, text, fits) in [
            ("web", "web", true),
            ("web", "web-2", false),
            ("web-*", "web-2", true),
            ("*-db", "main-db", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn an_object_without_a_namespace_is_in_default() {
        let covered =
            Entry { object: [String::new(), "default".to_owned(), String::new()], ..entry(ignore("*")) };
        assert!(covered.fits_object(&ObjectKey::new(Kind::Deployment, "", "web")));
        assert!(!covered.fits_object(&ObjectKey::new(Kind::Deployment, "shop", "web")));
    }

    #[test]
    fn a_suppression_ends_on_its_day_and_needs_a_known_code() {
        let until = |day: &str| entry(Ignore { until: day.to_owned(), ..ignore("IP101") }).invalid;
        assert_eq!(until("2026-06-01"), None);
        assert_eq!(until("2026-05-31"), Some("the suppression of IP101 ended on 2026-05-31".to_owned()));
        assert_eq!(until("soon"), Some("`until: soon` is not a date".to_owned()));
        assert_eq!(entry(ignore("IP999")).invalid, Some("IP999 is not a code".to_owned()));
        assert_eq!(entry(ignore("node-addresses-exhausted")).invalid, None);
    }
}
