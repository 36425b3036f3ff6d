//! `cargo xtask oracle`: builds a program that runs an upstream's own code (Go is needed), and plays seeds against it.

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

use crate::repository;

/// Which seeds of which upstream.
#[derive(clap::Args)]
pub struct Request {
    /// Which real thing.
    #[arg(value_enum)]
    upstream: Upstream,
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    count: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Record decisions for the ordinary tests, and write the upstream's part of docs/fidelity.md.
    #[arg(long)]
    record: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Upstream {
    /// kube-scheduler.
    Scheduler,
    /// Karpenter.
    Karpenter,
}

/// Plays the seeds; an error if there is no Go. False when the engine and the upstream differ.
pub fn run(request: &Request) -> Result<bool> {
    let shell = Shell::new()?;
    shell.change_dir(repository::root());
    if cmd!(shell, "go version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        bail!("Go is not there; the recorded decisions are compared by `cargo test -p oracle`");
    }
    let (folder, name, rows) = match request.upstream {
        Upstream::Scheduler => ("oracle/kube-scheduler", "scheduler", "400"),
        Upstream::Karpenter => ("oracle/karpenter", "karpenter", "2000"),
    };
    let program = repository::root().join("target").join(folder);
    match request.upstream {
        Upstream::Scheduler => cmd!(shell, "go build -C {folder} -o {program} .").run()?,
        Upstream::Karpenter => {
            // A copy of the module in which what Karpenter leaves to chance is settled.
            let module = repository::root().join("target/oracle/karpenter-module");
            shell.create_dir(&module)?;
            cmd!(shell, "go run -C {folder} ./overlay {module}").run()?;
            let modfile = module.join("go.mod");
            cmd!(shell, "go build -C {folder} -modfile {modfile} -o {program} .").run()?;
        }
    }
    let (seed, count) = (request.seed.to_string(), request.count.to_string());
    let record = request.record.then_some("--record");
    // Which clusters differ is printed by the command itself.
    let played = cmd!(
        shell,
        "cargo run --quiet --package oracle --bin oracle -- {name} --seed {seed} --count {count} --rows {rows} --program {program} {record...}"
    );
    Ok(played.quiet().run().is_ok())
}
