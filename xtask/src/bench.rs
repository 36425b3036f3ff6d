//! `cargo xtask bench`: the scheduling engine in kube-scheduler's own benchmark mixes; with `--peers` (Go is needed) the
//! real one beside it, in the same units: pods a second of CPU time, decisions only. With `--controller`: whoever adds
//! nodes, on a real control plane.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use xshell::{Shell, cmd};

use crate::{e2e, repository};

const FOLDER: &str = "oracle/kube-scheduler";

/// What to run.
#[derive(clap::Args)]
pub struct Request {
    /// Run the real ones beside ours, and print ratios.
    #[arg(long)]
    peers: bool,
    /// Measure plimsoll's controller and the real Karpenter on a real control plane instead; arguments go to
    /// `cargo xtask e2e bench`.
    #[arg(long, conflicts_with_all = ["peers", "pods"])]
    controller: bool,
    /// The real one places at most so many pods of a mix; 0 for as many as upstream measures.
    #[arg(long, default_value_t = 1_000)]
    pods: u32,
    /// Only these mixes.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    mixes: Vec<String>,
}

/// A line of the engine's table.
struct Line {
    mix: String,
    /// Group, test case and workload of upstream's, and parameters that differ.
    workload: String,
    set: String,
    pods_per_second: f64,
}

/// Runs a benchmark; false when the controllers' did not come to its end, which it says itself.
pub fn run(request: &Request) -> Result<bool> {
    if request.controller {
        let arguments = [vec!["bench".to_owned()], request.mixes.clone()].concat();
        return e2e::with(&arguments);
    }
    engine(request).map(|()| true)
}

/// The engine's; an error if peers are asked for and there is no Go.
fn engine(request: &Request) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(repository::root());
    let peers = request.peers.then(|| Peers::build(&shell)).transpose()?;
    let mixes = &request.mixes;
    let table = cmd!(
        shell,
        "cargo bench --quiet --package scheduling --features testing --bench growth -- {mixes...}"
    )
    .read()?;
    println!("{table}");
    let Some(peers) = peers else { return Ok(()) };
    println!("\n| Mix | Engine, pods/s | Real, pods/s | Ratio |\n|---|---|---|---|");
    for line in table.lines().filter_map(Line::read) {
        let real = peers.measure(&shell, &line, request.pods)?;
        let ratio = line.pods_per_second / real;
        println!("| {} | {:.0} | {real:.0} | {ratio:.0} |", line.mix, line.pods_per_second);
    }
    Ok(())
}

impl Line {
    /// Reads `| mix | upstream's workload, parameters | pods | pods/s | …`; `None` for other lines.
    fn read(line: &str) -> Option<Line> {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let mix = cells.next()?.to_owned();
        let (workload, set) = cells.next().map(|cell| cell.split_once(' ').unwrap_or((cell, "")))?;
        let pods_per_second = cells.nth(1)?.parse().ok()?;
        Some(Line { mix, workload: workload.to_owned(), set: set.to_owned(), pods_per_second })
    }
}

/// The real one: its program, and where its test cases are.
struct Peers {
    program: std::path::PathBuf,
    cases: String,
}

impl Peers {
    fn build(shell: &Shell) -> Result<Peers> {
        if cmd!(shell, "go version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
            bail!(
                "Go is not there, so the real kube-scheduler cannot be built; without --peers only ours runs"
            );
        }
        let program = repository::root().join("target").join(FOLDER);
        cmd!(shell, "go build -C {FOLDER} -o {program} .").run()?;
        let format = "{{.Dir}}";
        let module = cmd!(shell, "go list -C {FOLDER} -m -f {format} k8s.io/kubernetes").quiet().read()?;
        let cases = Path::new(module.trim()).join("test/integration/scheduler_perf");
        Ok(Peers { program, cases: cases.display().to_string() })
    }

    /// Pods a second of CPU time.
    fn measure(&self, shell: &Shell, line: &Line, pods: u32) -> Result<f64> {
        let Peers { program, cases } = self;
        let (workload, set, pods) = (&line.workload, &line.set, pods.to_string());
        let said = cmd!(shell, "{program} -perf {cases} -workload {workload} -set {set} -pods {pods}")
            .quiet()
            .read()?;
        let last = said.split_whitespace().last().context("the real one said nothing")?;
        last.parse().with_context(|| format!("the real one said {said}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_table_are_read_and_others_are_not() {
        let line =
            Line::read("| preemption | misc/PreemptionBasic/1000Nodes initNodes=5 | 5000 | 14902 | 58 |")
                .unwrap();
        assert_eq!(
            (line.mix.as_str(), line.workload.as_str()),
            ("preemption", "misc/PreemptionBasic/1000Nodes")
        );
        assert_eq!((line.set.as_str(), line.pods_per_second), ("initNodes=5", 14_902.0));
        assert!(Line::read("| Mix | Upstream's workload | Pods | Pods/s |").is_none());
        assert!(Line::read("|---|---|---|---|").is_none());
        assert!(Line::read("Finished").is_none());
    }
}
