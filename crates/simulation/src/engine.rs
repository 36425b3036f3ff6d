//! The event queue and the loop.
//!
//! Events have a total order `(time, sequence)`. An instant is over when nobody wants anything more at it; then
//! time jumps to the next queued effect or wake-up. A run ends when nothing is left to happen.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use autoscaler::Provisioner;
use catalog::Catalog;
use cluster::change::DeletionCause;
use cluster::role::Program;
use cluster::scenario::Script;
use cluster::timeline::{Entry, Timeline};
use cluster::{Change, Cluster, Declared, Timestamp, unmet};
use provisioning::market::Shelf;

use crate::actor::{Actor, Context};
use crate::asked::Question;
use crate::effect::{Effect, Effects};
pub use crate::finished::{End, Peaks, Run};
use crate::queued::Queued;
use crate::world::World;
use crate::{actors, start};

/// Bounds of a run. Every one of them ends it as [`End::Limit`], never silently.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed of everything that the real system leaves to chance.
    pub seed: u64,
    /// Effects performed at the most.
    pub max_events: u64,
    /// Decision rounds at one instant at the most.
    pub max_rounds: u32,
    /// Keep the timeline; a fix search does not need it.
    pub keep_timeline: bool,
    /// Workloads that run one of these programs start, or restart, only after everything else has come to rest.
    pub late: Vec<Program>,
    /// Whose decisions the provisioner makes.
    pub provisioner: Provisioner,
    /// Which pods somebody asks about. Changes no result.
    pub question: Option<Question>,
    /// What happens from outside.
    pub script: Arc<Script>,
    /// What pools can buy, as far as runs with the same catalog have worked it out already. Changes no result.
    pub shelf: Shelf,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 0,
            max_events: 50_000_000,
            max_rounds: 10_000,
            keep_timeline: true,
            late: Vec::new(),
            provisioner: Provisioner::Karpenter,
            question: None,
            script: Arc::default(),
            shelf: Shelf::default(),
        }
    }
}

/// How long a loop must go on without progress before it is called one, in virtual milliseconds.
const LOOP_WINDOW_MS: i64 = 30 * 60 * 1000;
/// How often something must have been retried in that time.
const LOOP_RETRIES: u32 = 3;

/// The largest [`Actor::hops_behind`].
const LAST_HOP: u8 = 2;

/// Boots the declared cluster and runs it until nothing more can happen.
pub fn run(declared: &Arc<Declared>, catalog: &Catalog, options: &Options) -> Run {
    let mut engine = Engine::new(declared, catalog, options);
    engine.boot_existing(declared);
    engine.run_to_end()
}

struct Engine<'a> {
    world: World,
    catalog: &'a Catalog,
    options: &'a Options,
    actors: Vec<Box<dyn Actor>>,
    queue: BinaryHeap<Reverse<Queued>>,
    sequence: u64,
    events: u64,
    effects: Effects,
    changes: Vec<Change>,
    timeline: Timeline,
    peaks: Peaks,
    watched: Vec<Cluster>,
}

/// What stopped the loop before it ran dry.
enum Halt {
    Dry,
    Later,
    Ended(End),
}

impl<'a> Engine<'a> {
    fn new(declared: &Arc<Declared>, catalog: &'a Catalog, options: &'a Options) -> Engine<'a> {
        let world = World::new(start::cluster(declared));
        let peaks =
            Peaks { nodes: 0, subnet_free: world.cluster.subnets.iter().map(|s| s.space.free).collect() };
        Engine {
            actors: actors::all(declared, options),
            world,
            catalog,
            options,
            queue: BinaryHeap::new(),
            sequence: 0,
            events: 0,
            effects: Effects::default(),
            changes: Vec::new(),
            timeline: Timeline::default(),
            peaks,
            watched: Vec::new(),
        }
    }

    /// Brings what exists at t=0 into being, before t=0 and without latencies, so that at t=0 it runs as if it
    /// always had.
    fn boot_existing(&mut self, declared: &Arc<Declared>) {
        self.world.cluster.declared = start::without_latencies(declared);
        for effect in start::effects(&mut self.world, self.catalog) {
            self.push(0, effect);
        }
        let _ = self.advance_until(Timestamp(-1));
        self.world.cluster.declared = declared.clone();
        self.world.cluster.now = Timestamp::ZERO;
        self.world.progress.last = Timestamp::ZERO;
        start::meet_declared(&mut self.world);
        self.peaks.subnet_free = self.world.cluster.subnets.iter().map(|subnet| subnet.space.free).collect();
    }

    fn run_to_end(mut self) -> Run {
        let horizon = Timestamp(self.world.cluster.declared.profile.horizon_ms);
        let mut late = !self.options.late.is_empty();
        let end = loop {
            let limit = if late { horizon.min(self.before_script()) } else { horizon };
            match self.advance_until(limit) {
                Halt::Dry | Halt::Ended(End::Looping { .. }) if std::mem::take(&mut late) => {
                    self.start_late();
                    continue;
                }
                Halt::Later if limit < horizon => {
                    late = false;
                    self.start_late();
                    continue;
                }
                Halt::Ended(end) => break end,
                Halt::Later => break End::Horizon,
                Halt::Dry => {}
            }
            let settled = unmet(&self.world.cluster).is_empty();
            let until_horizon = self.world.cluster.declared.profile.until_horizon;
            let next = self.next_background();
            if settled && !until_horizon && next.is_none_or(|next| next > self.options.script.until) {
                break End::Settled;
            }
            match next {
                Some(at) if at <= horizon && !self.background_is_idle(at) => {
                    self.move_to(at);
                    let _ = (0..=LAST_HOP).any(|hops| self.decide_once(hops));
                }
                _ if settled => break End::Settled,
                _ => break End::Quiescent,
            }
        };
        self.finish(end)
    }

    /// The last instant before the script's first step: what comes last comes before it.
    fn before_script(&self) -> Timestamp {
        let mut later =
            self.options.script.steps.iter().map(|step| step.at).filter(|at| *at > Timestamp::ZERO);
        later.next().map_or(Timestamp(i64::MAX), |at| at.after_ms(-1))
    }

    /// Starts what comes last; what ran already is restarted.
    fn start_late(&mut self) {
        let cluster = &self.world.cluster;
        let mut effects = Vec::new();
        for (id, workload) in cluster.declared.workload_ids() {
            if !self.options.late.contains(&workload.template.role.program) {
                continue;
            }
            effects.push(Effect::ArriveWorkload(id));
            let pods = cluster.live_pods().filter(|pod| pod.workload == Some(id));
            effects.extend(pods.map(|pod| Effect::DeletePod(pod.id, DeletionCause::Scenario)));
        }
        for effect in effects {
            self.push(0, effect);
        }
    }

    /// A cluster that waits, and in which only cron schedules and expiry go on, is quiescent once they have had
    /// their chance to change something.
    fn background_is_idle(&self, at: Timestamp) -> bool {
        !self.world.cluster.declared.profile.until_horizon
            && at.since_ms(self.last_impulse()) > LOOP_WINDOW_MS
    }

    /// When the cluster last got further, or was given the occasion to.
    fn last_impulse(&self) -> Timestamp {
        self.world.progress.last.max(self.options.script.awaited())
    }

    fn finish(mut self, end: End) -> Run {
        let stays = matches!(end, End::Settled | End::Quiescent | End::Looping { .. });
        self.watch_before(if stays { Timestamp(i64::MAX) } else { self.world.cluster.now.after_ms(1) });
        let unmet = unmet(&self.world.cluster);
        let answers = self.actors.iter_mut().flat_map(|actor| actor.take_answers()).collect();
        Run {
            answers,
            ended: self.world.cluster.now,
            last_progress: self.last_available().max(self.world.progress.last),
            cluster: self.world.cluster,
            timeline: self.timeline,
            watched: self.watched,
            end,
            unmet,
            events: self.events,
            peaks: self.peaks,
        }
    }

    /// When the last pod became available that is: with `minReadySeconds` that is later than when it became Ready.
    fn last_available(&self) -> Timestamp {
        let cluster = &self.world.cluster;
        let paced = |pod: &&cluster::Pod| {
            pod.workload.is_some_and(|id| cluster.declared.workload(id).pace.min_ready_ms > 0)
        };
        let live = cluster.live_pods().filter(|pod| pod.deleted.is_none()).filter(paced);
        let available = live.filter_map(|pod| cluster.available_at(pod)).filter(|at| *at <= cluster.now);
        available.max().unwrap_or_default()
    }

    /// Runs instants up to and including `limit`.
    fn advance_until(&mut self, limit: Timestamp) -> Halt {
        loop {
            if let Some(end) = self.play_instant() {
                return Halt::Ended(end);
            }
            if let Some(end) = self.loop_without_progress() {
                return Halt::Ended(end);
            }
            match self.next_instant() {
                None => return Halt::Dry,
                Some(at) if at > limit => return Halt::Later,
                Some(at) => self.move_to(at),
            }
        }
    }

    fn move_to(&mut self, at: Timestamp) {
        self.watch_before(at);
        self.world.cluster.now = at;
    }

    /// Keeps the cluster for the watched instants up to `at`: nothing changes in between.
    fn watch_before(&mut self, at: Timestamp) {
        while let Some(watch) =
            self.options.script.watches.get(self.watched.len()).filter(|watch| **watch < at)
        {
            self.watched.push(Cluster { now: *watch, ..self.world.cluster.clone() });
        }
    }

    fn loop_without_progress(&self) -> Option<End> {
        let progress = &self.world.progress;
        let stalled = self.world.cluster.now.since_ms(self.last_impulse()) > LOOP_WINDOW_MS;
        let finite_work = || {
            let is_work = |queued: &Reverse<Queued>| {
                matches!(
                    queued.0.effect,
                    Effect::PodStage(_, cluster::pod::Stage::Succeeded) | Effect::Fault(..)
                )
            };
            self.queue.iter().any(is_work)
        };
        (stalled && progress.retries >= LOOP_RETRIES && !finite_work())
            .then_some(End::Looping { last_progress: progress.last, retries: progress.retries })
    }

    /// Performs everything due now and lets the actors decide, until nobody wants anything more at this instant.
    fn play_instant(&mut self) -> Option<End> {
        for _ in 0..self.options.max_rounds {
            let performed = self.perform_due();
            let wanted = (0..=LAST_HOP).any(|hops| self.decide_once(hops));
            if !performed && !wanted {
                self.note_peaks();
                return None;
            }
            if self.events > self.options.max_events {
                return Some(End::Limit("events"));
            }
        }
        Some(End::Limit("decision rounds at one instant"))
    }

    fn perform_due(&mut self) -> bool {
        let now = self.world.cluster.now;
        let mut performed = false;
        while self.queue.peek().is_some_and(|Reverse(next)| next.at <= now) {
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.events += 1;
            performed = true;
            let mut changes = std::mem::take(&mut self.changes);
            self.world.perform(next.effect, self.catalog, &mut changes);
            for change in changes.drain(..) {
                self.publish(change);
            }
            self.changes = changes;
        }
        performed
    }

    fn publish(&mut self, change: Change) {
        let context = Context { cluster: &self.world.cluster, catalog: self.catalog };
        for actor in &mut self.actors {
            actor.observe(&change, context);
        }
        if self.options.keep_timeline {
            self.timeline.entries.push(Entry { at: self.world.cluster.now, change });
        }
    }

    /// Asks every actor that is this many hops behind; true if any of them wants something at this very instant.
    fn decide_once(&mut self, hops: u8) -> bool {
        let mut at_once = false;
        for index in 0..self.actors.len() {
            if self.actors[index].hops_behind() != hops {
                continue;
            }
            let context = Context { cluster: &self.world.cluster, catalog: self.catalog };
            self.actors[index].decide(context, &mut self.effects);
            for (delay_ms, effect) in self.effects.drain() {
                at_once |= delay_ms == 0;
                self.push(delay_ms, effect);
            }
        }
        at_once
    }

    fn push(&mut self, delay_ms: i64, effect: Effect) {
        let at = self.world.cluster.now.after_ms(delay_ms);
        self.sequence += 1;
        self.queue.push(Reverse(Queued { at, sequence: self.sequence, effect }));
    }

    fn next_instant(&self) -> Option<Timestamp> {
        let queued = self.queue.peek().map(|Reverse(next)| next.at);
        let woken = self.actors.iter().filter_map(|actor| actor.wake_at()).min();
        let now = self.world.cluster.now;
        let next = [queued, woken].into_iter().flatten().min()?;
        // What goes on in the background keeps no run going, but it has its turn while something else does.
        let next = self.background_wake_at().map_or(next, |background| background.min(next));
        Some(next.max(now.after_ms(1)))
    }

    fn next_background(&self) -> Option<Timestamp> {
        Some(self.background_wake_at()?.max(self.world.cluster.now.after_ms(1)))
    }

    fn background_wake_at(&self) -> Option<Timestamp> {
        self.actors.iter().filter_map(|actor| actor.background_wake_at()).min()
    }

    fn note_peaks(&mut self) {
        let nodes = u32::try_from(self.world.cluster.live_nodes().count()).unwrap_or(u32::MAX);
        self.peaks.nodes = self.peaks.nodes.max(nodes);
        for (least, subnet) in self.peaks.subnet_free.iter_mut().zip(&self.world.cluster.subnets) {
            *least = (*least).min(subnet.space.free);
        }
    }
}
