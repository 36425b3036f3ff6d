//! One run under one set of assumptions, and what it says.

use catalog::Catalog;
use cluster::declared::Unmodelled;
use findings::{Outcome, WaitGraph};
use simulation::asked::Question;
use simulation::{End, Provisioner, Run, Shelf};

use crate::branch::Branch;
use crate::play::Play;
use crate::unmodelled;

/// A run and its outcome.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The assumptions.
    pub branch: Branch,
    /// The run.
    pub run: Run,
    /// Who waits for whom at its end.
    pub graph: WaitGraph,
    /// What it says.
    pub outcome: Outcome,
    /// What was read, is not modelled, and leaves the outcome open; empty when the run says it.
    pub open: Vec<Unmodelled>,
}

/// What can be bought, and by whom. Runs that are given the same one share what they work out about it.
#[derive(Debug)]
pub struct Stock<'a> {
    /// The tables.
    pub catalog: &'a Catalog,
    /// What Karpenter makes of them.
    pub shelf: Shelf,
    /// Whose decisions the provisioner makes.
    pub provisioner: Provisioner,
    /// Which pods somebody asks about.
    pub question: Option<Question>,
}

impl<'a> Stock<'a> {
    /// Of a catalog, with nothing worked out yet, for a cluster that runs Karpenter.
    pub fn of(catalog: &'a Catalog) -> Stock<'a> {
        Stock { catalog, shelf: Shelf::default(), provisioner: Provisioner::Karpenter, question: None }
    }
}

impl Trial {
    /// Runs `play` under `branch`.
    pub fn new(play: &Play, stock: &Stock<'_>, branch: Branch, seed: u64, keep_timeline: bool) -> Trial {
        let assumed = branch.apply(&play.declared);
        let options = simulation::Options {
            seed,
            late: branch.late.clone(),
            keep_timeline,
            script: play.script.clone(),
            shelf: stock.shelf.clone(),
            provisioner: stock.provisioner,
            question: stock.question.clone(),
            ..simulation::Options::default()
        };
        let run = simulation::run(&assumed, stock.catalog, &options);
        let graph = WaitGraph::new(&run.cluster, &run.unmet);
        let open = unmodelled::deciding(&run, &graph);
        let outcome = if open.is_empty() { outcome(&run, &graph) } else { Outcome::Inconclusive };
        Trial { branch, run, graph, outcome, open }
    }

    /// Pods that are wanted and not running; what has not arrived counts as one.
    pub fn missing(&self) -> u32 {
        self.run
            .unmet
            .iter()
            .map(|unmet| match unmet {
                cluster::Unmet::Workload { wanted, ready, .. } => wanted.saturating_sub(*ready),
                cluster::Unmet::NotArrived(_) => 1,
            })
            .sum()
    }
}

fn outcome(run: &Run, graph: &WaitGraph) -> Outcome {
    match &run.end {
        End::Settled => Outcome::Converges,
        End::Horizon if run.unmet.is_empty() => Outcome::Converges,
        End::Horizon | End::Limit(_) => Outcome::Inconclusive,
        End::Quiescent | End::Looping { .. } if run.unmet.is_empty() => Outcome::Converges,
        End::Quiescent | End::Looping { .. } => Outcome::of_stuck(graph),
    }
}
