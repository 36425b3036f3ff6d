//! In which waves can this be shipped?
//!
//! How many roll-outs can go at once without a new pod that waits for an old one to go: each starts new pods before it
//! stops old ones, so there is a moment at which it needs more room than before and after. Every plan is played: the
//! cluster boots, settles, and the first wave begins; the next one begins when it has settled again, emptied nodes gone
//! included. The largest size of which every wave fits is found by bisection. What fits is measured in [`wave`]; nothing
//! here estimates.

pub mod wave;

use std::sync::Arc;

use api::scenario::{Action, Step};
use catalog::Catalog;
use cluster::role::Program;
use cluster::workload::Shape;
use cluster::{Declared, Kind, ObjectKey, Timestamp, Workload};
use findings::{Finding, Outcome};
use simulation::{End, Provisioner};
use sources::{Edit, Inputs};
use verdict::trial::Stock;
use verdict::{Branch, Play, Trial, findings_of};

use self::wave::Wave;

/// What is left between the end of one wave and the start of the next, and what starts are rounded up to.
const PAUSE_MS: i64 = 10_000;
/// How much longer than one boot a plan may take: a day of waves.
const HORIZON_MS: i64 = 24 * 60 * 60 * 1000;
/// Runs at the most; a plan of so many waves is no plan.
const RUNS_MAX: u32 = 400;

/// What to plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed of what the real system leaves to chance.
    pub seed: u64,
    /// Whose decisions the provisioner makes.
    pub provisioner: Provisioner,
    /// So many roll-outs a wave; `None`: as many as fit.
    pub size: Option<usize>,
    /// What is rolled, as `[NAMESPACE/]NAME` with `*`; empty is every Deployment outside kube-system.
    pub only: Vec<String>,
}

/// A plan.
#[derive(Debug)]
pub struct Plan {
    /// What is rolled, in the order of the input.
    pub rolled: Vec<ObjectKey>,
    /// How the cluster comes up before; nothing is planned unless it converges.
    pub before: Outcome,
    /// Everything at once.
    pub at_once: Option<AtOnce>,
    /// The waves, as far as they were played: up to the first that does not fit. Empty when nothing is rolled.
    pub waves: Vec<Wave>,
    /// How many runs it took.
    pub runs: u32,
}

/// Everything rolled at once.
#[derive(Debug)]
pub struct AtOnce {
    /// What came of it.
    pub wave: Wave,
    /// How many nodes the provisioner would have had at the most, if no pool had a limit.
    pub nodes_without_limits: u32,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

impl Plan {
    /// Whether every wave fits.
    pub fn fits(&self) -> bool {
        let planned: usize = self.waves.iter().map(|wave| wave.workloads.len()).sum();
        self.before == Outcome::Converges
            && planned == self.rolled.len()
            && planned > 0
            && self.waves.iter().all(Wave::fits)
    }
}

/// Plans the roll-outs of what `options` names.
pub fn plan(inputs: &Inputs, catalog: &Catalog, options: &Options) -> Plan {
    let play = patient(Play::new(inputs, catalog));
    let rolled = rolled(&play.declared, &options.only);
    let stock = Stock { provisioner: options.provisioner, ..Stock::of(catalog) };
    let mut planner = Planner { play, stock, seed: options.seed, runs: 0, first: Timestamp::ZERO };
    let before = planner.boot();
    let mut plan = Plan { rolled, before, at_once: None, waves: Vec::new(), runs: 0 };
    if before == Outcome::Converges && !plan.rolled.is_empty() {
        let at_once = planner.at_once(&plan.rolled);
        plan.waves = match options.size {
            Some(size) => planner.waves(&plan.rolled, size.max(1), false),
            None if at_once.wave.fits() => vec![at_once.wave.clone()],
            None => planner.largest(&plan.rolled),
        };
        plan.at_once = Some(at_once);
    }
    plan.runs = planner.runs;
    plan
}

/// A play that goes on for as long as waves may take.
fn patient(mut play: Play) -> Play {
    let mut declared = Declared::clone(&play.declared);
    declared.profile.horizon_ms = declared.profile.horizon_ms.saturating_add(HORIZON_MS);
    play.declared = Arc::new(declared);
    play
}

/// Deployments that a roll-out makes surge, in the order of the input.
fn rolled(declared: &Declared, only: &[String]) -> Vec<ObjectKey> {
    let named = |key: &ObjectKey| {
        only.iter().any(|pattern| match pattern.contains('/') {
            true => api::pattern::matches(pattern, &format!("{}/{}", key.namespace, key.name)),
            false => api::pattern::matches(pattern, &key.name),
        })
    };
    let is_meant = |workload: &&Workload| match only.is_empty() {
        true => {
            workload.key.namespace != "kube-system" && workload.template.role.program != Program::Karpenter
        }
        false => named(&workload.key),
    };
    let surges = |workload: &&Workload| {
        let replicas = match workload.shape {
            Shape::Deployment { replicas, .. } => replicas,
            _ => 0,
        };
        // Add-ons that only the profile names cannot be rolled by a manifest.
        replicas > 0 && workload.location.object.kind != Kind::Cluster
    };
    declared.workloads.iter().filter(surges).filter(is_meant).map(|workload| workload.key.clone()).collect()
}

/// Plays waves after the boot.
struct Planner<'a> {
    play: Play,
    stock: Stock<'a>,
    seed: u64,
    runs: u32,
    /// When the first wave begins.
    first: Timestamp,
}

impl Planner<'_> {
    fn boot(&mut self) -> Outcome {
        let trial = self.run(&self.play.clone());
        self.first = after(&trial);
        trial.outcome
    }

    fn run(&mut self, play: &Play) -> Trial {
        self.runs += 1;
        Trial::new(play, &self.stock, Branch::declared(), self.seed, true)
    }

    fn at_once(&mut self, all: &[ObjectKey]) -> AtOnce {
        let steps = restarts(all, self.first);
        let trial = self.run(&self.play.with_steps(steps.clone(), self.stock.catalog));
        let wave = wave::measure(&trial, all, self.first);
        let findings = if wave.fits() { Vec::new() } else { findings_of(&trial, self.stock.catalog) };
        let limited = self.play.declared.node_pools.iter().filter(|pool| !pool.limits.is_empty());
        let edits: Vec<Edit> =
            limited.map(|pool| Edit::remove(pool.location.object.clone(), "/spec/limits")).collect();
        let free = patient(self.play.edited(&edits, self.stock.catalog));
        let unlimited = self.run(&free.with_steps(steps, self.stock.catalog));
        let nodes_without_limits = wave::measure(&unlimited, all, self.first).nodes.1;
        AtOnce { wave, nodes_without_limits, findings }
    }

    /// The waves of the largest size that fits; those of single roll-outs when none does.
    fn largest(&mut self, all: &[ObjectKey]) -> Vec<Wave> {
        let (mut fitting, mut too_large) = (0, all.len());
        let mut best = Vec::new();
        while too_large - fitting > 1 {
            let size = usize::midpoint(fitting, too_large);
            let waves = self.waves(all, size, true);
            if is_whole(&waves, all) {
                (fitting, best) = (size, waves);
            } else {
                too_large = size;
                if fitting == 0 && size == 1 {
                    best = waves;
                }
            }
        }
        best
    }

    /// One wave after the other; up to the first that does not fit, when that is all that is asked.
    fn waves(&mut self, all: &[ObjectKey], size: usize, until_unfit: bool) -> Vec<Wave> {
        let (mut steps, mut waves, mut start) = (Vec::new(), Vec::new(), self.first);
        for some in all.chunks(size) {
            if self.runs >= RUNS_MAX {
                break;
            }
            steps.extend(restarts(some, start));
            let trial = self.run(&self.play.with_steps(steps.clone(), self.stock.catalog));
            let wave = wave::measure(&trial, some, start);
            let stops = !wave.completes || until_unfit && !wave.fits();
            waves.push(wave);
            if stops {
                break;
            }
            start = after(&trial);
        }
        waves
    }
}

fn is_whole(waves: &[Wave], all: &[ObjectKey]) -> bool {
    waves.iter().map(|wave| wave.workloads.len()).sum::<usize>() == all.len() && waves.iter().all(Wave::fits)
}

fn restarts(workloads: &[ObjectKey], at: Timestamp) -> Vec<Step> {
    let restart = |target: &ObjectKey| Step {
        at,
        location: cluster::Location::object(target.clone()),
        action: Action::Restart { target: target.clone() },
    };
    workloads.iter().map(restart).collect()
}

/// When the next wave begins: nothing is due any more, or what is due has nothing to do with it.
fn after(trial: &Trial) -> Timestamp {
    let rest = if trial.run.end == End::Settled { trial.run.ended } else { trial.run.last_progress };
    let later = rest.max(Timestamp::ZERO).after_ms(PAUSE_MS);
    Timestamp((later.0 + PAUSE_MS - 1) / PAUSE_MS * PAUSE_MS)
}
