//! Does the engine decide what the real thing decides?
//!
//! `oracle scheduler --seed S --count N`, or `oracle karpenter …`, plays fresh seeds against the upstream's program and prints what was compared
//! and each difference with its smallest cluster. Arguments, files and printing only.

#![allow(clippy::print_stdout, reason = "a command talks to the terminal")]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use oracle::karpenter::run::Karpenter;
use oracle::record::Record;
use oracle::scheduler::run::KubeScheduler;
use oracle::{document, karpenter, play};

/// Plays seeded clusters against the real thing.
#[derive(Parser)]
#[command(name = "oracle")]
struct Arguments {
    #[command(subcommand)]
    upstream: Upstream,
}

/// Which real thing.
#[derive(Subcommand)]
enum Upstream {
    /// kube-scheduler.
    Scheduler(Seeds),
    /// Karpenter.
    Karpenter(Seeds),
    /// Karpenter, on the pods and types of its own scheduling benchmark.
    KarpenterMix(Mix),
}

/// Which seeds, and what to do with them.
#[derive(Args)]
struct Seeds {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    count: u64,
    /// The upstream's program, as `go build` makes it.
    #[arg(long)]
    program: PathBuf,
    /// Record the first decisions, and write what was compared into docs/fidelity.md; in the root of the repository.
    #[arg(long)]
    record: bool,
    /// How many decisions are recorded at most.
    #[arg(long, default_value_t = 400)]
    rows: usize,
    /// Stop after so many clusters that differ.
    #[arg(long, default_value_t = 10)]
    findings: usize,
    /// Leave differing clusters as large as they are.
    #[arg(long)]
    whole: bool,
    /// Print the objects of the first seed, one a line, and stop.
    #[arg(long)]
    print: bool,
}

/// How many pods.
#[derive(Args)]
struct Mix {
    /// The sizes.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 50, 100, 500, 1000])]
    pods: Vec<usize>,
    /// The upstream's program, as `go build` makes it.
    #[arg(long)]
    program: PathBuf,
}

fn main() -> Result<ExitCode> {
    let agreed = match Arguments::parse().upstream {
        Upstream::Scheduler(asked) => play::<KubeScheduler>(&asked)?,
        Upstream::Karpenter(asked) => play::<Karpenter>(&asked)?,
        Upstream::KarpenterMix(asked) => play_mix(&asked)?,
    };
    Ok(if agreed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Seeds {
    fn range(&self) -> Range<u64> {
        self.seed..self.seed.saturating_add(self.count)
    }

    fn kept(&self) -> usize {
        if self.record { self.rows } else { 0 }
    }
}

/// Plays seeds against the real thing; whether the two agree.
fn play<U: play::Upstream>(asked: &Seeds) -> Result<bool> {
    if asked.print {
        U::input(asked.seed).0.iter().for_each(|object| println!("{object}"));
        return Ok(true);
    }
    let (seeds, shrinks) = (asked.range(), !asked.whole);
    let plan = play::Plan { seeds, most_findings: asked.findings, shrinks, kept: asked.kept() };
    let played = play::live::<U>(&asked.program, &plan)?;
    played.findings.iter().for_each(|finding| println!("{}", play::show(finding)));
    println!("{}", U::report(&played.tally, &plan.seeds));
    if asked.record && played.findings.is_empty() {
        write(&play::record::<U>(&played, &plan.seeds), U::RECORD, U::SECTION)?;
    }
    Ok(played.findings.is_empty())
}

/// Compares the two on the benchmark's pods; whether they agree at every size.
fn play_mix(asked: &Mix) -> Result<bool> {
    use karpenter::mix::{self, Pods};
    let mut agreed = true;
    let kinds = [("diverse", Pods::Diverse, false), ("preferences", Pods::Preferring, false)];
    let kinds = kinds.into_iter().chain([("preferences ignored", Pods::Preferring, true)]);
    for (name, kind, ignored) in kinds {
        for count in &asked.pods {
            let (claims, found) = karpenter::run::one(&asked.program, &mix::input(kind, *count, ignored))?;
            agreed &= found.is_empty();
            println!(
                "{name}, {count} pods: {claims} claims, {}",
                if found.is_empty() { "equal" } else { "DIFFERENT" }
            );
        }
    }
    Ok(agreed)
}

/// Writes a record, and its part of the documentation.
fn write(record: &Record, file: &str, section: &str) -> Result<()> {
    record.write(&Path::new("crates/oracle").join(file))?;
    let path = Path::new("docs/fidelity.md");
    let text = std::fs::read_to_string(path).context("read docs/fidelity.md")?;
    let part = record.header["report"].as_str().unwrap_or_default();
    std::fs::write(path, document::replace(&text, section, part)?)?;
    Ok(())
}
