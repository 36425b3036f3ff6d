//! Texts and positions in them. Offsets are bytes; lines and columns count from 1, columns in characters.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::node::Bytes;

/// A text of the input: a file, stdin, or the output of kustomize.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// One text of the input.
#[derive(Debug)]
pub struct File {
    /// As it is printed: relative to the current directory where it lies below it.
    pub name: String,
    /// The text as it was handed over; empty when it could not be read.
    pub text: String,
    /// Offsets of line starts, counted when first asked for.
    lines: OnceLock<Vec<u32>>,
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which file.
    pub file: FileId,
    /// Its name, as it is printed.
    pub name: String,
    /// First line, from 1.
    pub line: u32,
    /// First column, in characters, from 1.
    pub column: u32,
    /// Last line, from 1.
    pub end_line: u32,
    /// The column after the last character, from 1.
    pub end_column: u32,
    /// The stretch: key and value of a field, the value of a list item, or the whole object.
    pub bytes: Range<usize>,
    /// What to underline when the stretch has many lines: the key, or the first line.
    pub head: Range<usize>,
}

impl File {
    pub(crate) fn new(name: impl Into<String>, text: String) -> Arc<File> {
        Arc::new(File { name: name.into(), text, lines: OnceLock::new() })
    }

    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let breaks = self.text.match_indices('\n').map(|(at, _)| to_u32(at + 1));
            std::iter::once(0).chain(breaks).collect()
        })
    }

    /// Line and column of a byte, both from 1; past the end is the end.
    pub fn position(&self, offset: usize) -> (u32, u32) {
        let offset = floor_char(&self.text, offset.min(self.text.len()));
        let lines = self.lines();
        let line = lines.partition_point(|start| *start as usize <= offset).saturating_sub(1);
        let start = lines.get(line).map_or(0, |start| *start as usize);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        (to_u32(line + 1), to_u32(column + 1))
    }

    pub(crate) fn span(&self, file: FileId, bytes: Bytes, head: Bytes) -> Span {
        let (line, column) = self.position(bytes.start as usize);
        let (end_line, end_column) = self.position(bytes.end as usize);
        let name = self.name.clone();
        Span { file, name, line, column, end_line, end_column, bytes: bytes.range(), head: head.range() }
    }
}

/// An offset or a count as 32 bits; [`crate::Limits::file_bytes`] keeps it from saturating.
pub(crate) fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn floor_char(text: &str, mut offset: usize) -> usize {
    while offset > 0 && !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The end of the line that `offset` is in, its line break not included.
pub(crate) fn line_end(text: &str, offset: usize) -> usize {
    let rest = text.get(offset..).unwrap_or("");
    let end = rest.find('\n').map_or(text.len(), |at| offset + at);
    if end > offset && text.as_bytes().get(end - 1) == Some(&b'\r') && end < text.len() {
        end - 1
    } else {
        end
    }
}

/// The start of the line after the one that `offset` is in, or the end of the text.
pub(crate) fn next_line(text: &str, offset: usize) -> usize {
    let rest = text.get(offset..).unwrap_or("");
    rest.find('\n').map_or(text.len(), |at| offset + at + 1)
}

/// The start of the line that `offset` is in.
pub(crate) fn line_start(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or("");
    before.rfind('\n').map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let file = File::new("a", "ab\nä→c\r\n\nz".to_owned());
        assert_eq!(file.position(0), (1, 1));
        assert_eq!(file.position(3), (2, 1));
        assert_eq!(file.position("ab\nä→".len()), (2, 3));
        assert_eq!(file.position(4), (2, 1), "inside a character is at the character");
        assert_eq!(file.position(file.text.len()), (4, 2));
        assert_eq!(file.position(999), (4, 2));
    }

    #[test]
    fn line_ends_leave_out_both_breaks() {
        let text = "ab\r\ncd\nef";
        assert_eq!(line_end(text, 0), 2);
        assert_eq!(line_end(text, 5), 6);
        assert_eq!(line_end(text, 8), 9);
        assert_eq!(next_line(text, 0), 4);
        assert_eq!(line_start(text, 5), 4);
    }
}
