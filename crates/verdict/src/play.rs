//! From inputs to what is run: the declaration at the start, and the script of what changes it.
//!
//! A step that changes the input is an edit of it, like a remedy: the input as it is from then on is lowered again,
//! and brought in line with what runs ([`simulation::redeclare`]). Steps at 0s are part of the input from the start.
//!
//! `restart` is `kubectl rollout restart` (`k8s.io/kubectl` v0.36 `pkg/polymorphichelpers/objectrestarter.go`): an
//! annotation of the template that makes it another one; for what has no roll-out, its pods are deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::scenario::{Action, Step, When};
use api::{Problem, Severity};
use catalog::Catalog;
use cluster::change::Fault;
use cluster::scenario::{self as script, Expectation, Redeclaration, Script};
use cluster::{Declared, Kind, Location, ObjectKey, Timestamp, WorkloadId};
use simulation::redeclare;
use sources::{Edit, Inputs};

use crate::merge::merge_patch;

/// What a roll-out that is only a restart is told by.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// What is run.
#[derive(Clone, Debug)]
pub struct Play {
    /// The input at the start: with the steps at 0s.
    pub inputs: Inputs,
    /// What is declared at the start.
    pub declared: Arc<Declared>,
    /// What happens then.
    pub script: Arc<Script>,
    /// What is expected.
    pub expectations: Vec<Expectation>,
    /// What is wrong with the input and with the steps.
    pub problems: Vec<Problem>,
    steps: Arc<Vec<Step>>,
}

impl Play {
    /// Lowers inputs and their scenario.
    pub fn new(inputs: &Inputs, catalog: &Catalog) -> Play {
        let mut lowered = inputs.lower(catalog);
        let mut steps = std::mem::take(&mut lowered.faults);
        let scenario = lowered.scenario.take();
        steps.extend(scenario.iter().flat_map(|scenario| scenario.steps.iter().cloned()));
        steps.sort_by_key(|step| step.at);
        let expectations =
            scenario.into_iter().flat_map(|scenario| scenario.expect).map(expectation).collect();
        let first = steps.iter().filter(|step| step.at == Timestamp::ZERO);
        let mut stage = Stage::new(inputs.clone());
        first.clone().for_each(|step| stage.edit(step));
        let changed = first.clone().any(changes_input);
        let (inputs, mut problems) = (stage.inputs, stage.problems);
        if changed {
            lowered = inputs.lower(catalog);
        }
        problems.splice(0..0, lowered.problems);
        let steps = Arc::new(steps);
        Play::from_start(inputs, Arc::new(lowered.declared), steps, expectations, problems, catalog)
    }

    /// The same with edits of the input, as they are at the start.
    pub fn edited(&self, edits: &[Edit], catalog: &Catalog) -> Play {
        let inputs = self.inputs.edited(edits);
        let lowered = inputs.lower(catalog);
        let (steps, expectations) = (self.steps.clone(), self.expectations.clone());
        Play::from_start(inputs, Arc::new(lowered.declared), steps, expectations, lowered.problems, catalog)
    }

    /// The same with further steps, which the input does not have.
    pub fn with_steps(&self, steps: Vec<Step>, catalog: &Catalog) -> Play {
        let mut all = Vec::clone(&self.steps);
        all.extend(steps);
        all.sort_by_key(|step| step.at);
        let (inputs, declared) = (self.inputs.clone(), self.declared.clone());
        let (steps, expectations) = (Arc::new(all), self.expectations.clone());
        Play::from_start(inputs, declared, steps, expectations, self.problems.clone(), catalog)
    }

    fn from_start(
        inputs: Inputs,
        declared: Arc<Declared>,
        steps: Arc<Vec<Step>>,
        expectations: Vec<Expectation>,
        mut problems: Vec<Problem>,
        catalog: &Catalog,
    ) -> Play {
        let mut stage = Stage::new(inputs.clone());
        let mut lowering = Lowering { now: declared.clone(), gone: BTreeSet::new(), known: problems.clone() };
        let mut played = Vec::new();
        for same_time in steps.chunk_by(|a, b| a.at == b.at) {
            for step in same_time {
                if step.at > Timestamp::ZERO {
                    stage.edit(step);
                }
                played.extend(direct(step, &lowering.now));
            }
            let Some(last) =
                same_time.iter().rev().find(|step| step.at > Timestamp::ZERO && changes_input(step))
            else {
                continue;
            };
            let redeclaration = lowering.redeclare(&mut stage, last, catalog);
            let action = script::Action::Redeclare(Arc::new(redeclaration));
            played.push(script::Step { at: last.at, location: last.location.clone(), action });
        }
        played.sort_by_key(|step| step.at);
        let horizon = Timestamp(declared.profile.horizon_ms);
        let late = steps.iter().filter(|step| step.at > horizon);
        late.for_each(|step| {
            stage.refuse(&step.location, format!("{} is after the horizon, {horizon}", step.at))
        });
        problems.extend(stage.problems);
        let script = Arc::new(script_of(played, &expectations));
        Play { inputs, declared, script, expectations, problems, steps }
    }
}

fn script_of(steps: Vec<script::Step>, expectations: &[Expectation]) -> Script {
    let watches: BTreeSet<Timestamp> = expectations.iter().filter_map(|expectation| expectation.at).collect();
    let states = expectations.iter().filter(|known| !matches!(known.what, script::Expected::Verdict(_)));
    let until = states.filter_map(|expectation| expectation.at).max().unwrap_or_default();
    Script { steps, watches: watches.into_iter().collect(), until }
}

/// The input as the steps change it.
struct Stage {
    inputs: Inputs,
    problems: Vec<Problem>,
    restarted: BTreeMap<ObjectKey, Timestamp>,
}

impl Stage {
    fn new(inputs: Inputs) -> Stage {
        Stage { inputs, problems: Vec::new(), restarted: BTreeMap::new() }
    }

    fn refuse(&mut self, location: &Location, message: String) {
        let document = self.inputs.document_of(location).unwrap_or(u32::MAX);
        let (severity, path) = (Severity::Error, location.path.clone());
        self.problems.push(Problem {
            severity,
            code: api::scenario::IMPOSSIBLE_STEP,
            document,
            path,
            message,
            help: None,
        });
    }

    fn edit(&mut self, step: &Step) {
        match &step.action {
            Action::Apply { files, .. } => {
                for file in self
                    .inputs
                    .missing_files(&step.location, files)
                    .into_iter()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
                {
                    self.refuse(&step.location, format!("{file} was not found, or holds nothing to apply"));
                }
                self.inputs = self.inputs.applied(&step.location, files);
            }
            Action::Patch { target, merge } => match self.inputs.find(target) {
                Some(part) => {
                    let key = key_as_found(target, part.value.as_ref());
                    let patched = merge_patch(part.value.as_ref().clone(), merge);
                    self.inputs = self.inputs.edited(&[Edit::set(key, "", patched)]);
                }
                None => self.refuse(&step.location, format!("{target} is not in the input")),
            },
            Action::Delete { target, .. } => self.delete(step, target),
            Action::Restart { target } if rolls(&target.kind) => {
                self.restarted.insert(target.clone(), step.at);
            }
            Action::Restart { .. } | Action::Node { .. } | Action::Zone { .. } | Action::Api { .. } => {}
        }
    }

    /// Takes an object out of the input; a namespace with everything in it. Pods, nodes and claims may be of the
    /// run's own making.
    fn delete(&mut self, step: &Step, target: &ObjectKey) {
        let mut keys: Vec<ObjectKey> = Vec::new();
        if self.inputs.find(target).is_some() {
            keys.push(target.clone());
        } else if !matches!(target.kind, Kind::Pod | Kind::Node | Kind::NodeClaim) {
            self.refuse(&step.location, format!("{target} is not in the input"));
        }
        if target.kind == Kind::Namespace {
            keys.extend(self.inputs.keys().filter(|key| key.namespace == target.name).cloned());
        }
        // A node is deleted from the run by its name; as part of the input it does not come again.
        keys.retain(|key| key.kind != Kind::Node);
        let edits: Vec<Edit> = keys.into_iter().map(|key| Edit::remove(key, "")).collect();
        self.inputs = self.inputs.edited(&edits);
    }
}

/// A key without a namespace finds an object in any; the edit must name the one that was found.
fn key_as_found(target: &ObjectKey, value: &serde_json::Value) -> ObjectKey {
    let namespace = value.pointer("/metadata/namespace").and_then(serde_json::Value::as_str);
    ObjectKey::new(target.kind.clone(), namespace.unwrap_or_default(), target.name.clone())
}

/// Whether a step makes the input another one.
fn changes_input(step: &Step) -> bool {
    match &step.action {
        Action::Apply { .. } | Action::Patch { .. } | Action::Delete { .. } => true,
        Action::Restart { target } => rolls(&target.kind),
        Action::Node { .. } | Action::Zone { .. } | Action::Api { .. } => false,
    }
}

/// Kinds whose pods are replaced when their template is another one.
fn rolls(kind: &Kind) -> bool {
    matches!(kind, Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet)
}

/// Lowers one state of the input after the other.
struct Lowering {
    now: Arc<Declared>,
    gone: BTreeSet<WorkloadId>,
    /// Problems that were reported already.
    known: Vec<Problem>,
}

impl Lowering {
    fn redeclare(&mut self, stage: &mut Stage, step: &Step, catalog: &Catalog) -> Redeclaration {
        let lowered = stage.inputs.lower(catalog);
        for problem in lowered.problems {
            if !self.known.contains(&problem) {
                self.known.push(problem.clone());
                stage.problems.push(problem);
            }
        }
        let mut declared = lowered.declared;
        for (target, at) in &stage.restarted {
            let workload = declared.workloads.iter_mut().find(|workload| workload.key == *target);
            let Some(workload) = workload else { continue };
            let template = Arc::make_mut(&mut workload.template);
            template.annotations.insert(RESTARTED_AT.into(), at.to_string().into());
        }
        for target in stage.restarted.keys().cloned().collect::<Vec<_>>() {
            if !declared.workloads.iter().any(|workload| workload.key == target) {
                stage.restarted.remove(&target);
                stage.refuse(&step.location, format!("there is no {target} to restart"));
            }
        }
        if redeclare::changes_profile(&self.now, &declared) {
            let message =
                "subnets, node groups and settings of the profile do not change in a run".to_owned();
            stage.refuse(&step.location, message);
        }
        let redeclaration = redeclare::align(&self.now, declared, &self.gone);
        self.now = redeclaration.declared.clone();
        self.gone.extend(&redeclaration.deleted);
        redeclaration
    }
}

/// What a step does besides changing the input; what holds for a time ends by a step of its own.
fn direct(step: &Step, declared: &Declared) -> Vec<script::Step> {
    let at = |at: Timestamp, action| script::Step { at, location: step.location.clone(), action };
    let for_a_time = |begin: script::Action, end: script::Action, for_ms: Option<i64>| {
        let end = for_ms.map(|for_ms| at(step.at.after_ms(for_ms), end));
        std::iter::once(at(step.at, begin)).chain(end).collect()
    };
    match &step.action {
        Action::Node { name, ready, for_ms } => {
            let set = |ready| script::Action::NodeReady(name.clone(), ready);
            for_a_time(set(*ready), set(!ready), *for_ms)
        }
        Action::Zone { name, capacity, for_ms } => {
            let set = |none| script::Action::Fault(Fault::ZoneCapacity(name.clone()), none);
            for_a_time(set(!capacity), set(*capacity), *for_ms)
        }
        Action::Api { service, errors, for_ms } => {
            let fault = Fault::Service { service: service.clone(), code: errors.clone() };
            let set = |on| script::Action::Fault(fault.clone(), on);
            for_a_time(set(true), set(false), *for_ms)
        }
        Action::Restart { target } if !rolls(&target.kind) => {
            vec![at(step.at, script::Action::DeletePods(target.clone()))]
        }
        Action::Delete { target, force } => {
            let made = declared.workloads.iter().any(|workload| workload.key == *target);
            let by_name = matches!(target.kind, Kind::Pod | Kind::Node | Kind::NodeClaim);
            let delete = script::Action::Delete { target: target.clone(), force: *force };
            if by_name && (*force || !made) { vec![at(step.at, delete)] } else { Vec::new() }
        }
        Action::Apply { .. } | Action::Patch { .. } | Action::Restart { .. } => Vec::new(),
    }
}

fn expectation(written: api::scenario::Expectation) -> Expectation {
    let at = match written.when {
        When::At(at) | When::By(at) => Some(at),
        When::End => None,
    };
    let what = match written.what {
        api::scenario::Expected::Verdict(verdict) => script::Expected::Verdict(verdict),
        api::scenario::Expected::Running { target, at_least, at_most } => {
            script::Expected::Running { target, at_least, at_most }
        }
        api::scenario::Expected::Nodes { node_pool, at_least, at_most } => {
            script::Expected::Nodes { node_pool, at_least, at_most }
        }
    };
    Expectation { location: written.location, at, what }
}
