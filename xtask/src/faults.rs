//! `cargo xtask faults`: plays seeds of `crates/faults` on all cores; one that fails is printed and shrunk.

use std::path::PathBuf;

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
    // As the tests build it: by itself it would have other features, and everything below it be built once more.
    cmd!(shell, "cargo build --quiet --workspace --bin faults").quiet().run()?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or(repository::root().join("target"), PathBuf::from);
    let program = target.join("debug").join("faults");
    // Which seeds fail, and why, is printed by the command itself.
    let played = cmd!(shell, "{program} {count} {seed} {of}");
    Ok(played.quiet().run().is_ok())
}
