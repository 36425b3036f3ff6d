//! Runs `scenarios/*.md` against the built binary: one test a story, and one that plays it several times.
//!
//! `PLIMSOLL_UPDATE=1 cargo test -p plimsoll --test scenarios` writes what came in place of what was expected.
//! The format is defined in `scenarios/README.md`; its reader is tested in `tests/scenario_format.rs`.

#![allow(clippy::print_stderr, reason = "a test harness talks to the terminal")]

#[path = "scenarios/console.rs"]
mod console;
#[path = "scenarios/elision.rs"]
mod elision;
#[path = "scenarios/folder.rs"]
mod folder;
#[path = "scenarios/markdown.rs"]
mod markdown;
#[path = "scenarios/merge.rs"]
mod merge;
#[path = "scenarios/play.rs"]
mod play;
#[path = "scenarios/process.rs"]
mod process;
#[path = "scenarios/story.rs"]
mod story;
#[path = "scenarios/update.rs"]
mod update;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use update::Updates;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let updates = std::env::var_os("PLIMSOLL_UPDATE").is_some_and(|set| !set.is_empty() && set != "0");
    let updates = updates.then(|| Arc::new(Updates::default()));
    let trials = files().iter().flat_map(|file| trials(file, updates.as_ref())).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    match updates.map(|updates| updates.write()) {
        Some(Err(error)) => {
            eprintln!("cannot write the updates: {error}");
            return ExitCode::FAILURE;
        }
        Some(Ok(count)) => eprintln!("updated {count} outputs; read the diff before you commit it"),
        None => {}
    }
    conclusion.exit_code()
}

/// The scenario files, in the order of their names.
fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let folder = folder.canonicalize().expect("the repository has a folder scenarios");
    let entries = folder.read_dir().expect("the folder scenarios can be read");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry of scenarios").path()).collect();
    files.retain(|path| {
        path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("README.md")
    });
    files.sort();
    files
}

/// The tests of a file. One that cannot be read is a test that fails.
fn trials(file: &Path, updates: Option<&Arc<Updates>>) -> Vec<Trial> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let stories = match text.and_then(|text| story::stories(&text)) {
        Ok(stories) => stories,
        Err(reason) => {
            let message = format!("{}: {reason}", file.display());
            return vec![Trial::test(format!("{stem}::is readable"), move || Err(message.into()))];
        }
    };
    stories.into_iter().flat_map(|story| of_story(file, &stem, story, updates)).collect()
}

fn of_story(file: &Path, stem: &str, story: story::Story, updates: Option<&Arc<Updates>>) -> Vec<Trial> {
    let name = format!("{stem}::{}", story.name);
    let pending = story.pending.clone();
    let (file, again, updates) = (file.to_owned(), file.to_owned(), updates.cloned());
    let (same, story) = (story.clone(), story);
    let updating = updates.is_some();
    let told = Trial::test(name.clone(), move || Ok(play::play(&file, &story, updates.as_deref())?));
    let repeated = Trial::test(format!("{name}::again"), move || Ok(play::play_again(&again, &same)?));
    let mut trials = vec![told];
    if !updating {
        trials.push(repeated.with_kind("determinism"));
    }
    match pending {
        Some(reason) => {
            let mark = |trial: Trial| trial.with_kind(format!("pending: {reason}")).with_ignored_flag(true);
            trials.into_iter().map(mark).collect()
        }
        None => trials,
    }
}
