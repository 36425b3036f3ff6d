//! Arguments and wiring only.

mod args;
mod controller;
mod explain;
mod judge;
mod load;
mod output;
mod plan;
mod progress;
mod replay;
mod shadow;
mod simulate;
mod suppress;
mod timings;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{CheckArgs, Cli, Command, Documented, InputArgs, OutputArgs, SimulateArgs};
use load::Loaded;
use progress::Progress;
use report::{Judged, Report};
use timings::Timings;

/// Every trial of the search allocates and frees a cluster's worth of small values, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `plimsoll profile` prints.
const PROFILE: &str = include_str!("profile.yaml");

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Check(args) => check(&args),
        Command::Simulate(args) => match &args.replay {
            Some(path) => replay::replay(path, &args.output.output),
            None => simulate(&args),
        },
        Command::Plan(args) => plan::plan(&args),
        Command::Controller(args) => controller::run(&args).map(|()| 0),
        Command::Explain(args) => explain(&args.what),
        Command::Profile => output::print(PROFILE).map(|()| 0),
        Command::Schema { of } => {
            let schema = match of {
                Documented::Report => report::json::schema(),
                Documented::Plan => report::json::waves::schema(),
            };
            output::print(&format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
            Ok(0)
        }
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "plimsoll", &mut std::io::stdout());
            Ok(0)
        }
        Command::Version => {
            output::print(concat!("plimsoll ", env!("CARGO_PKG_VERSION"), "\n"))?;
            Ok(0)
        }
    }
}

fn explain(words: &[String]) -> anyhow::Result<u8> {
    match explain::explain(words) {
        Ok(text) => output::print(&text).map(|()| 0),
        Err(message) => anyhow::bail!(message),
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<u8> {
    let mut timings = Timings::start(args.output.timings);
    let loaded = load::load(&args.input)?;
    timings.mark("load");
    let options = verdict::Options {
        seed: args.input.seed,
        search: !args.no_fix,
        sets_run: Some(&progress::SETS_RUN),
        ..verdict::Options::default()
    };
    judge_and_report("check", &args.input, &args.output, &loaded, options, &mut timings, None)
}

fn simulate(args: &SimulateArgs) -> anyhow::Result<u8> {
    if args.faults {
        return simulate::faults(args);
    }
    let mut timings = Timings::start(args.output.timings);
    let mut loaded = load::load(&args.input)?;
    loaded.cases = load::patched(loaded.cases, &args.with)?;
    timings.mark("load");
    let options = simulate::options(args);
    judge_and_report("simulate", &args.input, &args.output, &loaded, options, &mut timings, Some(args))
}

fn judge_and_report(
    command: &str,
    input: &InputArgs,
    output: &OutputArgs,
    loaded: &Loaded,
    options: verdict::Options,
    timings: &mut Timings,
    what_if: Option<&SimulateArgs>,
) -> anyhow::Result<u8> {
    let targets = output::targets(output)?;
    let baseline = suppress::baseline(output)?;
    let today = suppress::today(output)?;
    let catalog = catalog::Catalog::embedded();
    timings.mark("catalog");
    let progress = Progress::start(output.quiet, output.ascii);
    let judge = || judge::judge_all(&loaded.cases, catalog, options, &progress);
    let verdicts = load::in_pool(input.jobs, judge)?;
    drop(progress);
    timings.mark("judge");
    let said = suppress::said(loaded, baseline.as_ref(), &today);
    let beside =
        |case, verdict| what_if.map(|args| simulate::beside(args, case, verdict, catalog)).transpose();
    let cases = loaded.cases.iter().zip(&verdicts);
    let mut simulated = load::in_pool(input.jobs, || {
        cases.clone().map(|(case, verdict)| beside(case, verdict)).collect::<anyhow::Result<Vec<_>>>()
    })??
    .into_iter();
    let judged = cases.map(|(case, verdict)| Judged {
        simulated: simulated.next().flatten(),
        name: &case.name,
        inputs: &verdict.inputs,
        verdict,
        catalog,
        hidden: report::suppress::hide(&verdict.inputs, verdict, &case.name, &said),
        unjudged: judge::unjudged(verdict),
    });
    let mut report = Report { command, clusters: judged.collect(), faults: Vec::new(), exit_code: 0 };
    report.faults = suppress::faults(&report, loaded.partial);
    let found = judge::exit_code(&report, output.fail_on, output.allow_empty);
    report.exit_code = if output.exit_zero && found != 2 { 0 } else { found };
    output::write(&report, &targets, output)?;
    if found == 2 {
        let reasons = report.clusters.iter().find(|judged| judged.unjudged.is_some());
        let reason = reasons.map_or_else(String::new, report::words::headline);
        anstream::eprintln!("error: {reason}");
    }
    timings.mark("report");
    timings.print();
    Ok(report.exit_code)
}
