//! Automation.
//!
//! Every chore of this repository, as `cargo xtask CHORE`. Chores that need heavy dependencies are behind a cargo
//! feature of this crate, so that `cargo xtask tidy` stays quick to build. Nothing here is part of the product.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the terminal")]

mod bench;
#[cfg(any(test, feature = "catalog"))]
mod catalog;
mod e2e;
mod faults;
mod fuzz;
mod instructions;
mod oracle;
mod repository;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Chores of the plimsoll repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

/// What can be asked for.
#[derive(Subcommand)]
enum Chore {
    /// Check what the compiler does not: sizes, module docs, links, crate edges, stray paths.
    Tidy,
    /// Regenerate the embedded tables under crates/catalog/data from pinned packages (needs the network).
    Catalog,
    /// Run every fuzz target, or one, on stable Rust; a crash prints its input and fails.
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Only this one.
        target: Option<String>,
    },
    /// Play seeded clusters against an upstream's own code (needs Go); a difference is printed and fails.
    Oracle(oracle::Request),
    /// Measure the scheduling engine in kube-scheduler's own mixes; with --peers the real one beside it (needs Go).
    /// With --controller: plimsoll and the real Karpenter adding nodes on a real control plane.
    Bench(bench::Request),
    /// Play cases on a real control plane, or start and stop one (needs Go).
    E2e(e2e::Request),
    /// Play the controller on seeded clusters that go wrong; a seed that fails is printed, shrunk, and fails.
    Faults(faults::Request),
    /// Count the instructions of the main benchmarks (needs valgrind) and compare them with the committed figures.
    Instructions {
        /// Commit what was counted now.
        #[arg(long)]
        bless: bool,
    },
}

fn main() -> Result<ExitCode> {
    let done = match Arguments::parse().chore {
        Chore::Tidy => tidy::report(&repository::root())?,
        Chore::Fuzz { seconds, target } => fuzz::run(seconds, target.as_deref()).map(|()| true)?,
        Chore::Oracle(request) => oracle::run(&request)?,
        Chore::Bench(request) => bench::run(&request)?,
        Chore::Faults(request) => faults::run(&request)?,
        Chore::E2e(request) => e2e::run(&request)?,
        Chore::Instructions { bless } => instructions::run(bless)?,
        Chore::Catalog => regenerate_catalog().map(|()| true)?,
    };
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Regenerates the tables.
#[cfg(feature = "catalog")]
fn regenerate_catalog() -> Result<()> {
    catalog::regenerate(&repository::root())
}

/// Runs this crate again with the feature that holds the generator.
#[cfg(not(feature = "catalog"))]
fn regenerate_catalog() -> Result<()> {
    let shell = xshell::Shell::new()?;
    shell.change_dir(repository::root());
    xshell::cmd!(shell, "cargo run --quiet --package xtask --features catalog -- catalog").run()?;
    Ok(())
}
