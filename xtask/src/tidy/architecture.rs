//! The table in ARCHITECTURE.md against the workspace: every crate is in it, opens with the question it answers,
//! and imports only what the table allows. Dev-dependencies are exempt.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use xshell::{Shell, cmd};

use super::Problem;
use crate::repository::TextFile;

/// The document with the table.
const DOCUMENT: &str = "ARCHITECTURE.md";

/// The header of the table.
const HEADER: [&str; 3] = ["crate", "the question it answers", "may import"];

/// A crate of the workspace as cargo sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its folder below the root.
    pub folder: String,
    /// The workspace crates it depends on, dev-dependencies left out.
    pub imports: BTreeSet<String>,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    line: usize,
    question: String,
    imports: BTreeSet<String>,
}

/// The crates of the workspace at `root`, by `cargo metadata`.
pub fn workspace(root: &Path) -> Result<Vec<Member>> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    let answer = cmd!(shell, "cargo metadata --no-deps --offline --format-version 1").quiet().read()?;
    members(&serde_json::from_str(&answer)?)
}

/// The crates in what `cargo metadata` says.
fn members(metadata: &Value) -> Result<Vec<Member>> {
    let root = metadata["workspace_root"].as_str().context("cargo metadata names no root")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut members = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        let manifest = package["manifest_path"].as_str().context("a package has no manifest")?;
        let folder =
            manifest.trim_start_matches(root).trim_start_matches('/').trim_end_matches("/Cargo.toml");
        let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let imports = dependencies
            .iter()
            .filter(|dependency| dependency["kind"] != "dev" && dependency["path"].is_string())
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|name| names.contains(name))
            .map(String::from)
            .collect();
        members.push(Member { name: name.to_string(), folder: folder.to_string(), imports });
    }
    Ok(members)
}

/// Everything in which the table and the workspace differ.
pub fn check(files: &[TextFile], members: &[Member]) -> Vec<Problem> {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        return vec![Problem::error(DOCUMENT, 0, "missing; it holds the table of crates")];
    };
    let table = table(&document.text);
    let mut problems = Vec::new();
    for member in members {
        match table.get(&member.name) {
            None => problems.push(Problem::error(
                DOCUMENT,
                0,
                format!("crate `{}` is not in the table", member.name),
            )),
            Some(row) => {
                problems.extend(wrong_question(files, member, row));
                let extra = member.imports.difference(&row.imports);
                let manifest = format!("{}/Cargo.toml", member.folder);
                problems.extend(extra.map(|import| {
                    let message =
                        format!("`{}` may not import `{import}` ({DOCUMENT}:{})", member.name, row.line);
                    Problem::error(&manifest, 0, message)
                }));
            }
        }
    }
    for (name, row) in &table {
        if !members.iter().any(|member| member.name == *name) {
            problems.push(Problem::error(DOCUMENT, row.line, format!("there is no crate `{name}`")));
        }
        problems.extend(
            cycle(name, &table).map(|path| Problem::error(DOCUMENT, row.line, format!("a cycle: {path}"))),
        );
    }
    problems
}

/// The first line of the crate's root module has to be the question.
fn wrong_question(files: &[TextFile], member: &Member, row: &Row) -> Option<Problem> {
    let path = |name: &str| format!("{}/src/{name}", member.folder);
    let source =
        ["lib.rs", "main.rs"].iter().find_map(|name| files.iter().find(|file| file.path == path(name)));
    let Some(source) = source else {
        return Some(Problem::error(&member.folder, 0, "neither src/lib.rs nor src/main.rs is there"));
    };
    let expected = format!("//! {}", row.question);
    let first = source.text.lines().next().unwrap_or("");
    (first != expected)
        .then(|| Problem::error(&source.path, 1, format!("open with `{expected}`, as {DOCUMENT} says")))
}

/// The rows of the table by crate.
fn table(document: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for (line, text) in (1..).zip(document.lines()) {
        let cells: Vec<&str> = text.trim().trim_matches('|').split('|').map(str::trim).collect();
        if !text.trim_start().starts_with('|') {
            inside = false;
        } else if cells == HEADER {
            inside = true;
        } else if inside && let [name, question, imports] = cells.as_slice() {
            for name in quoted(name) {
                let row = Row { line, question: question.to_string(), imports: quoted(imports) };
                rows.insert(name, row);
            }
        }
    }
    rows
}

/// The names between back quotes.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(String::from).collect()
}

/// A way from a crate back to itself through what crates may import.
fn cycle(name: &str, table: &BTreeMap<String, Row>) -> Option<String> {
    let mut waiting = vec![(name, name.to_string())];
    let mut seen = BTreeSet::new();
    while let Some((at, path)) = waiting.pop() {
        for import in table.get(at).iter().flat_map(|row| &row.imports) {
            let path = format!("{path} -> {import}");
            if import == name {
                return Some(path);
            }
            if seen.insert(import) {
                waiting.push((import, path));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| crate | the question it answers | may import |\n|---|---|---|\n\
        | `cluster` | What is there? | – |\n| `catalog` | What can be bought? | `cluster` |\n";

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_string(), text: text.to_string() }
    }

    fn member(name: &str, imports: &[&str]) -> Member {
        let imports = imports.iter().map(ToString::to_string).collect();
        Member { name: name.to_string(), folder: format!("crates/{name}"), imports }
    }

    fn wrong(table: &str, catalog_opens_with: &str, members: &[Member]) -> Vec<String> {
        let files = [
            file(DOCUMENT, table),
            file("crates/cluster/src/lib.rs", "//! What is there?\n"),
            file("crates/catalog/src/lib.rs", catalog_opens_with),
        ];
        check(&files, members).into_iter().map(|problem| problem.to_string()).collect()
    }

    #[test]
    fn the_table_is_kept() {
        let members = [member("cluster", &[]), member("catalog", &["cluster"])];
        assert_eq!(wrong(TABLE, "//! What can be bought?\n", &members), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_named() {
        let good = "//! What can be bought?\n";
        let both = [member("cluster", &["catalog"]), member("catalog", &[])];
        assert_eq!(
            wrong(TABLE, good, &both),
            ["error: crates/cluster/Cargo.toml: `cluster` may not import `catalog` (ARCHITECTURE.md:3)"]
        );
        let one = [member("cluster", &[])];
        assert_eq!(wrong(TABLE, good, &one), ["error: ARCHITECTURE.md:4: there is no crate `catalog`"]);
        let both = [member("cluster", &[]), member("catalog", &[])];
        assert_eq!(
            wrong(TABLE, "//! Things.\n", &both),
            [
                "error: crates/catalog/src/lib.rs:1: open with `//! What can be bought?`, as ARCHITECTURE.md says"
            ]
        );
        assert_eq!(
            wrong("no table\n", good, &one),
            ["error: ARCHITECTURE.md: crate `cluster` is not in the table"]
        );
    }

    #[test]
    fn cycles_are_found() {
        let table = "| crate | the question it answers | may import |\n|---|---|---|\n\
            | `cluster` | What is there? | `catalog` |\n| `catalog` | What can be bought? | `cluster` |\n";
        let members = [member("cluster", &[]), member("catalog", &[])];
        assert_eq!(
            wrong(table, "//! What can be bought?\n", &members)[0],
            "error: ARCHITECTURE.md:4: a cycle: catalog -> cluster -> catalog"
        );
    }

    #[test]
    fn cargo_metadata_is_read() {
        let metadata = serde_json::json!({
            "workspace_root": "/src",
            "packages": [
                {"name": "a", "manifest_path": "/src/crates/a/Cargo.toml", "dependencies": [
                    {"name": "b", "kind": null, "path": "/src/crates/b"},
                    {"name": "c", "kind": "dev", "path": "/src/crates/c"},
                    {"name": "serde", "kind": null},
                ]},
                {"name": "b", "manifest_path": "/src/crates/b/Cargo.toml", "dependencies": []},
                {"name": "c", "manifest_path": "/src/crates/c/Cargo.toml", "dependencies": []},
            ],
        });
        assert_eq!(members(&metadata).unwrap()[0], member("a", &["b"]));
    }
}
