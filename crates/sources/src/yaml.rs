//! One YAML document with positions, from the events of `saphyr-parser`.
//!
//! The parser counts characters; this module turns them into bytes, and mends the spans of nodes that the parser
//! has no exact ones for (empty values, block scalars, indented collections).

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::Value;

use crate::builder::{Builder, Fault, too_deep};
use crate::codes;
use crate::limits::Limits;
use crate::mend::DASH;
use crate::node::{Bytes, Style};
use crate::scalar::{self, ScalarError};

/// A document that was not read.
#[derive(Debug)]
pub(crate) struct Failure {
    pub fault: Fault,
    /// Where the parser stopped, and where what it had read by then ended, in characters of the document; nothing
    /// when it was not the parser that refused.
    pub stopped: Option<(usize, usize)>,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure { fault, stopped: None }
    }
}

/// Reads the document `text[range]` into `builder`; positions are those of `text`. `mended` is what the parser gets
/// to see in its place, with the same number of characters.
pub(crate) fn read(
    text: &str,
    range: std::ops::Range<usize>,
    mended: Option<&str>,
    limits: &Limits,
    builder: &mut Builder<'_>,
) -> Result<(), Failure> {
    let chunk = text.get(range.clone()).unwrap_or("");
    let cursor = Cursor::new(chunk, range.start);
    let mut reader = Reader { text, cursor, last_end: range.start, is_mended: mended.is_some() };
    let mut read_chars = 0;
    for event in Parser::new_from_str(mended.unwrap_or(chunk)) {
        let (event, span) = event.map_err(|error| Failure {
            stopped: Some((read_chars, error.marker().index())),
            fault: reader.syntax(&error, limits),
        })?;
        if builder.is_done() && !matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            let at = reader.bytes(span);
            let fault = Fault::new(codes::SYNTAX, at, "the document goes on after its end");
            return Err(fault.help("start the next document with a line `---`").into());
        }
        read_chars = span.end.index();
        reader.event(event, span, builder)?;
    }
    Ok(())
}

struct Reader<'t> {
    text: &'t str,
    cursor: Cursor<'t>,
    /// Where the last key, value or bracket ended.
    last_end: usize,
    /// Whether [`DASH`] stands for dashes.
    is_mended: bool,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span, builder: &mut Builder<'_>) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(text, style, anchor, tag.as_deref(), span, builder)
            }
            Event::Alias(anchor) => {
                let at = self.bytes(span);
                self.last_end = at.end as usize;
                builder.alias(anchor, at)
            }
            Event::MappingStart(anchor, _) => self.start(true, anchor, span, builder),
            Event::SequenceStart(anchor, _) => self.start(false, anchor, span, builder),
            Event::MappingEnd | Event::SequenceEnd => {
                let start = self.bytes(span).start as usize;
                let at = Bytes::new(start, start + 1);
                let bracket = matches!(builder.style(), Some(Style::FlowMap | Style::FlowList));
                if bracket {
                    self.last_end = at.end as usize;
                }
                builder.end(bracket.then_some(at))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn bytes(&mut self, span: Span) -> Bytes {
        let start = self.cursor.seek(span.start.index());
        let end = self.cursor.seek(span.end.index());
        Bytes::new(start, end)
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
        builder: &mut Builder<'_>,
    ) -> Result<(), Fault> {
        let text = if self.is_mended { Cow::Owned(text.replace(DASH, "-")) } else { text };
        let has_properties = anchor != 0 || tag.is_some();
        let is_empty = text.is_empty() && style == ScalarStyle::Plain;
        let (at, style) = self.place(span, style, is_empty && !has_properties, has_properties);
        let merge = style == Style::Plain && tag.is_none() && text == "<<";
        let value = value_of(text, style, tag).map_err(|error| scalar_fault(error, at))?;
        if !is_empty || has_properties {
            self.last_end = at.end as usize;
        }
        if !builder.expects_key() {
            return builder.scalar(value, at, style, anchor);
        }
        let null = || Fault::new(codes::SYNTAX, at, "a key must not be empty or null");
        let key = scalar::key_text(value).ok_or_else(null)?;
        if anchor != 0 {
            builder.anchored_key(&key, at, anchor)?;
        }
        builder.key(key, at, merge);
        Ok(())
    }

    /// Where a scalar stands, without anchor and tag.
    fn place(&mut self, span: Span, style: ScalarStyle, empty: bool, properties: bool) -> (Bytes, Style) {
        let mut at = self.bytes(span);
        if empty {
            // The parser's mark is at the `:`, after the `-`, or at whatever comes next.
            let bytes = self.text.as_bytes();
            let start = at.start as usize;
            let after_dash = start > self.last_end && matches!(bytes.get(start - 1), Some(b'-' | b':'));
            let point = match bytes.get(start) {
                Some(b':') if start >= self.last_end => start + 1,
                _ if after_dash => start,
                _ => self.last_end,
            };
            return (Bytes::new(point, point), Style::Empty);
        }
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        if style == Style::Block {
            // The parser's span starts after the header line and ends after the blank lines that follow.
            let start = block_header(self.text, self.last_end, at.start as usize);
            let body = self.text.get(start..at.end as usize).unwrap_or("").trim_end();
            at = Bytes::new(start, start + body.len());
        } else if properties {
            let start = skip_properties(self.text, at.start as usize, at.end as usize);
            at = Bytes::new(start, at.end as usize);
        }
        (at, style)
    }

    fn start(
        &mut self,
        is_map: bool,
        anchor: usize,
        span: Span,
        builder: &mut Builder<'_>,
    ) -> Result<(), Fault> {
        let at = self.bytes(span);
        let bytes = self.text.as_bytes();
        let end = at.end as usize;
        // The parser's span of a bracket goes on to the end of the space and comment after it.
        let first = skip_properties(self.text, at.start as usize, end);
        let (style, start) = match (is_map, bytes.get(first).filter(|_| first < end)) {
            (true, Some(b'{')) => (Style::FlowMap, first),
            (false, Some(b'[')) => (Style::FlowList, first),
            (true, _) if builder.style().is_some_and(Style::is_flow) => (Style::FlowPair, at.start as usize),
            // The first key moves the start to where it is.
            (true, _) => (Style::BlockMap, end),
            (false, _) => (Style::BlockList, first_dash(bytes, self.last_end, end)),
        };
        self.last_end = end;
        builder.start(is_map, Bytes::new(start, end), style, anchor)
    }

    fn syntax(&mut self, error: &saphyr_parser::ScanError, limits: &Limits) -> Fault {
        let start = self.cursor.seek(error.marker().index());
        let at = Bytes::new(start, start);
        if error.info().contains("recursion limit") {
            return too_deep(at, limits.depth);
        }
        Fault::new(codes::SYNTAX, at, error.info().to_owned())
    }
}

fn value_of(text: Cow<'_, str>, style: Style, tag: Option<&Tag>) -> Result<Value, ScalarError> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() => scalar::resolve_tagged(&tag.suffix, text),
        // A tag of somebody's own, or `!`: a string.
        Some(_) => Ok(Value::String(text.into_owned())),
        None if matches!(style, Style::Plain | Style::Empty) => scalar::resolve(text),
        None => Ok(Value::String(text.into_owned())),
    }
}

fn scalar_fault(error: ScalarError, at: Bytes) -> Fault {
    match error {
        ScalarError::NotFinite => Fault::new(codes::SYNTAX, at, "JSON has no infinity and no not-a-number")
            .help("quote it if a string is meant"),
        ScalarError::Tag(message) => Fault::new(codes::SYNTAX, at, message),
    }
}

/// Where the first dash of a list is: at the parser's mark, or before it with space between.
fn first_dash(bytes: &[u8], from: usize, mark: usize) -> usize {
    if bytes.get(mark) == Some(&b'-') {
        return mark;
    }
    let before = bytes.get(from..mark).unwrap_or_default().trim_ascii_end();
    if before.last() == Some(&b'-') { from + before.len() - 1 } else { mark }
}

/// The `|` or `>` of a block scalar: the first one after what came before, outside comments.
fn block_header(text: &str, from: usize, to: usize) -> usize {
    let mut comment = false;
    let mut before = b' ';
    for (offset, byte) in (from..to).zip(text.as_bytes().get(from..to).unwrap_or_default()) {
        match byte {
            b'\n' => comment = false,
            b'#' if before.is_ascii_whitespace() => comment = true,
            b'|' | b'>' if !comment => return offset,
            _ => {}
        }
        before = *byte;
    }
    to
}

/// The offset after `&anchor` and `!tag`, and comments behind them.
fn skip_properties(text: &str, start: usize, end: usize) -> usize {
    let mut rest = text.get(start..end).unwrap_or("");
    while rest.starts_with(['&', '!', '#']) {
        let is_end = |c: char| if rest.starts_with('#') { c == '\n' } else { c.is_ascii_whitespace() };
        let word = rest.find(is_end).unwrap_or(rest.len());
        rest = rest.get(word..).unwrap_or("").trim_start();
    }
    end - rest.len()
}

/// Turns character offsets of a text into byte offsets; cheap as long as they come roughly in order.
struct Cursor<'t> {
    text: &'t str,
    base: usize,
    ascii: bool,
    chars: usize,
    byte: usize,
}

impl<'t> Cursor<'t> {
    fn new(text: &'t str, base: usize) -> Cursor<'t> {
        Cursor { text, base, ascii: text.is_ascii(), chars: 0, byte: 0 }
    }

    fn seek(&mut self, chars: usize) -> usize {
        if self.ascii {
            return self.base + chars.min(self.text.len());
        }
        while self.chars < chars {
            let Some(next) = self.text.get(self.byte..).and_then(|rest| rest.chars().next()) else { break };
            self.byte += next.len_utf8();
            self.chars += 1;
        }
        while self.chars > chars {
            let Some(last) = self.text.get(..self.byte).and_then(|before| before.chars().next_back()) else {
                break;
            };
            self.byte -= last.len_utf8();
            self.chars -= 1;
        }
        self.base + self.byte
    }
}
