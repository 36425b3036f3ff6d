//! `cargo xtask e2e` and `cargo xtask bench --controller`: plimsoll on a real control plane (crate `e2e`).

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::repository;

/// What the crate's own program is asked for.
#[derive(clap::Args)]
pub struct Request {
    /// `up`, `down`, `run [CASE…] [--subject karpenter]` or `bench`; `--help` after any of them says more.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    arguments: Vec<String>,
}

/// Runs it; false when a case failed, which it says itself.
pub fn run(request: &Request) -> Result<bool> {
    with(&request.arguments)
}

/// Runs the crate's program with these arguments.
pub fn with(arguments: &[String]) -> Result<bool> {
    let shell = Shell::new()?;
    shell.change_dir(repository::root());
    Ok(cmd!(shell, "cargo run --quiet --package e2e --bin e2e -- {arguments...}").quiet().run().is_ok())
}
