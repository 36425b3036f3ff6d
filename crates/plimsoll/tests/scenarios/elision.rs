//! Compares an output with what is expected of it, where `...` stands for what does not matter.

use similar::TextDiff;

/// What stands for any number of lines, and inside a line for any text.
const ELISION: &str = "...";

/// What an output was expected to be, laid beside what it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Lines that are on one side only.
    pub mismatches: usize,
    /// The expected lines; elisions that hold are filled with what they stand for.
    pub filled: Vec<String>,
}

/// Compares lines; blanks at the end of a line and blank lines at the end of an output do not count.
pub fn compare(expected: &[String], got: &str) -> Comparison {
    let got = lines(got);
    let table = costs(expected, &got);
    let filled = fill(expected, &got, &table);
    Comparison { mismatches: table[0][0], filled }
}

/// The difference as a unified diff: `-` was expected, `+` is what came.
pub fn diff(comparison: &Comparison, got: &str) -> String {
    let join = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let got: Vec<String> = lines(got).into_iter().map(|line| line.trim_end().to_owned()).collect();
    let (expected, got) = (join(&comparison.filled), join(&got));
    let diff = TextDiff::from_lines(&expected, &got);
    diff.unified_diff().context_radius(3).header("expected", "got").to_string()
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines
}

/// `costs[i][j]`: the fewest lines without a partner when `expected[i..]` is laid beside `got[j..]`.
fn costs(expected: &[String], got: &[&str]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; got.len() + 1]; expected.len() + 1];
    for i in (0..=expected.len()).rev() {
        for j in (0..=got.len()).rev() {
            table[i][j] = match (expected.get(i), got.get(j)) {
                (None, _) => got.len() - j,
                (Some(line), None) => table[i + 1][j] + usize::from(line != ELISION),
                (Some(line), Some(_)) if line == ELISION => table[i + 1][j].min(table[i][j + 1]),
                (Some(line), Some(text)) if line_matches(line, text) => table[i + 1][j + 1],
                (Some(_), Some(_)) => 1 + table[i + 1][j].min(table[i][j + 1]),
            };
        }
    }
    table
}

/// Walks the cheapest way through the table.
fn fill(expected: &[String], got: &[&str], table: &[Vec<usize>]) -> Vec<String> {
    let (mut i, mut j) = (0, 0);
    let mut filled = Vec::new();
    while let Some(line) = expected.get(i) {
        let text = got.get(j).copied();
        if line == ELISION {
            match text {
                Some(text) if table[i + 1][j] > table[i][j + 1] => {
                    filled.push(text.trim_end().to_owned());
                    j += 1;
                }
                _ => i += 1,
            }
            continue;
        }
        match text {
            Some(text) if line_matches(line, text) => {
                filled.push(text.trim_end().to_owned());
                (i, j) = (i + 1, j + 1);
            }
            Some(_) if table[i][j + 1] < table[i + 1][j] => j += 1,
            _ => {
                filled.push(line.clone());
                i += 1;
            }
        }
    }
    filled
}

/// Whether a line is what was expected; `...` in it stands for any text. Blanks at its end are optional.
pub fn line_matches(expected: &str, line: &str) -> bool {
    let expected = expected.trim_end();
    matches_exactly(expected, line) || matches_exactly(expected, line.trim_end())
}

fn matches_exactly(expected: &str, line: &str) -> bool {
    let Some((first, more)) = expected.split_once(ELISION) else { return expected == line };
    let (middle, last) = more.rsplit_once(ELISION).unwrap_or(("", more));
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle.split(ELISION) {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
