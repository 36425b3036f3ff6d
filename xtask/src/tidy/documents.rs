//! Checks of Markdown: links between files hold, and the changelog has a place for what is not released.

use std::collections::BTreeSet;

use super::Problem;
use crate::repository::TextFile;

/// Everything wrong with the documents among `files`.
pub fn check(files: &[TextFile]) -> Vec<Problem> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut problems: Vec<Problem> = files
        .iter()
        .filter(|file| file.path.ends_with(".md"))
        .flat_map(|file| dead_links(file, &paths))
        .collect();
    problems.extend(changelog(files));
    problems
}

/// CHANGELOG.md needs a heading `Unreleased`.
fn changelog(files: &[TextFile]) -> Option<Problem> {
    let Some(file) = files.iter().find(|file| file.path == "CHANGELOG.md") else {
        return Some(Problem::error("CHANGELOG.md", 0, "missing"));
    };
    let headings = file.text.lines().filter_map(|line| line.strip_prefix("## "));
    let unreleased =
        headings.map(|heading| heading.trim_matches(['[', ']'])).any(|heading| heading == "Unreleased");
    (!unreleased).then(|| Problem::error("CHANGELOG.md", 1, "no section `## Unreleased`"))
}

/// Links of a document to files that are not there. Anchors and other sites are not followed.
fn dead_links(file: &TextFile, paths: &BTreeSet<&str>) -> Vec<Problem> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut problems = Vec::new();
    let mut fenced = false;
    for (line, text) in (1..).zip(file.text.lines()) {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in links(text) {
            let path = target.split(['#', ' ']).next().unwrap_or("");
            let elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            if !elsewhere && !exists(&resolve(folder, path), paths) {
                problems.push(Problem::error(
                    &file.path,
                    line,
                    format!("the link to {target} leads nowhere"),
                ));
            }
        }
    }
    problems
}

/// The targets of `[text](target)` and `[name]: target` in a line, outside of code.
fn links(line: &str) -> Vec<&str> {
    let code: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
    let mut targets: Vec<&str> = line
        .match_indices("](")
        .filter_map(|(at, mark)| line[at + mark.len()..].split_once(')').map(|(target, _)| target))
        .filter(|target| !code.iter().any(|span| span.contains(target)))
        .collect();
    let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    targets.extend(definition.map(|(_, target)| target.trim()));
    targets
}

/// `path` seen from `folder`, without `.` and `..`.
fn resolve(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = if path.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

/// Whether a file or folder is there.
fn exists(path: &str, paths: &BTreeSet<&str>) -> bool {
    let folder = format!("{path}/");
    path.is_empty() || paths.contains(path) || paths.iter().any(|other| other.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_string(), text: text.to_string() }
    }

    fn wrong(files: &[TextFile]) -> Vec<(String, usize)> {
        check(files).into_iter().map(|problem| (problem.path, problem.line)).collect()
    }

    #[test]
    fn links_are_followed() {
        let changelog = file("CHANGELOG.md", "# Changelog\n## [Unreleased]\n");
        let good = "[a](docs/a.md#part) [b](docs) [c](https://example.com/x) [d](#here) `[e](nowhere)`\n[f]: docs/a.md\n";
        let inner = file("docs/a.md", "[up](../README.md)\n```\n[x](nowhere)\n```\n");
        assert_eq!(wrong(&[changelog.clone(), file("README.md", good), inner.clone()]), []);
        let bad = file("README.md", "fine\n[a](docs/b.md)\n[b]: gone.md\n");
        assert_eq!(
            wrong(&[changelog, bad, inner]),
            [("README.md".to_string(), 2), ("README.md".to_string(), 3)]
        );
    }

    #[test]
    fn the_changelog_is_ready_for_more() {
        assert_eq!(wrong(&[]), [("CHANGELOG.md".to_string(), 0)]);
        assert_eq!(
            wrong(&[file("CHANGELOG.md", "# Changelog\n## 1.0.0\n")]),
            [("CHANGELOG.md".to_string(), 1)]
        );
        assert_eq!(wrong(&[file("CHANGELOG.md", "## Unreleased\n")]), []);
    }
}
