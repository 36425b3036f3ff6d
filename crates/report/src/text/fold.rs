//! Long lines on a terminal.

use super::Style;

/// Fewest columns that lines are folded to: in less, nothing can be read anyway.
const LEAST: usize = 40;

/// `text` folded at blanks to the terminal's width when `taken` columns stand before it; further lines are indented
/// by as much. Without a width it stays one line.
pub(super) fn fold(style: Style, taken: usize, text: &str) -> String {
    let Some(width) = style.width else { return text.to_owned() };
    lines(text, width.max(LEAST).saturating_sub(taken).max(LEAST / 2))
        .join(&format!("\n{}", " ".repeat(taken)))
}

/// `text` in lines of at most `room` columns; a word that is longer stays whole, so that names can be copied.
fn lines(text: &str, room: usize) -> Vec<String> {
    let options =
        textwrap::Options::new(room).break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_on_a_terminal_only() {
        let text = "the last pod address on bootstrap-2 goes to monitoring/loki-0";
        assert_eq!(fold(Style::default(), 4, text), text);
        let narrow = Style { width: Some(40), ..Style::default() };
        assert_eq!(
            fold(narrow, 4, text),
            "the last pod address on bootstrap-2\n    goes to monitoring/loki-0"
        );
    }

    #[test]
    fn a_name_is_never_broken() {
        let narrow = Style { width: Some(40), ..Style::default() };
        let name = "kube-system/aws-load-balancer-controller-7b48789dcf-x2k9p";
        assert_eq!(fold(narrow, 4, name), name);
    }
}
