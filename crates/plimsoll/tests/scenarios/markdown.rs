//! Markdown as far as a scenario needs it: `##` sections and their fenced blocks, each with its place in the file.
//!
//! What the blocks mean is in [`super::story`].

use std::ops::Range;

/// The part of a file before its first `##`, or one `##` section.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The heading; empty for what comes before the first.
    pub heading: String,
    /// The heading's line, from 1.
    pub line: usize,
    /// The first line of text under the heading.
    pub first_line: String,
    /// The fenced blocks, in order.
    pub blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The info string.
    pub info: String,
    /// Columns before the fence.
    pub indent: usize,
    /// The opening fence's line, from 1.
    pub line: usize,
    /// The bytes between the fences.
    pub body: Range<usize>,
}

/// Splits a file. The first section is what comes before the first `##`.
pub fn sections(text: &str) -> Result<Vec<Section>, String> {
    let mut sections = vec![Section { line: 1, ..Section::default() }];
    let mut open: Option<(Block, String)> = None;
    let mut offset = 0;
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        let (start, content) = (offset, line.trim_end());
        offset += line.len();
        if let Some((mut block, fence)) = open.take() {
            if !closes(content, &fence) {
                open = Some((block, fence));
            } else if let Some(section) = sections.last_mut() {
                block.body.end = start;
                section.blocks.push(block);
            }
            continue;
        }
        if let Some((fence, info)) = opens(content) {
            let indent = content.len() - content.trim_start().len();
            open = Some((Block { info, indent, line: number, body: offset..offset }, fence));
        } else if let Some(heading) = content.strip_prefix("## ") {
            let heading = heading.trim().to_owned();
            sections.push(Section { heading, line: number, ..Section::default() });
        } else if let Some(section) = sections.last_mut()
            && section.first_line.is_empty()
        {
            content.trim().clone_into(&mut section.first_line);
        }
    }
    match open {
        Some((block, _)) => Err(format!("line {}: the block is never closed", block.line)),
        None => Ok(sections),
    }
}

/// The fence and the info string of a line that opens a block.
fn opens(line: &str) -> Option<(String, String)> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let info = line.trim_start_matches(mark);
    let length = line.len() - info.len();
    (length >= 3 && !info.contains('`')).then(|| (mark.to_string().repeat(length), info.trim().to_owned()))
}

/// Whether a line closes a block: its fence, or a longer one.
fn closes(line: &str, fence: &str) -> bool {
    let mark = fence.chars().next().unwrap_or('`');
    let line = line.trim_start();
    line.starts_with(fence) && line.trim_start_matches(mark).is_empty()
}
