//! Where documents begin and end in a stream.
//!
//! A line that starts with `---` or `...` ends a document wherever it stands, block scalars and quotes included
//! (YAML 1.2 §9.1), so a stream can be cut before it is parsed: a broken document takes no other one with it.

use crate::file::next_line;

/// A stretch of a stream that holds one document (or, for JSON, several in a row).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub start: usize,
    pub end: usize,
    /// Helm's `# Source: chart/templates/x.yaml`.
    pub source: Option<String>,
}

/// Cuts a text into its documents; what holds nothing but comments is left out.
pub(crate) fn split(text: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let (mut start, mut at) = (bom, bom);
    while at < text.len() {
        let next = next_line(text, at);
        let line = text.get(at..next).unwrap_or("");
        if is_marker(line, "---") && at > start && !is_only_directives(text.get(start..at).unwrap_or("")) {
            push(text, start, at, &mut chunks);
            start = at;
        } else if is_marker(line, "...") {
            push(text, start, at, &mut chunks);
            start = next;
        }
        at = next;
    }
    push(text, start, text.len(), &mut chunks);
    chunks
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// `%YAML 1.1` belongs to the document whose `---` comes after it.
fn is_only_directives(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).peekable();
    lines.peek().is_some() && lines.all(|line| line.starts_with('%'))
}

fn push(text: &str, start: usize, end: usize, chunks: &mut Vec<Chunk>) {
    let mut source = None;
    for (index, line) in text.get(start..end).unwrap_or("").lines().enumerate() {
        let line = if index == 0 && is_marker(line, "---") { line[3..].trim() } else { line.trim() };
        if line.is_empty() {
            continue;
        }
        let Some(comment) = line.strip_prefix('#') else {
            chunks.push(Chunk { start, end, source });
            return;
        };
        if let Some(name) = comment.trim_start().strip_prefix("Source:") {
            source = Some(name.trim().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|chunk| &text[chunk.start..chunk.end]).collect()
    }

    #[test]
    fn cuts_at_markers() {
        assert_eq!(texts("a: 1\n---\nb: 2\n--- # c\nc: 3"), ["a: 1\n", "---\nb: 2\n", "--- # c\nc: 3"]);
        assert_eq!(texts("---\na: |\n  ---\n  x\n"), ["---\na: |\n  ---\n  x\n"]);
        assert_eq!(texts("a: 1\n...\nb: 2\n"), ["a: 1\n", "b: 2\n"]);
        assert_eq!(texts("---x: 1\n----\n"), ["---x: 1\n----\n"]);
        assert_eq!(texts("\u{feff}a: 1\r\n---\r\nb: 1\r\n"), ["a: 1\r\n", "---\r\nb: 1\r\n"]);
        assert_eq!(texts("--- {a: 1}\n--- b\n"), ["--- {a: 1}\n", "--- b\n"]);
    }

    #[test]
    fn leaves_out_empty_documents() {
        assert_eq!(texts("---\n---\n# only a comment\n\n---\n  \n---\na: 1\n---\n"), ["---\na: 1\n"]);
        assert_eq!(texts(""), Vec::<&str>::new());
        assert_eq!(texts("%YAML 1.1\n# x\n---\na: 1\n"), ["%YAML 1.1\n# x\n---\na: 1\n"]);
    }

    #[test]
    fn keeps_the_template_that_helm_names() {
        let chunks = split("---\n# Source: web/templates/a.yaml\na: 1\n---\n# Source: b.yaml\n");
        assert_eq!(chunks.len(), 1);
        assert_eq!(chunks[0].source.as_deref(), Some("web/templates/a.yaml"));
    }
}
