//! Checks of Rust source: sizes, module docs, file names. Strings and comments are blanked out first, so that
//! braces in them do not count; that is all the parsing there is.

use super::Problem;
use crate::repository::TextFile;

/// A file longer than this is probably two nouns.
const MAX_FILE_LINES: usize = 400;

/// A function longer than this is several.
const MAX_FUNCTION_LINES: usize = 70;

/// Everything wrong with one Rust file.
pub fn check(file: &TextFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    let path = file.path.as_str();
    if path.ends_with("/mod.rs") {
        problems.push(Problem::error(path, 0, "name the file after its module, beside the folder"));
    }
    if !file.text.starts_with("//!") {
        problems.push(Problem::error(path, 1, "open with `//!`: what lives here and what may not"));
    }
    let lines = file.text.lines().count();
    if lines > MAX_FILE_LINES {
        problems.push(Problem::warning(path, 0, format!("{lines} lines: which noun is missing?")));
    }
    if !file.is_test() {
        problems.extend(functions(&file.text).into_iter().filter(|f| f.lines > MAX_FUNCTION_LINES).map(
            |f| {
                let message = format!("fn {} has {} lines, at most {MAX_FUNCTION_LINES}", f.name, f.lines);
                Problem::error(path, f.line, message)
            },
        ));
    }
    problems
}

/// A function outside of test modules.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Every function with a body outside of `#[cfg(test)]` items.
fn functions(source: &str) -> Vec<Function> {
    let code = blank(source);
    let tests = test_ranges(&code);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let own_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let in_tests = tests.iter().any(|(start, end)| (*start..*end).contains(&at));
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if own_word
            && !in_tests
            && !name.is_empty()
            && let Some((_, end)) = body(&code, at)
        {
            let line = line_of(&code, at);
            found.push(Function { name, line, lines: line_of(&code, end) - line + 1 });
        }
    }
    found
}

/// The line of a position, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Where the first block after `from` opens and closes; `None` when a `;` outside of brackets comes first.
fn body(code: &str, from: usize) -> Option<(usize, usize)> {
    let mut brackets = 0usize;
    let mut braces = 0usize;
    let mut open = None;
    for (at, c) in code.char_indices().skip_while(|(at, _)| *at < from) {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if brackets == 0 && open.is_none() => return None,
            '{' => {
                braces += 1;
                open = open.or(Some(at));
            }
            '}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return open.map(|open| (open, at));
                }
            }
            _ => {}
        }
    }
    None
}

/// The bodies of items marked `#[cfg(test)]` or `#[cfg(any(test, …))]`.
fn test_ranges(code: &str) -> Vec<(usize, usize)> {
    let marks = code.match_indices("#[cfg(test)]").chain(code.match_indices("#[cfg(any(test,"));
    marks.filter_map(|(at, mark)| body(code, at + mark.len())).collect()
}

/// The source with strings, characters and comments blanked out; lines and positions stay.
fn blank(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let length = literal(rest, code.chars().next_back());
        if length == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            // Bytes, so that positions in the result are positions in the source.
            code.extend(rest.as_bytes()[..length].iter().map(|byte| if *byte == b'\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    code
}

/// How many bytes of a comment, string or character `rest` starts with; 0 when it starts with code.
fn literal(rest: &str, before: Option<char>) -> usize {
    let until =
        |end: &str, skip: usize| rest[skip..].find(end).map_or(rest.len(), |at| skip + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && let Some(raw) = rest.strip_prefix('r').or_else(|| rest.strip_prefix("br")) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let start = rest.len() - raw.len() + hashes + 1;
            return until(&format!("\"{}", "#".repeat(hashes)), start);
        }
    }
    match rest.as_bytes() {
        [b'"', ..] => escaped(rest, b'"'),
        // A lifetime is a quote and a name without a closing quote.
        [b'\'', b'\\', ..] => escaped(rest, b'\''),
        [b'\'', ..] => {
            let character = rest[1..].chars().next().map_or(0, char::len_utf8);
            if character > 0 && rest[1 + character..].starts_with('\'') { character + 2 } else { 0 }
        }
        _ => 0,
    }
}

/// The length of a literal with escapes, its quotes included.
fn escaped(rest: &str, quote: u8) -> usize {
    let mut bytes = rest.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' {
            bytes.next();
        } else if byte == quote {
            return at + 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(source: &str) -> Vec<(String, usize, usize)> {
        functions(source).into_iter().map(|f| (f.name, f.line, f.lines)).collect()
    }

    #[test]
    fn functions_are_measured() {
        let source = "trait T {\n    fn declared(&self, a: [u8; 3]);\n}\nfn one() { x }\nfn three(a: [u8; 2]) -> u8 {\n    1\n}\n";
        assert_eq!(lengths(source), [("one".to_string(), 4, 1), ("three".to_string(), 5, 3)]);
    }

    #[test]
    fn braces_in_literals_do_not_count() {
        let source = "fn a<'a>(x: &'a str) {\n    let _ = (\"}\", '}', '\\'', r#\"}\"}\"#, b\"}\"); // }\n    /* } */\n}\nfn b() {}\n";
        assert_eq!(lengths(source), [("a".to_string(), 1, 4), ("b".to_string(), 5, 1)]);
    }

    #[test]
    fn tests_are_left_out() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn helper() {}\n}\nfn b() {}\n";
        assert_eq!(lengths(source), [("a".to_string(), 1, 1), ("b".to_string(), 6, 1)]);
    }

    #[test]
    fn what_is_wrong_with_a_file() {
        let wrong = |path: &str, text: String| {
            let problems = check(&TextFile { path: path.to_string(), text });
            problems.into_iter().map(|problem| (problem.line, problem.warning)).collect::<Vec<_>>()
        };
        assert_eq!(wrong("src/a.rs", "//! Doc.\n".to_string()), []);
        assert_eq!(wrong("src/a/mod.rs", "//! Doc.\n".to_string()), [(0, false)]);
        assert_eq!(wrong("src/a.rs", "fn a() {}\n".to_string()), [(1, false)]);
        let long = |lines: usize| format!("//! Doc.\nfn a() {{\n{}}}\n", "    x;\n".repeat(lines));
        assert_eq!(wrong("src/a.rs", long(68)), []);
        assert_eq!(wrong("src/a.rs", long(69)), [(2, false)]);
        assert_eq!(wrong("x/tests/a.rs", long(69)), []);
        assert_eq!(wrong("x/tests/a.rs", long(400)), [(0, true)]);
    }
}
