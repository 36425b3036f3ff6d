//! The causal chain, one line a link.

use super::fold::fold;
use super::{BLUE, BOLD, Style, paint};
use crate::{Judged, span};

/// The chain with its instants and places; empty when there is none.
pub(super) fn render(judged: &Judged<'_>, style: Style) -> String {
    let chain = &judged.verdict.chain;
    if chain.links.is_empty() {
        return String::new();
    }
    let instants: Vec<String> = chain.links.iter().map(|link| link.at.to_string()).collect();
    let width = instants.iter().map(String::len).max().unwrap_or(0);
    let mut out = format!("{}\n", paint(style, BOLD, "how it came about:"));
    for (link, at) in chain.links.iter().zip(&instants) {
        let text = fold(style, width + 4, &link.text);
        out.push_str(&format!("  {}  {text}\n", paint(style, BLUE, &format!("{at:>width$}"))));
        if let Some(location) = &link.location {
            out.push_str(&format!("  {:>width$}    at {}\n", "", span::place(judged.inputs, location)));
        }
    }
    out.push('\n');
    out
}
