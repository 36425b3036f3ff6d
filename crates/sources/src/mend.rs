//! Documents that kubectl's parser takes and ours refuses, changed so that both take them.
//!
//! `saphyr-parser` holds to YAML 1.2 where `goyaml.v2` is lenient, in four places that people do write: a closing
//! bracket (or what is in brackets) no further in than its key, a tab after a colon, a comment that touches what is
//! before it, and a word in brackets that is a dash. Every change keeps the number of characters, so that all
//! positions stay, and is made at the place where the parser stopped, nowhere else.

/// Stands for a dash; a private character.
pub(crate) const DASH: char = '\u{f8f0}';

/// How often one document is mended and read again.
const MOST_TIMES: usize = 400;

/// How many characters all these readings may have together.
const MOST_CHARS: usize = 100_000_000;

/// A document that is being mended.
pub(crate) struct Mender {
    chars: Vec<char>,
    times_left: usize,
}

impl Mender {
    pub(crate) fn new(chunk: &str) -> Mender {
        let chars: Vec<char> = chunk.chars().collect();
        let times = MOST_TIMES.min(MOST_CHARS / chars.len().max(1));
        let times_left = if chars.contains(&DASH) { 0 } else { times };
        Mender { chars, times_left }
    }

    pub(crate) fn text(&self) -> String {
        self.chars.iter().collect()
    }

    /// Changes what the parser stopped at with this message; `read` is where it was last sure. False: cannot be.
    pub(crate) fn mend(&mut self, message: &str, read: usize, stopped: usize) -> bool {
        if self.times_left == 0 {
            return false;
        }
        self.times_left -= 1;
        if message.contains("cannot start with '-'") {
            self.replace(stopped, '-', DASH)
        } else if message.contains("':' must be followed by") {
            self.space_after_colon(stopped)
        } else if message.contains("comments must be separated") {
            self.blank_comment(stopped)
        } else if message.contains("invalid indentation") {
            self.join_lines(read, stopped)
        } else {
            false
        }
    }

    fn replace(&mut self, at: usize, old: char, new: char) -> bool {
        match self.chars.get_mut(at) {
            Some(c) if *c == old => {
                *c = new;
                true
            }
            _ => false,
        }
    }

    /// The parser stops at the value, or at the space before it.
    fn space_after_colon(&mut self, stopped: usize) -> bool {
        let before = self.chars.get(..stopped).unwrap_or_default();
        let space = before.iter().rev().take_while(|c| matches!(c, ' ' | '\t')).count();
        let start = stopped - space;
        let more = self.chars.iter().skip(stopped).take_while(|c| matches!(c, ' ' | '\t')).count();
        let end = stopped + more;
        let is_colon = start.checked_sub(1).is_some_and(|at| self.chars.get(at) == Some(&':'));
        let gap = self.chars.get_mut(start..end).unwrap_or_default();
        if !is_colon || !gap.contains(&'\t') {
            return false;
        }
        gap.fill(' ');
        true
    }

    fn blank_comment(&mut self, stopped: usize) -> bool {
        if self.chars.get(stopped) != Some(&'#') {
            return false;
        }
        for c in self.chars.iter_mut().skip(stopped).take_while(|c| !matches!(c, '\n' | '\r')) {
            *c = ' ';
        }
        true
    }

    /// Puts what stands on its own line in brackets behind what is before it: line breaks and comments between
    /// become spaces. One break is enough for a space; where there are more, a blank line may have had a meaning.
    fn join_lines(&mut self, read: usize, stopped: usize) -> bool {
        let Some((start, breaks)) = self.gap_before(read, stopped) else { return false };
        if breaks == 0 {
            return false;
        }
        for c in self.chars.iter_mut().take(stopped).skip(start) {
            *c = ' ';
        }
        true
    }

    /// The space and comments that end at `stopped`: where they start, and how many lines end in them. Read from
    /// `from` on, because only so a `#` in quotes can be told from a comment.
    fn gap_before(&self, from: usize, stopped: usize) -> Option<(usize, usize)> {
        let (mut gap, mut breaks) = (None, 0);
        let mut before = ' ';
        let mut at = from;
        while at < stopped {
            let c = *self.chars.get(at)?;
            let begins = before.is_whitespace() || ",[]{}:".contains(before);
            let end = match c {
                '#' if before.is_whitespace() => self.find(at, |c| c == '\n').unwrap_or(stopped),
                '\'' | '"' if begins => {
                    gap = None;
                    self.quote_end(at, c)?
                }
                _ => at + 1,
            };
            if c == '#' && before.is_whitespace() || c.is_whitespace() {
                let (_, count) = (gap.get_or_insert(at), usize::from(c == '\n'));
                breaks += count;
            } else {
                (gap, breaks) = (None, 0);
            }
            before = *self.chars.get(end.checked_sub(1)?)?;
            at = end;
        }
        (at == stopped).then_some((gap?, breaks))
    }

    fn find(&self, from: usize, is: impl Fn(char) -> bool) -> Option<usize> {
        self.chars.get(from..)?.iter().position(|c| is(*c)).map(|at| from + at)
    }

    /// The offset after a quoted scalar that starts at `start`.
    fn quote_end(&self, start: usize, quote: char) -> Option<usize> {
        let mut at = start + 1;
        loop {
            let c = *self.chars.get(at)?;
            at += match c {
                '\\' if quote == '"' => 2,
                '\'' if quote == '\'' && self.chars.get(at + 1) == Some(&'\'') => 2,
                c if c == quote => return Some(at + 1),
                _ => 1,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn read(text: &str) -> Value {
        crate::rewrite::read_one(text).map_or(Value::Null, |parsed| parsed.built.value)
    }

    // Each of these is taken by `kubectl label --local` (v1.32), with this result.
    #[test]
    fn what_kubectl_takes_is_taken() {
        assert_eq!(read("a: [\n\"b # c\", # d\n'e''#',\n\nf\n]\n"), json!({"a": ["b # c", "e'#", "f"]}));
        assert_eq!(
            read("x:\n  a: {\n  b: c,\n  d: [e\n  ]\n  }\n"),
            json!({"x": {"a": {"b": "c", "d": ["e"]}}})
        );
        assert_eq!(
            read("a:\tb\nc: {d:\t e}\nf: \"g:\th\"\n"),
            json!({"a": "b", "c": {"d": "e"}, "f": "g:\th"})
        );
        assert_eq!(read("a: 'x'#c\nb: [z]#c"), json!({"a": "x", "b": ["z"]}));
        assert_eq!(read("é: [x -, -]\n"), json!({"é": ["x -", "-"]}));
        assert_eq!(read("&k a: 1\nb: *k\n"), json!({"a": 1, "b": "a"}));
    }

    #[test]
    fn what_is_broken_stays_broken() {
        for text in ["a: [\nb\n", "a: [- , x]", "a: b: c", "a: [b\nc: d\n"] {
            assert_eq!(read(text), Value::Null, "{text}");
        }
    }

    #[test]
    fn places_stay() {
        let text = "ä: [\n\"b\", -,\n]\n";
        let parsed = crate::rewrite::read_one(text).unwrap().built;
        let at = |pointer: &str| &text[parsed.node.nearest(&parsed.value, pointer).0.value.range()];
        assert_eq!((at("/ä/0"), at("/ä/1"), at("/ä")), ("\"b\"", "-", "[\n\"b\", -,\n]"));
    }
}
