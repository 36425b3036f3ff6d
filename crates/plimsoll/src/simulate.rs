//! `plimsoll simulate`: what would happen, what it would cost, and what the other policy would do.

use anyhow::bail;
use catalog::Catalog;
use faults::fault::Group;
use report::simulated::{self, Simulated};
use verdict::play::Play;
use verdict::trial::Stock;
use verdict::{Options, Provisioner, Trial, Verdict};

use crate::args::{Policy, SimulateArgs};
use crate::judge::Case;

/// What to judge with: the policy that was asked for, else Karpenter's; no search.
pub fn options(args: &SimulateArgs) -> Options {
    let provisioner = match args.policy {
        Some(Policy::Plimsoll) => Provisioner::Plimsoll,
        Some(Policy::Karpenter) | None => Provisioner::Karpenter,
    };
    Options { seed: args.input.seed, provisioner, search: false, ..Options::default() }
}

/// Plays the seed's cluster with what goes wrong in it; 1 when it does not come to rest.
pub fn faults(args: &SimulateArgs) -> anyhow::Result<u8> {
    let asked = |group: &Group| {
        let names = args.faults_of.iter().filter_map(clap::ValueEnum::to_possible_value);
        args.faults_of.is_empty() || names.into_iter().any(|name| name.get_name() == group.name())
    };
    let groups: Vec<Group> = Group::ALL.into_iter().filter(asked).collect();
    if let Some(count) = args.count {
        if !args.output.output.is_empty() {
            bail!("--count has no other outputs");
        }
        let played = faults::many::many(args.input.seed, count, &groups);
        crate::output::print(&played.text(&groups))?;
        return Ok(u8::from(!played.failing.is_empty()));
    }
    let play = faults::generate::play(args.input.seed, &groups);
    let outcome = faults::play::play(&play);
    let said = match args.output.output.as_slice() {
        [] => faults::said::text(&play, &outcome, args.output.verbose > 0),
        [format] if format == "text" => faults::said::text(&play, &outcome, args.output.verbose > 0),
        [format] if format == "json" => {
            format!("{}\n", serde_json::to_string_pretty(&faults::said::json(&play, &outcome))?)
        }
        _ => bail!("--faults has the outputs text and json, on standard output"),
    };
    crate::output::print(&said)?;
    Ok(u8::from(!outcome.is_well()))
}

/// What there is to say besides the verdict: the other policy beside it when none was asked for.
pub fn beside(
    args: &SimulateArgs,
    case: &Case,
    verdict: &Verdict,
    catalog: &Catalog,
) -> anyhow::Result<Simulated> {
    let options = options(args);
    let branch = &verdict.told.branch;
    let mut others = Vec::new();
    if args.policy.is_none() && !verdict.declared.node_pools.is_empty() {
        let stock = Stock { provisioner: Provisioner::Plimsoll, ..Stock::of(catalog) };
        let play = Play::new(&case.inputs, catalog);
        let trial = Trial::new(&play, &stock, branch.clone(), options.seed, false);
        others.push((Provisioner::Plimsoll, trial));
    }
    let mut simulated = simulated::of((options.provisioner, &verdict.told), &others, catalog);
    if let Some(pod) = &args.why {
        let Some(why) = verdict::why::why(&case.inputs, catalog, options, branch, pod) else {
            bail!(
                "--why {pod}: the scheduler was never asked to place such a pod, or a pod of such a workload"
            );
        };
        simulated.why = Some(simulated::why(&why));
    }
    Ok(simulated)
}
