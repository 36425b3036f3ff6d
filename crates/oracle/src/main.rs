//! Does the engine decide what the real thing decides?
//!
//! `oracle scheduler --seeds A..B` plays fresh seeds against the upstream's program and prints what was compared and
//! each difference with its smallest cluster. Arguments and printing only.

#![allow(clippy::print_stdout, reason = "a command talks to the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use oracle::scheduler::run::{self, Plan};

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
    /// The seeds, as `FIRST..END`.
    #[arg(long, default_value = "0..200", value_parser = range)]
    seeds: std::ops::Range<u64>,
    /// The upstream's program, as `go build` makes it.
    #[arg(long, default_value = "target/oracle/kube-scheduler")]
    program: PathBuf,
    /// Write what the program decided into this file.
    #[arg(long)]
    record: Option<PathBuf>,
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

fn range(text: &str) -> Result<std::ops::Range<u64>> {
    let (first, end) = text.split_once("..").context("write the seeds as FIRST..END")?;
    Ok(first.parse()?..end.parse()?)
}

fn main() -> Result<ExitCode> {
    let Upstream::Scheduler(asked) = Arguments::parse().upstream;
    if asked.print {
        for object in oracle::scheduler::generate::cluster(asked.seeds.start) {
            println!("{object}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan { seeds: asked.seeds, most_findings: asked.findings, shrinks: !asked.whole };
    let (tally, findings) = run::live(&asked.program, &plan, asked.record.as_deref())?;
    for finding in &findings {
        println!("{}", run::show(finding));
    }
    println!("{tally}");
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
