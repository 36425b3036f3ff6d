//! Changes the text of a document so that it reads as another value, and leaves the rest of it alone.
//!
//! Every result is read back and compared. When the plan with the fewest touched lines does not hold (an anchor was
//! overwritten, a trailing blank line belonged to a block scalar), what is replaced grows, level by level, up to
//! the whole document. So the answer is always right, and nearly always small.

use serde_json::Value;

use crate::builder::Built;
use crate::changes::{Change, changes};
use crate::limits::Limits;
use crate::load::{Parsed, parse_chunk};
use crate::render::{self, Layout};
use crate::splice::{plan, put, with_breaks_of};
use crate::split::split;

/// Reads a text that holds one document.
pub(crate) fn read_one(text: &str) -> Option<Parsed> {
    let limits = Limits::default();
    let mut alias_bytes = limits.alias_bytes;
    let mut chunks = split(text).into_iter();
    let chunk = chunks.next()?;
    let mut parsed = parse_chunk(text, &chunk, &limits, &mut alias_bytes).ok()?.into_iter();
    let first = parsed.next()?;
    let alone = parsed.next().is_none() && chunks.next().is_none() && first.built.faults.is_empty();
    alone.then_some(first)
}

/// The text of one document, changed so that it reads as `new`.
pub(crate) fn rewrite(text: &str, new: &Value) -> String {
    let Some(Parsed { built: Built { value, node, .. }, json, .. }) = read_one(text) else {
        return whole(text, new, false);
    };
    if value == *new {
        return text.to_owned();
    }
    let deepest = changes(&value, new, usize::MAX).iter().map(|change| change.at().len()).max().unwrap_or(0);
    // An insertion at a place is one level further down than the place.
    for depth in (0..=deepest + 1).rev() {
        let changes = changes(&value, new, depth);
        if let Some(result) = attempt(text, &node, json, &changes, new) {
            return result;
        }
    }
    whole(text, new, json)
}

fn attempt(
    text: &str,
    node: &crate::Node,
    json: bool,
    changes: &[Change<'_>],
    new: &Value,
) -> Option<String> {
    let result = put(text, &with_breaks_of(text, plan(text, node, json, changes)?))?;
    let holds = read_one(&result).is_some_and(|parsed| parsed.built.value == *new);
    holds.then_some(result)
}

/// A document written from nothing.
fn whole(text: &str, new: &Value, json: bool) -> String {
    let layout = Layout { json, dash: 0 };
    if json {
        return render::flow(new, crate::Style::Plain, layout);
    }
    let marker = if text.starts_with("---") { "---\n" } else { "" };
    format!("{marker}{}\n", render::block(new, 0, layout))
}

/// The text of a new document.
pub(crate) fn write(new: &Value) -> String {
    whole("", new, false)
}

#[cfg(test)]
mod tests;
