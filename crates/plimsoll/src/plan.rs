//! `plimsoll plan`: roll-outs in waves that fit.

use report::text::Style;
use rollout::{Options, Plan};
use verdict::Provisioner;

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
        rollout::plan(&case.inputs, catalog, &options)
    };
    let plans: Vec<Plan> = load::in_pool(args.input.jobs, || loaded.cases.iter().map(plan).collect())?;
    drop(progress);
    let named: Vec<(&str, &Plan)> = loaded.cases.iter().map(|case| case.name.as_str()).zip(&plans).collect();
    let style = Style { verbose: args.verbose > 0, ..output::style_here(args.color, args.ascii) };
    output::print(&match args.output {
        PlanFormat::Json => report::json::waves::render(&named),
        PlanFormat::Text => report::text::waves::render(&named, style),
    })?;
    if plans.iter().all(|plan| plan.rolled.is_empty()) {
        return Ok(2);
    }
    Ok(u8::from(!plans.iter().all(Plan::fits)))
}
