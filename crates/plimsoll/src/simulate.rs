//! `plimsoll simulate`: what would happen, what it would cost, and what the other policy would do.

use anyhow::bail;
use catalog::Catalog;
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
