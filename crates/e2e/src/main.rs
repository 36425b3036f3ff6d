//! Does it work on a real control plane?
//!
//! `e2e up`, `e2e down`, `e2e run [CASE…]`, `e2e bench`, as `cargo xtask e2e` and `cargo xtask bench --controller` call
//! them. Arguments, signals and printing only.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to the terminal")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use e2e::control_plane::{self, ControlPlane, Options};
use e2e::measure::{self, Mode, Plan};
use e2e::programs::Programs;
use e2e::stage::Stage;
use e2e::subject::{Program, Subject};
use e2e::{cases, karpenter, run, suites};
use tokio::signal::unix::{SignalKind, signal};

/// Plays plimsoll on a real control plane: etcd, the API server and its controllers, with KWOK for kubelets.
#[derive(Parser)]
#[command(name = "e2e")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

/// What can be asked for.
#[derive(Subcommand)]
enum What {
    /// Start a control plane and leave it running.
    Up(Up),
    /// Stop what was started and still runs: by `up`, or by a run that crashed.
    Down {
        /// Only what was started in this run directory.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Play cases; those that fail make the exit code 1.
    Run(Run),
    /// Run Karpenter's own regression suite.
    Suites(Suites),
    /// Measure scale-ups.
    Bench(Bench),
}

#[derive(Args)]
struct Up {
    /// The run directory: the kubeconfig, logs and everything else go there. Its default is target/e2e/up.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Calls a second of kube-scheduler and kube-controller-manager, instead of their own defaults.
    #[arg(long)]
    qps: Option<u32>,
    /// Put Karpenter's CRDs on it.
    #[arg(long)]
    crds: bool,
}

#[derive(Args)]
struct Run {
    /// Only these cases or groups of cases.
    cases: Vec<String>,
    /// Who adds the nodes.
    #[arg(long, value_enum, default_value_t = Subject::Plimsoll)]
    subject: Subject,
    /// Play each case on a control plane of its own.
    #[arg(long)]
    fresh: bool,
    /// Only say which cases there are.
    #[arg(long)]
    list: bool,
}

#[derive(Args)]
struct Suites {
    /// Only these groups of specs.
    groups: Vec<String>,
    /// Who adds the nodes.
    #[arg(long, value_enum, default_value_t = Subject::Plimsoll)]
    subject: Subject,
    /// Nobody adds nodes: what passes then proves nothing.
    #[arg(long, conflicts_with = "subject")]
    nobody: bool,
    /// Only specs whose names match this regular expression.
    #[arg(long)]
    focus: Option<String>,
    /// How many control planes side by side.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// Only say which groups there are.
    #[arg(long)]
    list: bool,
}

#[derive(Args)]
struct Bench {
    /// Who adds the nodes.
    #[arg(long = "subject", value_enum, default_values = ["plimsoll", "karpenter"])]
    subjects: Vec<Subject>,
    /// How many pods.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 3_000])]
    pods: Vec<usize>,
    /// What comes first: all pods, or the pool.
    #[arg(long = "mode", value_enum, default_values = ["backlog", "burst"])]
    modes: Vec<Mode>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match until_stopped(Arguments::parse().what).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            say(&format!("error: {problem:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Does what is asked for; false if something failed, or somebody stopped it.
async fn until_stopped(what: What) -> Result<bool> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // Whoever is interrupted drops what it started, and that stops it.
    tokio::select! {
        passed = act(what) => passed,
        _ = interrupt.recv() => Ok(false),
        _ = terminate.recv() => Ok(false),
    }
}

async fn act(what: What) -> Result<bool> {
    let programs = Programs::of(&repository());
    match what {
        What::Up(up) => start(&up, &programs).await.map(|()| true),
        What::Down { dir } => Ok(stop(dir)),
        What::Run(run) => play(&run, programs).await,
        What::Suites(suites) => conform(&suites, &programs).await,
        What::Bench(bench) => compare(&bench, &programs).await,
    }
}

async fn start(up: &Up, programs: &Programs) -> Result<()> {
    programs.control_plane(&|line| say(line))?;
    let run = up.dir.clone().unwrap_or_else(|| runs().join("up"));
    let options = Options { scheduler_qps: up.qps, controller_manager_qps: up.qps, ..Options::of(&run) };
    let plane = ControlPlane::start(&options, programs).await?;
    if up.crds {
        karpenter::install(&plane.client().await?, &programs.karpenter_module()?).await?;
    }
    println!(
        "ready after {:.1} s: export KUBECONFIG={}",
        plane.took.as_secs_f64(),
        plane.kubeconfig().display()
    );
    plane.leave();
    Ok(())
}

fn stop(dir: Option<PathBuf>) -> bool {
    for run in dir.map_or_else(all_runs, |dir| vec![dir]) {
        let stopped = control_plane::down(&run);
        if !stopped.is_empty() {
            println!("{}: stopped {}", run.display(), stopped.join(", "));
        }
    }
    true
}

async fn play(asked: &Run, programs: Programs) -> Result<bool> {
    let chosen = cases::chosen(&asked.cases)?;
    if asked.list {
        chosen.iter().for_each(|case| println!("{:28} {}", case.name, case.about));
        return Ok(true);
    }
    let mut stage = Stage::new(programs, &own_folder(), asked.subject, say);
    let summary = run::play(&chosen, &mut stage, asked.fresh, |result| println!("{result}")).await;
    println!("{summary}");
    if summary.passed() {
        stage.remove();
    }
    Ok(summary.passed())
}

/// Runs Karpenter's own suite.
async fn conform(asked: &Suites, programs: &Programs) -> Result<bool> {
    let groups = suites::chosen(&asked.groups)?;
    if asked.list {
        groups.iter().for_each(|group| println!("{}", group.name));
        return Ok(true);
    }
    let plan = suites::Plan {
        subject: (!asked.nobody).then_some(asked.subject),
        groups,
        at_once: asked.at_once,
        focus: asked.focus.clone(),
    };
    let folder = own_folder();
    say(&format!("logs: {}", folder.display()));
    let specs = suites::run(&plan, programs, &folder, say).await?;
    println!("{}", suites::table::table(&specs));
    println!("{}", suites::table::summary(&specs));
    Ok(specs.iter().all(suites::report::Spec::passed))
}

async fn compare(asked: &Bench, programs: &Programs) -> Result<bool> {
    programs.control_plane(&|line| say(line))?;
    let (mut rows, mut all) = (Vec::new(), true);
    let folder = own_folder();
    for subject in &asked.subjects {
        let program = subject.program(programs, true, &|line| say(line))?;
        if let Program::Absent(why) = &program {
            println!("{} is not measured: {why}", subject.name());
            continue;
        }
        for (pods, mode) in
            asked.pods.iter().flat_map(|pods| asked.modes.iter().map(move |mode| (*pods, *mode)))
        {
            let name = format!("{}-{}-{pods}", subject.name(), mode.name());
            say(&format!("measuring {name}"));
            let plan = Plan { subject: *subject, mode, pods };
            match measure::measure(plan, &program, programs, &folder.join(&name)).await {
                Ok(row) => rows.push(row),
                Err(problem) => {
                    all = false;
                    println!("{name}: {problem:#}\nlogs: {}", folder.join(&name).display());
                }
            }
        }
    }
    println!("{}", measure::table(&rows));
    if all {
        fs::remove_dir_all(folder).ok();
    }
    Ok(all)
}

fn say(line: &str) {
    eprintln!("{line}");
}

/// The root of the workspace that this crate was built in.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Where run directories are.
fn runs() -> PathBuf {
    repository().join("target/e2e")
}

/// The folder of this very process: two of them do not get into each other's way.
fn own_folder() -> PathBuf {
    runs().join(format!("run-{}", std::process::id()))
}

/// Every run directory that is still there.
fn all_runs() -> Vec<PathBuf> {
    let below = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let mut found: Vec<PathBuf> = below(&runs());
    found.extend(found.clone().iter().flat_map(|folder| below(folder)));
    found.retain(|folder| folder.join("pids").is_dir());
    found.sort();
    found
}
