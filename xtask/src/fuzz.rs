//! `cargo xtask fuzz`: runs the fuzz targets with the pinned stable toolchain, nothing to install.
//!
//! The targets are plain libFuzzer binaries. Coverage comes from LLVM's `sancov` pass, which stable rustc runs when
//! it is asked to by `-C passes`; there are no other sanitizers, as they need a nightly compiler. A target starts
//! from the small inputs in `fuzz/seeds` and from what earlier runs found new (`fuzz/corpus`, not in the
//! repository).

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use xshell::{Shell, cmd};

use crate::repository;

/// What makes a build of rustc one that libFuzzer can steer. Levels and flags are those of `cargo fuzz` 0.13.
const COVERAGE: [&str; 6] = [
    "--cfg fuzzing",
    "-C passes=sancov-module",
    "-C llvm-args=-sanitizer-coverage-level=4",
    "-C llvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-C llvm-args=-sanitizer-coverage-pc-table",
    "-C llvm-args=-sanitizer-coverage-trace-compares",
];

/// Inputs larger than this teach nothing new and are slow.
const LONGEST_INPUT_BYTES: u32 = 16_384;

/// One input may take this long before it counts as a hang.
const SLOWEST_INPUT_SECONDS: u32 = 10;

/// A run may use this much memory.
const MEMORY_MIB: u32 = 2_048;

/// Builds all targets and runs each, or only `target`, for `seconds`. An input that crashes a target is printed,
/// and the run fails.
pub fn run(seconds: u32, target: Option<&str>) -> Result<()> {
    let shell = Shell::new()?;
    let folder = repository::root().join("fuzz");
    let host = host(&shell)?;
    let targets = targets(&folder, target)?;
    build(&shell, &folder, &host, &targets)?;
    let mut failed = Vec::new();
    for name in &targets {
        let program = folder.join("target").join(&host).join("release").join(name);
        if !run_one(&shell, &folder, &program, name, seconds)? {
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() {
        println!("fuzz: {} targets, {seconds} s each, no crash", targets.len());
        return Ok(());
    }
    bail!("crashed: {}", failed.join(", "))
}

/// The targets by name: a file each in `fuzz/targets`.
fn targets(folder: &Path, only: Option<&str>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.join("targets"))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|end| end == "rs") && only.is_none_or(|only| only == name) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        bail!("there is no fuzz target {}", only.unwrap_or_default());
    }
    Ok(names)
}

/// With `--target`, build scripts and macros are built without coverage: they would not link with it.
fn host(shell: &Shell) -> Result<String> {
    let version = cmd!(shell, "rustc --version --verbose").read()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

fn build(shell: &Shell, folder: &Path, host: &str, targets: &[String]) -> Result<()> {
    let _folder = shell.push_dir(folder);
    let _flags = shell.push_env("RUSTFLAGS", COVERAGE.join(" "));
    let bins = targets.iter().flat_map(|name| ["--bin", name.as_str()]);
    Ok(cmd!(shell, "cargo build --quiet --release --target {host} {bins...}").run()?)
}

/// Runs one target; false when it crashed.
fn run_one(shell: &Shell, folder: &Path, program: &Path, name: &str, seconds: u32) -> Result<bool> {
    let corpus = folder.join("corpus").join(name);
    let artifacts = folder.join("artifacts").join(name);
    let seeds = folder.join("seeds").join(name);
    for made in [&corpus, &artifacts] {
        shell.create_dir(made)?;
    }
    if !seeds.is_dir() {
        bail!("{name} has no seeds: put small inputs into {}", seeds.display());
    }
    let prefix = format!("-artifact_prefix={}/", artifacts.display());
    let (total, longest) = (format!("-max_total_time={seconds}"), format!("-max_len={LONGEST_INPUT_BYTES}"));
    let (slowest, memory) =
        (format!("-timeout={SLOWEST_INPUT_SECONDS}"), format!("-rss_limit_mb={MEMORY_MIB}"));
    println!("fuzz: {name}, {seconds} s");
    let done = cmd!(
        shell,
        "{program} {total} {longest} {slowest} {memory} {prefix} -print_final_stats=1 {corpus} {seeds}"
    )
    .quiet()
    .ignore_status()
    .output()?;
    let log = String::from_utf8_lossy(&done.stderr);
    if done.status.success() {
        let covered =
            log.lines().rev().find(|line| line.contains(" cov: ")).unwrap_or("no coverage was counted");
        println!("  {}", covered.trim());
        return Ok(true);
    }
    println!("{log}");
    let written =
        log.lines().filter_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path.trim());
    for path in written {
        let input = std::fs::read(path)?;
        println!("input {path} ({} bytes):\n{}", input.len(), input.escape_ascii());
    }
    Ok(false)
}
