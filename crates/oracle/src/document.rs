//! Generated parts of a document: what is between two marks is written by a command and by nobody else.
//!
//! Nothing about what is written.

use anyhow::{Context as _, Result};

/// The lines around the part of an upstream.
fn marks(upstream: &str) -> (String, String) {
    (
        format!("<!-- {upstream}: generated, see CONTRIBUTING.md; do not edit -->\n"),
        format!("<!-- end of {upstream} -->\n"),
    )
}

/// What is between the marks of an upstream.
pub fn part<'a>(document: &'a str, upstream: &str) -> Result<&'a str> {
    let (begin, end) = marks(upstream);
    let (_, rest) = document.split_once(&begin).with_context(|| format!("no line {begin}"))?;
    let (part, _) = rest.split_once(&end).with_context(|| format!("no line {end}"))?;
    Ok(part)
}

/// The document with another text between the marks of an upstream.
pub fn replace(document: &str, upstream: &str, text: &str) -> Result<String> {
    let (begin, end) = marks(upstream);
    let old = part(document, upstream)?;
    Ok(document.replacen(&format!("{begin}{old}{end}"), &format!("{begin}{text}{end}"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let (begin, end) = marks("a");
        let document = format!("x\n{begin}old\n{end}y\n");
        assert_eq!(part(&document, "a").unwrap(), "old\n");
        assert_eq!(replace(&document, "a", "new\n").unwrap(), format!("x\n{begin}new\n{end}y\n"));
        assert!(part(&document, "b").is_err());
    }
}
