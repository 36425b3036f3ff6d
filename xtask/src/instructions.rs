//! `cargo xtask instructions`: how many instructions the main benchmarks take, compared with the committed figures.
//!
//! valgrind's callgrind counts them, so the figures do not depend on how busy the machine is. Only those of our own
//! program count: what libc does differs by its version and by the processor that it finds. Tables with random keys
//! still make a difference of some hundredths of a percent.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use xshell::{Shell, cmd};

use crate::repository;

/// What was counted last, by name.
const COMMITTED: &str = "crates/oracle/benches/instructions.toml";
/// How far a figure may be from the committed one, in percent.
const TOLERANCE: u64 = 3;
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The function whose instructions are counted, as callgrind names it.
const MEASURED: &str = "instructions::measured";
/// The same as callgrind wants it where collecting starts and ends (3.19 collects nothing for the bare name).
const COLLECTED: &str = "*instructions*measured*";

/// Counts and compares; false when a figure is out of bounds.
pub fn run(bless: bool) -> Result<bool> {
    let shell = Shell::new()?;
    shell.change_dir(repository::root());
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        println!("skipped: the committed figures are those of {TARGET}");
        return Ok(true);
    }
    if cmd!(shell, "valgrind --version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        bail!("valgrind is not there, so no instructions can be counted");
    }
    let counted = count(&shell)?;
    if bless {
        shell.write_file(COMMITTED, written(&counted))?;
    }
    let committed = read(&shell.read_file(COMMITTED)?);
    let (table, good) = compared(&counted, &committed);
    println!("{table}");
    if !good {
        println!("more than {TOLERANCE} % from {COMMITTED}: mend it, or commit it with --bless and say why");
    }
    Ok(good)
}

/// Runs the benchmark under callgrind, which writes what it counted after each piece of work.
fn count(shell: &Shell) -> Result<Vec<(String, u64)>> {
    let folder = repository::root().join("target/instructions");
    shell.remove_path(&folder)?;
    shell.create_dir(&folder)?;
    let out = folder.join("out");
    let runner = format!(
        "valgrind --tool=callgrind --quiet --compress-strings=no --compress-pos=no --callgrind-out-file={} \
         --toggle-collect={COLLECTED} --dump-after={MEASURED}",
        out.display()
    );
    let said = cmd!(shell, "cargo bench --quiet --locked --package oracle --bench instructions")
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner)
        .env("CARGO_INCREMENTAL", "0")
        // Without link-time optimisation, which would take longer than the counting.
        .env("CARGO_PROFILE_BENCH_LTO", "off")
        .env("CARGO_PROFILE_BENCH_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_BENCH_DEBUG", "line-tables-only")
        .read()?;
    let mut counted = Vec::new();
    for (index, name) in (1..).zip(said.lines()) {
        let part = shell.read_file(folder.join(format!("out.{index}")))?;
        counted.push((name.to_owned(), own_instructions(&part).with_context(|| format!("{name}: nothing"))?));
    }
    if counted.is_empty() {
        bail!("nothing was counted");
    }
    Ok(counted)
}

/// Instructions in functions of the program itself, of a file that callgrind wrote; `None` when there are none.
fn own_instructions(file: &str) -> Option<u64> {
    let command = file.lines().find_map(|line| line.strip_prefix("cmd: "))?;
    let program = Path::new(command.split_whitespace().next()?).file_name()?;
    let (mut own, mut sum, mut calls) = (false, 0u64, false);
    for line in file.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            own = Path::new(object).file_name() == Some(program);
        } else if line.starts_with("calls=") {
            // The next line is what the called function took.
            calls = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let counts = own && !std::mem::take(&mut calls);
            let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse::<u64>().ok());
            sum += cost.filter(|_| counts).unwrap_or(0);
            calls = false;
        }
    }
    Some(sum).filter(|sum| *sum > 0)
}

fn written(counted: &[(String, u64)]) -> String {
    let head = "# Instructions of the main benchmarks, libc's apart: written by `cargo xtask instructions --bless`.\n";
    let lines = counted.iter().map(|(name, count)| format!("\"{name}\" = {count}\n"));
    lines.fold(head.to_owned(), |text, line| text + &line)
}

fn read(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|line| line.split_once(" = "));
    lines.filter_map(|(name, count)| Some((name.trim_matches('"').to_owned(), count.parse().ok()?))).collect()
}

/// A table, and whether everything is within bounds.
fn compared(counted: &[(String, u64)], committed: &BTreeMap<String, u64>) -> (String, bool) {
    let mut table = "| Work | Instructions | Committed | Change |\n|---|---|---|---|\n".to_owned();
    let mut good = counted.len() == committed.len();
    for (name, count) in counted {
        let line = match committed.get(name) {
            Some(known) => {
                let per_mille =
                    (i128::from(*count) - i128::from(*known)) * 1_000 / i128::from((*known).max(1));
                good &= count.abs_diff(*known) * 100 <= known * TOLERANCE;
                format!("| {name} | {count} | {known} | {:+.1} % |\n", per_mille as f64 / 10.0)
            }
            None => {
                good = false;
                format!("| {name} | {count} | none | |\n")
            }
        };
        table.push_str(&line);
    }
    (table, good)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "version: 1\ncmd: /target/release/deps/instructions-12 --bench\nevents: Ir\n\
        ob=/target/release/deps/instructions-12\nfl=a.rs\nfn=a\n10 5\n12 7\n\
        cob=/lib/libc.so.6\ncfn=memcpy\ncalls=1 0\n12 100\n13 1\n\
        ob=/lib/libc.so.6\nfn=memcpy\n0 100\n\ntotals: 113\n";

    #[test]
    fn only_the_programs_own_instructions_count() {
        assert_eq!(own_instructions(FILE), Some(13));
        assert_eq!(own_instructions("cmd: a\nob=b\n1 5\n"), None);
    }

    #[test]
    fn what_is_written_is_read_and_three_percent_are_let_through() {
        let counted = |count| vec![("a: b".to_owned(), count), ("c".to_owned(), 50)];
        let committed = read(&written(&counted(1_000)));
        assert!(compared(&counted(1_030), &committed).1 && compared(&counted(970), &committed).1);
        assert!(!compared(&counted(1_031), &committed).1 && !compared(&counted(969), &committed).1);
        assert!(!compared(&counted(1_000)[..1], &committed).1, "one is missing");
        assert!(!compared(&[("new".to_owned(), 1), ("c".to_owned(), 50)], &committed).1);
    }
}
