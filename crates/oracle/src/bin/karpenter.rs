//! `karpenter PROGRAM FIRST COUNT SHOWN`: seeded inputs against the real Karpenter.

use std::path::PathBuf;

use clap::Parser;

/// Plays seeded inputs against the real Karpenter.
#[derive(Parser)]
struct Arguments {
    /// The program built from `oracle/karpenter`.
    program: PathBuf,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// How many differences are shrunk and shown.
    #[arg(long, default_value_t = 3)]
    shown: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut out = std::io::stdout().lock();
    oracle::karpenter::run::seeds(
        &arguments.program,
        arguments.first,
        arguments.count,
        arguments.shown,
        &mut out,
    )
}
