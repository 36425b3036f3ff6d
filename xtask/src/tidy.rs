//! `cargo xtask tidy`: what the compiler, rustfmt and clippy do not check. One file a family of checks; each is a
//! function from texts to problems, so that it is tested without a repository.

mod architecture;
mod documents;
mod rust_source;
mod text;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::repository;

/// Something that is not tidy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, below the root.
    pub path: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and what to do about it.
    pub message: String,
    /// Worth a look, but no failure.
    pub warning: bool,
}

impl Problem {
    /// A failure.
    pub fn error(path: &str, line: usize, message: impl Into<String>) -> Problem {
        Problem { path: path.to_string(), line, message: message.into(), warning: false }
    }

    /// A hint.
    pub fn warning(path: &str, line: usize, message: impl Into<String>) -> Problem {
        Problem { warning: true, ..Problem::error(path, line, message) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.warning { "warning" } else { "error" };
        match self.line {
            0 => write!(f, "{kind}: {}: {}", self.path, self.message),
            line => write!(f, "{kind}: {}:{line}: {}", self.path, self.message),
        }
    }
}

/// Checks the repository at `root`, prints what is not tidy, and says whether all is.
pub fn report(root: &Path) -> Result<bool> {
    let problems = problems(root)?;
    for problem in &problems {
        println!("{problem}");
    }
    let warnings = problems.iter().filter(|problem| problem.warning).count();
    let errors = problems.len() - warnings;
    println!("tidy: {errors} errors, {warnings} warnings");
    Ok(errors == 0)
}

/// Everything that is not tidy in the repository at `root`, by file and line.
fn problems(root: &Path) -> Result<Vec<Problem>> {
    let files = repository::text_files(root)?;
    let mut problems: Vec<Problem> = files.iter().flat_map(text::check).collect();
    problems.extend(files.iter().filter(|file| file.is_rust()).flat_map(rust_source::check));
    problems.extend(documents::check(&files));
    problems.extend(architecture::check(&files, &architecture::workspace(root)?));
    problems.sort_unstable();
    problems.dedup();
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_edges_are_those_of_the_table() {
        let root = repository::root();
        let files = repository::text_files(&root).unwrap();
        let problems = architecture::check(&files, &architecture::workspace(&root).unwrap());
        assert_eq!(problems, Vec::new());
    }

    #[test]
    fn problems_name_their_place() {
        assert_eq!(Problem::error("a.rs", 3, "bad").to_string(), "error: a.rs:3: bad");
        assert_eq!(Problem::warning("a.rs", 0, "long").to_string(), "warning: a.rs: long");
    }
}
