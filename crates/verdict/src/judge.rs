//! From inputs to a verdict.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use api::Problem;
use catalog::Catalog;
use cluster::Declared;
use findings::{Chain, Finding, Outcome, Scene};
use rayon::prelude::*;
use simulation::Provisioner;
use sources::Inputs;

use crate::attempt::{Baseline, Ground};
use crate::branch::{self, Branch};
use crate::expect;
use crate::play::Play;
use crate::remedies;
use crate::search::{self, Bounds, Search};
use crate::trial::{Stock, Trial};

/// What to do beyond judging.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Seed of everything that the real system leaves to chance.
    pub seed: u64,
    /// Whose decisions the provisioner makes.
    pub provisioner: Provisioner,
    /// Search for remedies.
    pub search: bool,
    /// Bounds of that search.
    pub bounds: Bounds,
    /// Counts the sets that were run, for whoever watches. Nothing here reads it.
    pub sets_run: Option<&'static AtomicU64>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 0,
            provisioner: Provisioner::Karpenter,
            search: true,
            bounds: Bounds::default(),
            sets_run: None,
        }
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
    /// The input that was judged: with what a scenario changes at the start.
    pub inputs: Inputs,
    /// What was judged: what is declared at the end of the run that is told.
    pub declared: Arc<Declared>,
}

/// Judges `inputs`.
pub fn judge(inputs: &Inputs, catalog: &Catalog, options: Options) -> Verdict {
    let play = Play::new(inputs, catalog);
    let stock = Stock { provisioner: options.provisioner, ..Stock::of(catalog) };
    let first = Trial::new(&play, &stock, Branch::declared(), options.seed, true);
    let as_declared = first.outcome;
    let mut branches = vec![(first.branch.clone(), first.outcome, first.missing())];
    let mut told = first;
    if as_declared != Outcome::Converges {
        let orders = branch::arrival_orders(&play.declared, &Branch::declared());
        for trial in each(&play, &stock, orders, options.seed, true) {
            branches.push((trial.branch.clone(), trial.outcome, trial.missing()));
            if trial.outcome != Outcome::Inconclusive && trial.outcome > told.outcome {
                told = trial;
            }
        }
    }
    told_other_defaults(&play, &stock, options, &mut branches);
    let search = match (told.outcome, options.search) {
        (Outcome::Converges | Outcome::Inconclusive, _) | (_, false) => Search::default(),
        _ => search_remedies(&play, &stock, &told, options),
    };
    let (chain, findings) = tell(&play, &told, catalog);
    Verdict {
        outcome: told.outcome,
        as_declared,
        branches,
        chain,
        findings,
        problems: play.problems,
        search,
        declared: told.run.cluster.declared.clone(),
        inputs: play.inputs,
        told,
    }
}

/// A trial of each branch, in their order; they run beside each other.
fn each(play: &Play, stock: &Stock<'_>, branches: Vec<Branch>, seed: u64, keep_timeline: bool) -> Vec<Trial> {
    let trial = |branch| Trial::new(play, stock, branch, seed, keep_timeline);
    branches.into_par_iter().map(trial).collect()
}

/// Both outcomes of a default that decides are told: the same orders under the other usual value.
fn told_other_defaults(
    play: &Play,
    stock: &Stock<'_>,
    options: Options,
    branches: &mut Vec<(Branch, Outcome, u32)>,
) {
    let Some(other) = branch::unsaid_max_pods(&play.declared, stock.catalog) else { return };
    let trial = Trial::new(play, stock, other.clone(), options.seed, false);
    let converges = trial.outcome == Outcome::Converges;
    branches.push((trial.branch.clone(), trial.outcome, trial.missing()));
    if converges {
        return;
    }
    let orders = branch::arrival_orders(&play.declared, &other);
    for trial in each(play, stock, orders, options.seed, false) {
        branches.push((trial.branch.clone(), trial.outcome, trial.missing()));
    }
}

/// A remedy must converge in the order that is told, as declared, and in every other order of arrival.
fn search_remedies(play: &Play, stock: &Stock<'_>, told: &Trial, options: Options) -> Search {
    let mut branches = vec![told.branch.clone()];
    let others = branch::arrival_orders(&play.declared, &Branch::declared());
    for branch in std::iter::once(Branch::declared()).chain(others) {
        if !branches.contains(&branch) {
            branches.push(branch);
        }
    }
    let baseline = Baseline { outcome: told.outcome, missing: told.missing() };
    let declared = &told.run.cluster.declared;
    let proposed = remedies::propose(&play.inputs, declared, stock.catalog, told);
    let ground =
        Ground { play, stock, branches: &branches, baseline, seed: options.seed, sets_run: options.sets_run };
    let mut search = search::search(&ground, proposed, options.bounds);
    search.advice = remedies::advice::advise(&play.inputs, declared, stock.catalog, told);
    search
}

/// What is wrong with a run.
pub fn findings_of(trial: &Trial, catalog: &Catalog) -> Vec<Finding> {
    findings::examine(&scene(trial, catalog, &[]))
}

fn scene<'t>(trial: &'t Trial, catalog: &'t Catalog, missed: &'t [cluster::scenario::Missed]) -> Scene<'t> {
    Scene {
        cluster: &trial.run.cluster,
        timeline: &trial.run.timeline,
        catalog,
        unmet: &trial.run.unmet,
        graph: &trial.graph,
        missed,
    }
}

fn tell(play: &Play, told: &Trial, catalog: &Catalog) -> (Chain, Vec<Finding>) {
    let missed = expect::missed(&play.expectations, &play.script, told);
    let scene = scene(told, catalog, &missed);
    let chain =
        if told.outcome == Outcome::Converges { Chain::default() } else { findings::chain::chain(&scene) };
    (chain, findings::examine(&scene))
}
