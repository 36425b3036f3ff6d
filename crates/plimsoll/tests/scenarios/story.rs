//! The stories of a scenario file: what to write and what to run, in order. `scenarios/README.md` defines the format.

use std::collections::BTreeSet;

use super::console::{self, Command, Expected};
use super::markdown::{Block, Section, sections};

/// The file that a `yaml scenario` without a name is written to.
const SCENARIO_FILE: &str = "scenario.yaml";

/// One `##` section of a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The heading.
    pub name: String,
    /// Why it is not run yet.
    pub pending: Option<String>,
    /// What to do, the shared part of the file first.
    pub steps: Vec<Step>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The block's line in the file, from 1.
    pub line: usize,
    /// What.
    pub act: Act,
}

/// What a block asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Writes a file.
    Write {
        /// Its name in the story's folder.
        name: String,
        /// What is in it.
        text: String,
    },
    /// Copies a file or folder, and merges a patch into the one document of a file.
    Copy {
        /// Its name in the story's folder.
        name: String,
        /// Where it comes from.
        from: Source,
        /// The patch as YAML; blank or only comments: none.
        patch: String,
    },
    /// Runs a command.
    Run(Command),
}

/// Where a copy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An input that an earlier block wrote.
    Input(String),
    /// A path relative to the scenario file.
    Path(String),
}

/// Reads a scenario file.
pub fn stories(text: &str) -> Result<Vec<Story>, String> {
    let mut sections = sections(text)?.into_iter();
    let shared = match sections.next() {
        Some(section) => steps(text, &section)?,
        None => Vec::new(),
    };
    if let Some(step) = shared.iter().find(|step| matches!(step.act, Act::Run(_))) {
        return Err(format!("line {}: commands belong to a story, below a `##`", step.line));
    }
    let mut names = BTreeSet::new();
    let mut stories = Vec::new();
    for section in sections {
        if !names.insert(section.heading.clone()) {
            return Err(format!("line {}: a second story named {:?}", section.line, section.heading));
        }
        stories.push(story(text, &section, &shared)?);
    }
    Ok(stories)
}

fn story(text: &str, section: &Section, shared: &[Step]) -> Result<Story, String> {
    let own = steps(text, section)?;
    let has_scenario = section.blocks.iter().any(|block| is_scenario(&block.info));
    let has_command = own.iter().any(|step| matches!(step.act, Act::Run(_)));
    let mut steps: Vec<Step> = shared.iter().cloned().chain(own).collect();
    if has_scenario && !has_command {
        steps.push(Step { line: section.line, act: Act::Run(check_all(&steps)) });
    }
    Ok(Story { name: section.heading.clone(), pending: pending(&section.first_line), steps })
}

/// `<!-- pending: reason -->`, right under the heading.
fn pending(line: &str) -> Option<String> {
    let reason = line.strip_prefix("<!-- pending:")?.strip_suffix("-->")?;
    Some(reason.trim().to_owned())
}

fn is_scenario(info: &str) -> bool {
    info.split_whitespace().nth(1).is_some_and(|word| word == "scenario" || word.starts_with("scenario="))
}

/// `check` over all inputs, for a story that only has a scenario.
fn check_all(steps: &[Step]) -> Command {
    let mut names: Vec<&str> = Vec::new();
    for step in steps {
        let (Act::Write { name, .. } | Act::Copy { name, .. }) = &step.act else { continue };
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let files = names.into_iter().flat_map(|name| ["-f".to_owned(), name.to_owned()]);
    let arguments: Vec<String> = ["check", "-R"].map(str::to_owned).into_iter().chain(files).collect();
    Command { line: format!("plimsoll {}", arguments.join(" ")), arguments, expected: Expected::Expectations }
}

fn steps(text: &str, section: &Section) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for block in &section.blocks {
        let acts = acts(text, block).map_err(|reason| format!("line {}: {reason}", block.line))?;
        steps.extend(acts.into_iter().map(|act| Step { line: block.line, act }));
    }
    Ok(steps)
}

/// What a block asks for; nothing when it is for the reader.
fn acts(text: &str, block: &Block) -> Result<Vec<Act>, String> {
    let body = &text[block.body.clone()];
    let words: Vec<&str> = block.info.split_whitespace().collect();
    let acts = match words.as_slice() {
        ["console"] => console::commands(body, block.body.start)?.into_iter().map(Act::Run).collect(),
        ["yaml", "scenario"] => vec![write(SCENARIO_FILE, body)?],
        ["yaml" | "text", word] if let Some(name) = word.strip_prefix("input=") => vec![write(name, body)?],
        ["yaml", word] if let Some(name) = word.strip_prefix("scenario=") => vec![write(name, body)?],
        ["yaml", first, second]
            if let (Some(name), Some(from)) =
                (first.strip_prefix("input="), second.strip_prefix("from=")) =>
        {
            vec![copy(name, from, body)?]
        }
        // A misspelt block must not turn into one that only the reader sees.
        [language, rest @ ..] if *language == "console" || rest.iter().any(|word| word.contains('=')) => {
            return Err(format!("`{}` is not an info string of the format", block.info));
        }
        _ => return Ok(Vec::new()),
    };
    if block.indent > 0 {
        return Err("a block that means something starts in the first column".to_owned());
    }
    Ok(acts)
}

fn write(name: &str, body: &str) -> Result<Act, String> {
    Ok(Act::Write { name: inside(name)?, text: body.to_owned() })
}

fn copy(name: &str, from: &str, body: &str) -> Result<Act, String> {
    let source =
        if from.contains('/') { Source::Path(from.to_owned()) } else { Source::Input(inside(from)?) };
    Ok(Act::Copy { name: inside(name)?, from: source, patch: body.to_owned() })
}

/// A name that stays within the story's folder.
fn inside(name: &str) -> Result<String, String> {
    let leaves = name.starts_with('/') || name.split('/').any(|part| matches!(part, "" | "." | ".."));
    if leaves { Err(format!("{name:?} is not a name in the story's folder")) } else { Ok(name.to_owned()) }
}
