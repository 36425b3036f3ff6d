//! Does the engine decide what the real thing decides?
//!
//! `oracle scheduler --seed S --count N` plays fresh seeds against the upstream's program and prints what was compared
//! and each difference with its smallest cluster. Arguments, files and printing only.

#![allow(clippy::print_stdout, reason = "a command talks to the terminal")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use oracle::document;
use oracle::scheduler::run::{self, Plan};
use oracle::scheduler::{RECORD, SECTION, report};

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
    #[arg(long, default_value = "target/oracle/kube-scheduler")]
    program: PathBuf,
    /// Record the first decisions, and write what was compared into docs/fidelity.md; in the root of the repository.
    #[arg(long)]
    record: bool,
    /// How many decisions are recorded.
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

fn main() -> Result<ExitCode> {
    let Upstream::Scheduler(asked) = Arguments::parse().upstream;
    if asked.print {
        for object in oracle::scheduler::generate::cluster(asked.seed) {
            println!("{object}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan {
        seeds: asked.seed..asked.seed.saturating_add(asked.count),
        most_findings: asked.findings,
        shrinks: !asked.whole,
        kept: if asked.record { asked.rows } else { 0 },
    };
    let played = run::live(&asked.program, &plan)?;
    for finding in &played.findings {
        println!("{}", run::show(finding));
    }
    println!("{}", report::markdown(&played.tally, &plan.seeds));
    if asked.record && played.findings.is_empty() {
        let record = run::record(&played, &plan.seeds);
        record.write(&Path::new("crates/oracle").join(RECORD))?;
        let path = Path::new("docs/fidelity.md");
        let text = std::fs::read_to_string(path).context("read docs/fidelity.md")?;
        let part = record.header["report"].as_str().unwrap_or_default();
        std::fs::write(path, document::replace(&text, SECTION, part)?)?;
    }
    Ok(if played.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
