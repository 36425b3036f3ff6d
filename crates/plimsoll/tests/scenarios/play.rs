//! Plays a story: writes its inputs, runs its commands, compares.

use std::fmt::Write as _;
use std::path::Path;

use super::console::{Command, Expected, written};
use super::elision::{compare, diff};
use super::folder::Folder;
use super::process::{Output, run};
use super::story::{Act, Story};
use super::update::Updates;

/// Plays it and compares what is printed; with `updates`, what differs is noted there and does not fail.
pub fn play(file: &Path, story: &Story, updates: Option<&Updates>) -> Result<(), String> {
    let folder = Folder::empty(file.parent().unwrap_or(file))?;
    let mut failures = String::new();
    for step in &story.steps {
        let place = format!("{}:{}", file.display(), step.line);
        folder.write(&step.act).map_err(|reason| format!("{place}: {reason}"))?;
        let Act::Run(command) = &step.act else { continue };
        let output =
            run(folder.path(), &command.arguments, None).map_err(|reason| format!("{place}: {reason}"))?;
        if let Some(failure) = judge(command, &output) {
            match (updates, &command.expected) {
                (Some(updates), Expected::Output { place, .. }) => {
                    updates.add(file, place.clone(), written(&output.stdout, output.exit_code));
                }
                _ => {
                    let _ = writeln!(failures, "{place}: $ {}\n{failure}", command.line);
                }
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// What is wrong with an output.
fn judge(command: &Command, output: &Output) -> Option<String> {
    let failure = match &command.expected {
        Expected::Output { lines, exit_code, .. } => {
            let comparison = compare(lines, &output.stdout);
            let mut failure = String::new();
            if comparison.mismatches > 0 {
                failure.push_str(&diff(&comparison, &output.stdout));
            }
            if *exit_code != output.exit_code {
                let _ = writeln!(failure, "exit code: expected {exit_code}, got {}", output.exit_code);
            }
            failure
        }
        Expected::Expectations => unmet_expectations(output),
    };
    (!failure.is_empty()).then(|| match output.stderr.trim() {
        "" => failure,
        stderr => format!("{failure}standard error:\n{stderr}\n"),
    })
}

/// A story without a command is about its expectations only.
fn unmet_expectations(output: &Output) -> String {
    if !matches!(output.exit_code, 0 | 1 | 4) {
        return format!("exit code: {}\n", output.exit_code);
    }
    let unmet = output.stdout.lines().filter(|line| line.starts_with("error[EXPECT"));
    unmet.map(|line| format!("{line}\n")).collect()
}

/// Plays it with one thread and with two: everything that comes out must be the same bytes.
pub fn play_again(file: &Path, story: &Story) -> Result<(), String> {
    let folder = Folder::empty(file.parent().unwrap_or(file))?;
    for step in &story.steps {
        let place = format!("{}:{}", file.display(), step.line);
        folder.write(&step.act).map_err(|reason| format!("{place}: {reason}"))?;
        let Act::Run(command) = &step.act else { continue };
        let run = |jobs| {
            run(folder.path(), &command.arguments, Some(jobs)).map_err(|reason| format!("{place}: {reason}"))
        };
        let (one, two) = (run(1)?, run(2)?);
        if one != two {
            return Err(format!("{place}: $ {}\n{}", command.line, difference(&one, &two)));
        }
    }
    Ok(())
}

fn difference(one: &Output, two: &Output) -> String {
    let mut out = String::new();
    for (stream, one, two) in
        [("standard output", &one.stdout, &two.stdout), ("standard error", &one.stderr, &two.stderr)]
    {
        if one != two {
            let diff = similar::TextDiff::from_lines(one.as_str(), two.as_str());
            let _ = write!(out, "{stream}\n{}", diff.unified_diff().header("one thread", "two threads"));
        }
    }
    if one.exit_code != two.exit_code {
        let _ = writeln!(out, "exit code: one thread {}, two threads {}", one.exit_code, two.exit_code);
    }
    out
}
