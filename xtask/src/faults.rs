//! `cargo xtask faults`: plays seeds of `crates/faults` on all cores; one that fails is printed and shrunk.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::repository;

/// Which seeds.
#[derive(clap::Args)]
pub struct Request {
    /// How many seeds.
    #[arg(long, default_value_t = 500)]
    count: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only faults of these groups: api, watch, crash, cloud, zone, clock, pods.
    #[arg(long, default_value = "api,watch,crash,cloud,zone,clock,pods")]
    of: String,
}

/// Plays the seeds; false when one fails.
pub fn run(request: &Request) -> Result<bool> {
    let shell = Shell::new()?;
    shell.change_dir(repository::root());
    let (count, seed, of) = (request.count.to_string(), request.seed.to_string(), &request.of);
    // Which seeds fail, and why, is printed by the command itself.
    let played = cmd!(shell, "cargo run --quiet --package faults -- {count} {seed} {of}");
    Ok(played.quiet().run().is_ok())
}
