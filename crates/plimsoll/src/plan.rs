//! `plimsoll plan`: roll-outs in waves that fit.

use std::io::IsTerminal;

use verdict::Provisioner;
use verdict::waves::{self, Options, Plan};

use crate::args::{PlanArgs, PlanFormat};
use crate::progress::Progress;
use crate::{load, output};

/// Plans every case; 0 when all plans fit, 1 when one does not, 2 when there is nothing to roll.
pub fn plan(args: &PlanArgs) -> anyhow::Result<u8> {
    let loaded = load::load(&args.input)?;
    let options = Options {
        seed: args.input.seed,
        provisioner: Provisioner::Karpenter,
        size: args.wave.map(usize::from),
        only: args.only.clone(),
    };
    let catalog = catalog::Catalog::embedded();
    let progress = Progress::start(args.quiet, args.ascii);
    let plan = |case: &crate::judge::Case| {
        progress.on(&case.name);
        waves::plan(&case.inputs, catalog, &options)
    };
    let plans: Vec<Plan> = load::in_pool(args.input.jobs, || loaded.cases.iter().map(plan).collect())?;
    drop(progress);
    let named: Vec<(&str, &Plan)> = loaded.cases.iter().map(|case| case.name.as_str()).zip(&plans).collect();
    output::print(&match args.output {
        PlanFormat::Json => report::json::waves::render(&named),
        PlanFormat::Text => report::text::waves::render(&named, style(args)),
    })?;
    if plans.iter().all(|plan| plan.rolled.is_empty()) {
        return Ok(2);
    }
    Ok(u8::from(!plans.iter().all(Plan::fits)))
}

fn style(args: &PlanArgs) -> report::text::Style {
    report::text::Style {
        color: output::use_color(args.color),
        ascii: args.ascii,
        verbose: args.verbose > 0,
        wide: false,
        width: std::io::stdout().is_terminal().then(output::columns).flatten(),
    }
}
