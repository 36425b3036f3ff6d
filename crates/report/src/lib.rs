//! How is it said?
//!
//! Renderers: each takes a [`Report`] and gives a string. Nothing here judges, reads files or prints. The same
//! report gives the same bytes.

pub mod json;
pub mod span;
pub mod text;

use sources::Inputs;
use verdict::Verdict;

/// What one run of a command has to say: one judged cluster, or several environments side by side.
pub struct Report<'a> {
    /// `check`, `simulate`, …
    pub command: &'a str,
    /// The judged clusters, in the order asked for.
    pub clusters: Vec<Judged<'a>>,
    /// The exit code that the command will end with.
    pub exit_code: u8,
}

/// One judged cluster.
pub struct Judged<'a> {
    /// The environment's name; empty when there is only one.
    pub name: &'a str,
    /// What was handed in.
    pub inputs: &'a Inputs,
    /// What was found.
    pub verdict: &'a Verdict,
}
