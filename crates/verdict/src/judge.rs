//! From inputs to a verdict.

use std::sync::Arc;

use api::Problem;
use catalog::Catalog;
use cluster::Declared;
use findings::{Chain, Finding, Outcome, Scene};
use sources::Inputs;

use crate::branch::{self, Branch};
use crate::remedies;
use crate::search::{self, Baseline, Bounds, Search};
use crate::trial::{Stock, Trial};

/// What to do beyond judging.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Seed of everything that the real system leaves to chance.
    pub seed: u64,
    /// Search for remedies.
    pub search: bool,
    /// Bounds of that search.
    pub bounds: Bounds,
}

impl Default for Options {
    fn default() -> Options {
        Options { seed: 0, search: true, bounds: Bounds::default() }
    }
}

/// The verdict on one set of inputs.
#[derive(Debug)]
pub struct Verdict {
    /// Does it converge?
    pub outcome: Outcome,
    /// The run that is told: the declared one when it converges, else the worst of the arrival orders.
    pub told: Trial,
    /// The input as declared, with every documented default.
    pub as_declared: Outcome,
    /// Every set of assumptions that was run, with its outcome and its number of missing pods.
    pub branches: Vec<(Branch, Outcome, u32)>,
    /// Who waits for whom, as a story; empty when it converges.
    pub chain: Chain,
    /// What is wrong, errors first.
    pub findings: Vec<Finding>,
    /// What is wrong with the input itself.
    pub problems: Vec<Problem>,
    /// Which remedies were run; empty when it converges or no search was asked for.
    pub search: Search,
    /// What was judged.
    pub declared: Arc<Declared>,
}

/// Judges `inputs`.
pub fn judge(inputs: &Inputs, catalog: &Catalog, options: Options) -> Verdict {
    let mut lowered = inputs.lower(catalog);
    let unplayed = unplayed_steps(inputs, &lowered);
    let plays_all = unplayed.is_none();
    lowered.problems.extend(unplayed);
    let stock = Stock::of(catalog);
    let declared = Arc::new(lowered.declared);
    let first = Trial::new(&declared, &stock, Branch::declared(), options.seed, true);
    let as_declared = first.outcome;
    let mut branches = vec![(first.branch.clone(), first.outcome, first.missing())];
    let mut told = first;
    if as_declared != Outcome::Converges {
        for branch in branch::arrival_orders(&declared, &Branch::declared()) {
            let trial = Trial::new(&declared, &stock, branch, options.seed, true);
            branches.push((trial.branch.clone(), trial.outcome, trial.missing()));
            if trial.outcome != Outcome::Inconclusive && trial.outcome > told.outcome {
                told = trial;
            }
        }
    }
    told_other_defaults(&declared, &stock, options, &mut branches);
    let search = match (told.outcome, options.search) {
        (Outcome::Converges | Outcome::Inconclusive, _) | (_, false) => Search::default(),
        _ => search_remedies(inputs, &stock, &declared, &told, options),
    };
    let (chain, findings) = tell(&told, catalog);
    Verdict {
        outcome: if plays_all { told.outcome } else { Outcome::Inconclusive },
        as_declared,
        branches,
        chain,
        findings,
        problems: lowered.problems,
        search,
        declared,
        told,
    }
}

/// Steps of a scenario and faults of a profile are read and not played yet: what is said without them is no verdict
/// on the input as it stands.
fn unplayed_steps(inputs: &Inputs, lowered: &api::Lowered) -> Option<Problem> {
    let kind = match (&lowered.scenario, lowered.faults.is_empty()) {
        (Some(_), _) => "Scenario",
        (None, false) => "Cluster",
        (None, true) => return None,
    };
    let objects = inputs.raw_objects();
    let object = objects.iter().find(|object| object.value.get("kind").is_some_and(|known| known == kind))?;
    Some(Problem {
        severity: api::Severity::Warning,
        code: "SCEN101",
        document: object.document,
        path: object.root.clone(),
        message: "changes over time are read and not played yet: the verdict is inconclusive".to_owned(),
        help: Some("use `simulate --with PATCH` for a change that is there from the start".to_owned()),
    })
}

/// Both outcomes of a default that decides are told: the same orders under the other usual value.
fn told_other_defaults(
    declared: &Arc<Declared>,
    stock: &Stock<'_>,
    options: Options,
    branches: &mut Vec<(Branch, Outcome, u32)>,
) {
    let Some(other) = branch::unsaid_max_pods(declared, stock.catalog) else { return };
    let trial = Trial::new(declared, stock, other.clone(), options.seed, false);
    let converges = trial.outcome == Outcome::Converges;
    branches.push((trial.branch.clone(), trial.outcome, trial.missing()));
    if converges {
        return;
    }
    for order in branch::arrival_orders(declared, &other) {
        let trial = Trial::new(declared, stock, order, options.seed, false);
        branches.push((trial.branch.clone(), trial.outcome, trial.missing()));
    }
}

/// A remedy must converge as declared and in the order that is told.
fn search_remedies(
    inputs: &Inputs,
    stock: &Stock<'_>,
    declared: &Declared,
    told: &Trial,
    options: Options,
) -> Search {
    let mut branches = vec![told.branch.clone()];
    if !told.branch.is_declared() {
        branches.push(Branch::declared());
    }
    let baseline = Baseline { outcome: told.outcome, missing: told.missing() };
    let proposed = remedies::propose(inputs, declared, stock.catalog, told);
    search::search(inputs, stock, &branches, baseline, proposed, options.bounds)
}

fn tell(told: &Trial, catalog: &Catalog) -> (Chain, Vec<Finding>) {
    let run = &told.run;
    let scene = Scene {
        cluster: &run.cluster,
        timeline: &run.timeline,
        catalog,
        unmet: &run.unmet,
        graph: &told.graph,
    };
    let chain =
        if told.outcome == Outcome::Converges { Chain::default() } else { findings::chain::chain(&scene) };
    (chain, findings::examine(&scene))
}
