//! The stable codes. A code is never renamed or reused; severity is not part of it.

use std::fmt;

use crate::rules::RULES;

/// A finding's stable code, e.g. `IP101`, with its name, e.g. `node-addresses-exhausted`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    /// `IP101`.
    pub id: &'static str,
    /// `node-addresses-exhausted`: states the condition.
    pub name: &'static str,
}

impl Code {
    /// The code with this id or name, in any case.
    pub fn parse(text: &str) -> Option<Code> {
        let matches =
            |code: &Code| code.id.eq_ignore_ascii_case(text) || code.name.eq_ignore_ascii_case(text);
        RULES.iter().map(|rule| rule.code).find(matches)
    }
}

/// `IP101`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.name)
    }
}
