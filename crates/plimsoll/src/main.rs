//! Arguments and wiring only.

mod args;
mod explain;
mod judge;
mod load;
mod output;
mod timings;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{CheckArgs, Cli, Command, InputArgs, OutputArgs, SimulateArgs};
use judge::Case;
use timings::Timings;

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
        Command::Simulate(args) => simulate(&args),
        Command::Explain(args) => explain(&args.what),
        Command::Schema => {
            output::print(&format!("{}\n", serde_json::to_string_pretty(&report::json::schema())?))?;
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
    let cases = load::cases(&args.input)?;
    timings.mark("load");
    let options =
        verdict::Options { seed: args.input.seed, search: !args.no_fix, ..verdict::Options::default() };
    judge_and_report("check", &args.input, &args.output, &cases, options, &mut timings)
}

fn simulate(args: &SimulateArgs) -> anyhow::Result<u8> {
    let mut timings = Timings::start(args.output.timings);
    let cases = load::patched(load::cases(&args.input)?, &args.with)?;
    timings.mark("load");
    let options = verdict::Options { seed: args.input.seed, search: false, ..verdict::Options::default() };
    judge_and_report("simulate", &args.input, &args.output, &cases, options, &mut timings)
}

fn judge_and_report(
    command: &str,
    input: &InputArgs,
    output: &OutputArgs,
    cases: &[Case],
    options: verdict::Options,
    timings: &mut Timings,
) -> anyhow::Result<u8> {
    let targets = output::targets(output)?;
    let catalog = catalog::Catalog::embedded();
    timings.mark("catalog");
    let verdicts = load::in_pool(input.jobs, || judge::judge_all(cases, catalog, options))?;
    timings.mark("judge");
    let found = judge::exit_code(&verdicts, output.fail_on, output.allow_empty);
    let exit_code = if output.exit_zero && found != 2 { 0 } else { found };
    let judged = cases.iter().zip(&verdicts);
    let clusters =
        judged.map(|(case, verdict)| report::Judged { name: &case.name, inputs: &verdict.inputs, verdict });
    let report = report::Report { command, clusters: clusters.collect(), exit_code };
    output::write(&report, &targets, output)?;
    if found == 2 {
        anstream::eprintln!("error: nothing to judge: no workload, NodePool or EC2NodeClass was found");
    }
    timings.mark("report");
    timings.print();
    Ok(exit_code)
}
