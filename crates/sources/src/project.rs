//! `.plimsoll.yaml`: which files make up which environment of a repository.
//!
//! ```yaml
//! environments:
//! - name: dev
//!   files: [base]            # what is read; directories with all that is below them
//!   kustomize: overlays/dev  # what `-k` builds instead; also built when there are no `files`
//!   cluster: clusters/dev.yaml
//! files: []                  # read in every environment, before its own
//! cluster: cluster.yaml      # where an environment names none
//! ignore:
//! - {code: IP101, namespace: sandbox, name: "*", reason: "shared with nobody", until: 2026-12-31}
//! ```

use std::path::{Path, PathBuf};

use api::Severity;
use serde_json::Value;

use crate::codes;
use crate::inputs::Inputs;
use crate::limits::Limits;
use crate::load::Loader;
use crate::node::{Bytes, Node};
use crate::read::{Reader, shown};

/// The name of a project file.
pub const FILE: &str = ".plimsoll.yaml";

/// A project file, with paths resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The directory that the file is in.
    pub root: PathBuf,
    /// Its environments; one without a name when it lists none.
    pub environments: Vec<Environment>,
    /// Findings that are not to be reported.
    pub ignore: Vec<Ignore>,
    /// What is wrong with the file itself.
    pub problems: Vec<ProjectProblem>,
}

/// One environment: what is deployed together into one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Its name; empty when the project has no environments.
    pub name: String,
    /// Files and directories, in order.
    pub files: Vec<PathBuf>,
    /// The overlay.
    pub kustomize: Option<PathBuf>,
    /// The cluster profile.
    pub cluster: Option<PathBuf>,
}

/// A finding that is not to be reported, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    /// The code of the finding; `*` for all.
    pub code: String,
    /// The kind of the object; empty for any.
    pub kind: String,
    /// Its namespace, empty for any; `*` matches any text.
    pub namespace: String,
    /// Its name, empty for any; `*` matches any text.
    pub name: String,
    /// Why. Never empty.
    pub reason: String,
    /// The last day on which it holds, `2026-12-31`; empty for ever.
    pub until: String,
    /// The line of the project file that says so, for stale ones.
    pub line: u32,
}

/// Something wrong with a project file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectProblem {
    /// Errors end the run; a field that is not known is a warning.
    pub severity: Severity,
    /// The file, as it is printed.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong, in one sentence.
    pub message: String,
}

impl Project {
    /// The project of a directory; `None` when it holds no project file.
    pub fn open(cwd: &Path, directory: &Path) -> Option<Project> {
        let root = cwd.join(directory);
        let bytes = std::fs::read(root.join(FILE)).ok()?;
        Some(Project::parse(&root, &shown(cwd, &root.join(FILE)), &String::from_utf8_lossy(&bytes)))
    }

    /// The project that `directory` is part of: looked for upwards, to the root of its git repository.
    pub fn find(cwd: &Path, directory: &Path) -> Option<Project> {
        const HIGHEST: usize = 64;
        let full = cwd.join(directory);
        for directory in full.ancestors().take(HIGHEST) {
            if directory.join(FILE).is_file() {
                return Project::open(cwd, directory);
            }
            if directory.join(".git").exists() {
                return None;
            }
        }
        None
    }

    /// Reads the text of a project file that is called `name` and lies in `root`.
    pub fn parse(root: &Path, name: &str, text: &str) -> Project {
        let mut parser = Parser::new(root, name, text);
        parser.project();
        parser.project
    }

    /// The environment with this name.
    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name == name)
    }
}

impl Environment {
    /// Reads the environment. `build`: from its overlay, where it has one.
    pub fn read(&self, reader: &mut Reader<'_>, build: bool) {
        match &self.kustomize {
            Some(overlay) if build || self.files.is_empty() => reader.kustomize(overlay),
            _ => self.files.iter().for_each(|path| reader.path(path, true)),
        }
        if let Some(cluster) = &self.cluster {
            reader.path(cluster, false);
        }
    }
}

struct Parser {
    project: Project,
    name: String,
    inputs: Inputs,
    text: String,
}

/// A value of the file with its place.
type At<'v> = (&'v Value, &'v Node);

impl Parser {
    fn new(root: &Path, name: &str, text: &str) -> Parser {
        let mut loader = Loader::new(Limits { documents: 2, ..Limits::default() });
        loader.add_text(name, text.to_owned());
        let project = Project {
            root: root.to_owned(),
            environments: Vec::new(),
            ignore: Vec::new(),
            problems: Vec::new(),
        };
        Parser { project, name: name.to_owned(), inputs: loader.finish(), text: text.to_owned() }
    }

    fn project(&mut self) {
        let Some(parsed) = crate::rewrite::read_one(&self.text) else {
            return self.broken();
        };
        let (value, node) = (parsed.built.value, parsed.built.node);
        if !value.is_object() {
            return self.problem(
                Severity::Error,
                node.value,
                "a project file is a map with `environments` or `files`",
            );
        }
        let mut shared = Environment::default();
        let mut environments: Vec<Environment> = Vec::new();
        for (key, at) in entries((&value, &node)) {
            match key {
                "environments" => {
                    environments = self.items(at).into_iter().map(|item| self.environment(item)).collect();
                }
                "ignore" => {
                    let ignore = self.items(at).into_iter().filter_map(|item| self.ignore(item)).collect();
                    self.project.ignore = ignore;
                }
                _ => self.environment_field(&mut shared, key, at),
            }
        }
        if environments.is_empty() {
            environments.push(shared);
        } else {
            for environment in &mut environments {
                environment.files.splice(0..0, shared.files.iter().cloned());
                environment.cluster = environment.cluster.take().or_else(|| shared.cluster.clone());
                environment.kustomize = environment.kustomize.take().or_else(|| shared.kustomize.clone());
            }
        }
        self.check_names(&environments, (&value, &node));
        self.project.environments = environments;
    }

    fn environment(&mut self, at: At<'_>) -> Environment {
        let mut environment = Environment::default();
        if !at.0.is_object() {
            self.problem(
                Severity::Error,
                at.1.value,
                "an environment is a map with `name`, `files` and `cluster`",
            );
        }
        for (key, at) in entries(at) {
            match key {
                "name" => environment.name = self.text(at),
                _ => self.environment_field(&mut environment, key, at),
            }
        }
        environment
    }

    fn environment_field(&mut self, environment: &mut Environment, key: &str, at: At<'_>) {
        match key {
            "files" => {
                let items = self.items(at);
                environment.files = items.into_iter().map(|item| self.path(item)).collect();
            }
            "kustomize" => environment.kustomize = Some(self.path(at)),
            "cluster" => environment.cluster = Some(self.path(at)),
            _ => self.unknown(key, at),
        }
    }

    fn ignore(&mut self, at: At<'_>) -> Option<Ignore> {
        let mut ignore = Ignore { line: self.position(at.1.value).0, ..Ignore::default() };
        for (key, at) in entries(at) {
            match key {
                "code" => ignore.code = self.text(at),
                "kind" => ignore.kind = self.text(at),
                "namespace" => ignore.namespace = self.text(at),
                "name" => ignore.name = self.text(at),
                "reason" => ignore.reason = self.text(at),
                "until" => ignore.until = self.text(at),
                _ => self.unknown(key, at),
            }
        }
        if ignore.code.is_empty() || ignore.reason.trim().is_empty() {
            self.problem(Severity::Error, at.1.value, "an entry of `ignore` needs a `code` and a `reason`");
            return None;
        }
        Some(ignore)
    }

    fn check_names(&mut self, environments: &[Environment], at: At<'_>) {
        let place = at.1.nearest(at.0, "/environments").0.key;
        let mut seen = std::collections::BTreeSet::new();
        for environment in environments {
            let named = !environment.name.is_empty() || environments.len() == 1;
            if !named {
                self.problem(Severity::Error, place, "an environment has no name");
            } else if !seen.insert(&environment.name) {
                let message = format!("there are two environments called `{}`", environment.name);
                self.problem(Severity::Error, place, &message);
            }
            if environment.files.is_empty() && environment.kustomize.is_none() {
                let message =
                    format!("the environment `{}` has neither `files` nor `kustomize`", environment.name);
                self.problem(Severity::Error, place, &message);
            }
        }
    }

    fn items<'v>(&mut self, at: At<'v>) -> Vec<At<'v>> {
        match at.0 {
            Value::Array(items) => items.iter().zip(&at.1.children).collect(),
            Value::Null => Vec::new(),
            _ => vec![at],
        }
    }

    fn text(&mut self, at: At<'_>) -> String {
        match at.0 {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => {
                self.problem(Severity::Error, at.1.value, "a text is needed here");
                String::new()
            }
        }
    }

    fn path(&mut self, at: At<'_>) -> PathBuf {
        let text = self.text(at);
        self.project.root.join(text)
    }

    fn unknown(&mut self, key: &str, at: At<'_>) {
        self.problem(Severity::Warning, at.1.key, &format!("the field `{key}` is not known here"));
    }

    fn broken(&mut self) {
        let problems: Vec<ProjectProblem> = self
            .inputs
            .problems
            .iter()
            .filter_map(|problem| {
                let span = self.inputs.problem_span(problem)?;
                let (line, column, message) = (span.line, span.column, problem.message.clone());
                Some(ProjectProblem { severity: problem.severity, file: span.name, line, column, message })
            })
            .collect();
        self.project.problems.extend(problems);
        if !self.project.problems.iter().any(|problem| problem.severity == Severity::Error) {
            self.problem(
                Severity::Error,
                Bytes::default(),
                "a project file is one document with `environments` or `files`",
            );
        }
    }

    fn position(&self, at: Bytes) -> (u32, u32) {
        self.inputs.files.first().map_or((1, 1), |file| file.position(at.start as usize))
    }

    fn problem(&mut self, severity: Severity, at: Bytes, message: &str) {
        let (line, column) = self.position(at);
        let (file, message) = (self.name.clone(), message.to_owned());
        self.project.problems.push(ProjectProblem { severity, file, line, column, message });
    }
}

fn entries<'v>(at: At<'v>) -> Vec<(&'v str, At<'v>)> {
    let map = at.0.as_object().into_iter().flatten();
    map.zip(&at.1.children).map(|((key, value), node)| (key.as_str(), (value, node))).collect()
}

impl ProjectProblem {
    /// The code of all of them.
    pub const CODE: &'static str = codes::PROJECT;
}
