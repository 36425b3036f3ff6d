//! One play: a cluster is broken, heals, and has to come to rest.

use std::collections::BTreeMap;

use autoscaler::Provisioner;
use kubernetes::Resource;
use serde_json::{Value, json};

use crate::checks::{Checks, Problem, waits};
use crate::fault::{Fault, Faults, Group};
use crate::json::text;
use crate::owners::Workload;
use crate::store::{By, Key};
use crate::world::World;

/// After the last fault, everything has to be at rest within this, milliseconds: 15 minutes for a node that never
/// joined, 10 for a command that waited for it, and what they leave to be done.
pub const HEALS_WITHIN_MS: i64 = 60 * 60_000;
/// At rest is what has not changed for so long: longer than any pause of the controller's.
const REST_MS: i64 = 5 * 60_000;

/// What users do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// So many pods.
    Scale(String, i64),
    /// Another template for its pods.
    Roll(String),
    /// A pool's nodes get another label: they drift.
    Relabel(String, String),
    /// A pool goes.
    DeletePool(String),
    /// The so-manieth claim is deleted by hand.
    DeleteClaim(usize),
    /// The so-manieth node is deleted by hand.
    DeleteNode(usize),
    /// A disruption budget goes.
    DeleteBudget(String),
}

/// A cluster, what its users do, and what goes wrong.
#[derive(Clone, Debug)]
pub struct Play {
    /// Decides which calls are hit.
    pub seed: u64,
    /// Whose decisions are made.
    pub provisioner: Provisioner,
    /// NodePools.
    pub pools: Vec<Value>,
    /// DaemonSets.
    pub daemons: Vec<Value>,
    /// PodDisruptionBudgets.
    pub budgets: Vec<Value>,
    /// What wants pods.
    pub workloads: Vec<Workload>,
    /// What users do, and when, milliseconds since the start.
    pub script: Vec<(i64, Action)>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// What came of a play.
#[derive(Debug)]
pub struct Outcome {
    /// Since when nothing changed any more, milliseconds since the start; none when it did not come to rest.
    pub rested_ms: Option<i64>,
    /// When the last fault was over and the last user had acted.
    pub healed_ms: i64,
    /// Rules that were broken.
    pub problems: Vec<Problem>,
    /// What still waits at the end, and for what.
    pub waits: Vec<String>,
    /// Lives of the controller, instances launched, pods evicted.
    pub counts: [usize; 3],
    /// How often faults of each group made a difference.
    pub effects: BTreeMap<Group, usize>,
    /// Everything that happened.
    pub trace: Vec<String>,
}

impl Outcome {
    /// Whether all is well.
    pub fn is_well(&self) -> bool {
        self.rested_ms.is_some() && self.problems.is_empty() && self.waits.is_empty()
    }

    /// What is wrong, without names: two failures of the same kinds have the same cause more often than not.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = self.problems.iter().map(|problem| problem.rule).collect();
        kinds.extend(self.waits.iter().filter_map(|wait| wait.split(':').next()));
        kinds.extend(self.rested_ms.is_none().then_some("never at rest"));
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// Plays it. A controller that panics is a broken rule like any other.
pub fn play(play: &Play) -> Outcome {
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| played(play)));
    played.unwrap_or_else(|cause| {
        let said = cause.downcast_ref::<String>().map(String::as_str);
        let what = said.or(cause.downcast_ref::<&str>().copied()).unwrap_or_default().to_owned();
        Outcome {
            rested_ms: None,
            healed_ms: 0,
            problems: vec![Problem { at_ms: 0, rule: "the controller panics", what }],
            waits: Vec::new(),
            counts: [0; 3],
            effects: BTreeMap::new(),
            trace: Vec::new(),
        }
    })
}

fn played(play: &Play) -> Outcome {
    let faults = Faults { all: play.faults.clone(), seed: play.seed };
    let mut checks = Checks::new(faults.slack_ms());
    let mut world = World::new(play.provisioner, faults);
    set_up(&mut world, play);
    for (at, action) in &play.script {
        world.run_until(*at, |world, written| checks.see(world, written));
        let before = world.store.written.len();
        act(&mut world, action);
        checks.see(&world, &world.store.written[before..]);
    }
    let over = play.faults.iter().map(Fault::until_ms).chain(play.script.iter().map(|(at, _)| *at));
    let healed_ms = over.max().unwrap_or(0);
    let mut rested_ms = None;
    let end = healed_ms + HEALS_WITHIN_MS;
    let mut waiting = Vec::new();
    while rested_ms.is_none() && world.store.now_ms < end {
        let next = (world.store.now_ms + 60_000).max(healed_ms).min(end);
        world.run_until(next, |world, written| checks.see(world, written));
        let changed = world.store.written.iter().rev().find(|own| own.key.0 != Resource::Event);
        let changed_ms = changed.map_or(0, |own| own.at_ms);
        if world.store.now_ms - changed_ms.max(healed_ms) >= REST_MS {
            waiting = waits(&world);
            rested_ms = waiting.is_empty().then_some(changed_ms);
        }
    }
    if rested_ms.is_none() {
        waiting = waits(&world);
    }
    let launched = world.store.written.iter().filter(|own| own.key.0 == Resource::Node && own.old.is_none());
    Outcome {
        rested_ms,
        healed_ms,
        problems: checks.problems(&world),
        waits: waiting,
        counts: [world.leader() as usize + 1, launched.count(), world.evicted],
        trace: world.trace(),
        effects: world.effects,
    }
}

fn set_up(world: &mut World, play: &Play) {
    let class = json!({"apiVersion": "karpenter.kwok.sh/v1alpha1", "kind": "KWOKNodeClass",
        "metadata": {"name": "default"}, "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    world.apply(Resource::KwokNodeClass, &class);
    play.pools.iter().for_each(|pool| world.apply(Resource::NodePool, pool));
    play.daemons.iter().for_each(|set| world.apply(Resource::DaemonSet, set));
    play.budgets.iter().for_each(|budget| world.apply(Resource::PodDisruptionBudget, budget));
    world.owners.workloads.clone_from(&play.workloads);
}

/// What a user does: nothing, where what it is about is gone.
fn act(world: &mut World, action: &Action) {
    world.notes.push((world.store.now_ms, format!("user: {}", said(action))));
    let nth = |world: &World, kind: Resource, index: usize| -> Option<Key> {
        let keys: Vec<Key> = world.store.keyed(kind).map(|(key, _)| key.clone()).collect();
        keys.get(index % keys.len().max(1)).cloned()
    };
    let workload = |world: &mut World, name: &str, change: &dyn Fn(&mut Workload)| {
        world.owners.workloads.iter_mut().filter(|own| own.name == *name).for_each(change);
        world.poke();
    };
    match action {
        Action::Scale(name, replicas) => workload(world, name, &|own| own.replicas = *replicas),
        Action::Roll(name) => workload(world, name, &|own| own.revision += 1),
        Action::Relabel(name, value) => {
            let key = (Resource::NodePool, String::new(), name.clone());
            let body = json!({"spec": {"template": {"metadata": {"labels": {"example.com/stack": value}}}}});
            let _ = world.store.patch(By::User, &key, false, &body);
        }
        Action::DeletePool(name) => world.delete(Resource::NodePool, "", name),
        Action::DeleteBudget(name) => {
            world.delete(Resource::PodDisruptionBudget, crate::owners::NAMESPACE, name);
        }
        Action::DeleteClaim(index) | Action::DeleteNode(index) => {
            let is_claim = matches!(action, Action::DeleteClaim(_));
            let kind = if is_claim { Resource::NodeClaim } else { Resource::Node };
            if let Some((kind, namespace, name)) = nth(world, kind, *index) {
                world.delete(kind, &namespace, &name);
            }
        }
    }
}

/// For people.
pub fn said(action: &Action) -> String {
    match action {
        Action::Scale(name, replicas) => format!("scales {name} to {replicas}"),
        Action::Roll(name) => format!("rolls {name}"),
        Action::Relabel(name, value) => format!("changes the labels of pool {name} to {value}"),
        Action::DeletePool(name) => format!("deletes pool {name}"),
        Action::DeleteClaim(_) => "deletes a claim".to_owned(),
        Action::DeleteNode(_) => "deletes a node".to_owned(),
        Action::DeleteBudget(name) => format!("deletes disruption budget {name}"),
    }
}

/// The cluster of a play, in a few lines.
pub fn described(play: &Play) -> Vec<String> {
    let mut lines = Vec::new();
    for pool in &play.pools {
        let spec = &pool["spec"];
        lines.push(format!(
            "pool {}: limits {}, taints {}, {}",
            text(pool, "/metadata/name"),
            spec["limits"],
            spec["template"]["spec"]["taints"],
            spec["disruption"]
        ));
    }
    for set in &play.daemons {
        lines.push(format!("daemonset {}", text(set, "/metadata/name")));
    }
    for budget in &play.budgets {
        lines.push(format!("disruption budget {}: {}", text(budget, "/metadata/name"), budget["spec"]));
    }
    for workload in &play.workloads {
        let Workload { name, replicas, template, .. } = workload;
        lines.push(format!("{name}: {replicas} pods, {}", template["spec"]));
    }
    lines.extend(
        play.script.iter().map(|(at, action)| format!("at {} s the user {}", at / 1_000, said(action))),
    );
    for fault in &play.faults {
        let (from, until) = (fault.from_ms / 1_000, fault.until_ms() / 1_000);
        lines.push(format!("{from} s to {until} s, {} of 1000: {}", fault.per_mille, fault.kind.said()));
    }
    lines
}
