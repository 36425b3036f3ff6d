//! Checks of any text file: white space, leftovers, places that only one machine has.

use super::Problem;
use crate::repository::TextFile;

/// Words that mark unfinished work; put together so that this file does not contain them.
const LEFTOVERS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("X", "XX")];

/// Folders of somebody's machine.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Hosts of package registries: packages are named, never linked.
const REGISTRY_HOSTS: [&str; 3] =
    [concat!("crates", ".io/"), concat!("pypi", ".org"), concat!("proxy.golang", ".org")];

/// Everything wrong with the text of one file.
pub fn check(file: &TextFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    if file.path.ends_with("Cargo.lock") {
        return problems;
    }
    let path = file.path.as_str();
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        problems.push(Problem::error(path, file.text.lines().count(), "no newline at the end of the file"));
    }
    for (line, text) in (1..).zip(file.text.lines()) {
        if text.ends_with([' ', '\t', '\r']) && !file.path.ends_with(".snap") {
            problems.push(Problem::error(path, line, "trailing white space"));
        }
        for word in LEFTOVERS.into_iter().filter(|word| has_word(text, word)) {
            problems.push(Problem::error(
                path,
                line,
                format!("{word}: finish it, or open an issue and remove it"),
            ));
        }
        for folder in MACHINE_PATHS.into_iter().filter(|folder| has_path(text, folder)) {
            problems.push(Problem::error(
                path,
                line,
                format!("{folder} exists on one machine only; use a relative path"),
            ));
        }
        for host in REGISTRY_HOSTS.into_iter().filter(|host| text.contains(host)) {
            problems.push(Problem::error(
                path,
                line,
                format!("{host} is a package registry; name the package instead"),
            ));
        }
    }
    problems
}

/// Whether `word` stands alone in a line.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let after = line[at + word.len()..].chars().next();
        !is_part(line[..at].chars().next_back()) && (word.ends_with('(') || !is_part(after))
    })
}

/// Whether an absolute path starts with `folder` in a line; `https://host/folder/` is none.
fn has_path(line: &str, folder: &str) -> bool {
    let starts_path = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "\"'`(=[<:,".contains(c));
    line.match_indices(folder).any(|(at, _)| starts_path(line[..at].chars().next_back()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        let file = TextFile { path: path.to_string(), text: text.to_string() };
        check(&file).into_iter().map(|problem| (problem.line, problem.message)).collect()
    }

    #[test]
    fn white_space() {
        assert_eq!(found("a.md", "fine\n"), Vec::new());
        assert_eq!(found("a.md", "fine\nnot \n")[0].0, 2);
        assert_eq!(found("a.snap", "fine\nnot \n"), Vec::new());
        assert_eq!(found("a.md", "one\ntwo")[0].0, 2);
    }

    #[test]
    fn leftovers() {
        for word in LEFTOVERS {
            assert_eq!(found("a.rs", &format!("// {word}\n")).len(), 1, "{word}");
            assert_eq!(found("a.rs", &format!("let a{word} = 1;\n")).len(), 0, "{word}");
        }
    }

    #[test]
    fn machines_and_registries() {
        for folder in MACHINE_PATHS {
            assert_eq!(found("a.md", &format!("see `{folder}x`\n")).len(), 1, "{folder}");
            assert_eq!(found("a.md", &format!("see https://example.com{folder}x\n")).len(), 0, "{folder}");
        }
        for host in REGISTRY_HOSTS {
            assert_eq!(found("a.md", &format!("https://{host}/x\n")).len(), 1, "{host}");
            assert_eq!(found("Cargo.lock", &format!("https://{host}/x\n")).len(), 0, "{host}");
        }
    }
}
