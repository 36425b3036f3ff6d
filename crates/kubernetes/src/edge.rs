//! Everything between the watches and the lanes: pure, so that it can be played without an API server.
//!
//! Told what watches brought and what came of its work, it says at each instant which work is to be done.

mod key;
mod settings;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use autoscaler::{Autoscaler, Context, Effect, Shop};
use catalog::Catalog;
use cluster::node_claim::{LaunchFailure, RefusedOffering};
use cluster::{Change, Name, ObjectKey, Timestamp};

use crate::Resource;
use crate::calls::{self, Call, Recorder};
use crate::metrics::{self, Metrics, registry::Registry};
use crate::mirror::{Mirror, Seen};
use crate::provider::Provider;
use crate::record::Tape;
use crate::shadow::{Report, Shadow};

pub use settings::Settings;
pub use work::{Done, Failure, Work};

/// The pause after the first failure; each further one doubles it.
const RETRY_FIRST_MS: i64 = 200;
/// The longest pause.
const RETRY_MAX_MS: i64 = 10_000;

/// What a watch tells.
#[derive(Clone, Debug)]
pub enum Told {
    /// Something is there, has changed, or is gone.
    Seen(Seen),
    /// Everything that is there has been told, by namespace and name: what else was known is gone.
    Listed(Resource, Vec<(Name, Name)>),
}

/// The edge.
#[derive(Debug)]
pub struct Edge {
    mirror: Mirror,
    mind: Autoscaler,
    provider: Provider,
    recorder: Recorder,
    metrics: Metrics,
    tape: Option<Box<Tape>>,
    shadow: Option<Box<Shadow>>,
    /// What each kind told before all had told everything.
    first: BTreeMap<Resource, Vec<Seen>>,
    listed: BTreeSet<Resource>,
    leads: bool,
    /// Effects on their way: the same one is not sent twice at a time.
    in_flight: Vec<Effect>,
    again: Vec<(Timestamp, Effect, u32)>,
}

impl Edge {
    /// Knows nothing yet.
    pub fn new(settings: Settings, now_unix_ms: i64) -> Edge {
        let provider = Provider::kwok();
        let shop = Shop::Listed(crate::kwok::node_class(), provider.offers());
        let mut mirror = Mirror::new(now_unix_ms);
        mirror.configure(settings.karpenter);
        let mind = Autoscaler::new(shop, settings.provisioner, settings.run);
        Edge {
            mirror,
            mind: if settings.shadow { mind } else { mind.keeping_up() },
            provider,
            recorder: Recorder::default(),
            metrics: Metrics::new("kwok"),
            tape: None,
            shadow: settings.shadow.then(Box::default),
            first: BTreeMap::new(),
            listed: BTreeSet::new(),
            leads: false,
            in_flight: Vec::new(),
            again: Vec::new(),
        }
    }

    /// The model of the cluster.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// Writes down what it hears and wants from now on; to be begun before anything is heard.
    pub fn record(&mut self, tape: Tape) {
        self.tape = Some(Box::new(tape));
    }

    /// Writes nothing down any more.
    pub fn end_recording(&mut self) {
        self.tape = None;
    }

    /// The recording that is being made.
    pub fn tape(&mut self) -> Option<&mut Tape> {
        self.tape.as_deref_mut()
    }

    /// Everything that is measured, at this instant.
    pub fn scrape(&mut self, now_unix_ms: i64) -> Registry {
        self.mirror.advance(now_unix_ms);
        let work = metrics::Work { in_flight: self.in_flight.len(), again: self.again.len() };
        let mut all = self.metrics.scrape(&self.mirror, &self.mind, &self.provider.offers(), work);
        if let Some(shadow) = &self.shadow {
            // Karpenter's names are told by whoever leads.
            all.retain(|family| family.starts_with("plimsoll_"));
            shadow.scrape(&mut all);
        }
        all
    }

    /// What was compared so far, if it only watches.
    pub fn report(&self) -> Option<Report> {
        self.shadow.as_ref().map(|shadow| shadow.report(self.mirror.cluster()))
    }

    /// How much work is under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The kinds that it needs to hear of.
    pub fn watched(&self) -> impl Iterator<Item = Resource> + use<> {
        Resource::watched(self.mirror.cluster().declared.karpenter.capacity_buffer)
    }

    /// Whether everything is read, so that decisions are made.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// How long nothing needs to be done if nothing is heard.
    pub fn pause(&self) -> Duration {
        let now = self.mirror.cluster().now;
        let mind = [self.mind.wake_at(), self.mind.background_wake_at()];
        let again = self.again.iter().map(|(at, ..)| *at);
        let next = mind.into_iter().flatten().filter(|_| self.leads).chain(again).min();
        let ms = next.map_or(60_000, |at| at.since_ms(now).clamp(1, 60_000));
        Duration::from_millis(u64::try_from(ms).unwrap_or(1))
    }

    /// Takes in what a watch told.
    pub fn hear(&mut self, told: Told, now_unix_ms: i64) {
        if let Some(tape) = &mut self.tape {
            tape.hear(&told, now_unix_ms);
        }
        self.mirror.advance(now_unix_ms);
        match told {
            Told::Seen(seen) if self.leads => self.see(&seen),
            Told::Seen(seen) => {
                let (Seen::There(resource, _) | Seen::Gone(resource, ..)) = &seen;
                self.first.entry(*resource).or_default().push(seen);
            }
            Told::Listed(resource, present) => {
                if self.leads {
                    for gone in self.mirror.gone_since(resource, &present) {
                        self.see(&gone);
                    }
                }
                self.listed.insert(resource);
                self.begin();
            }
        }
    }

    /// Once every kind has told everything, the autoscaler begins.
    fn begin(&mut self) {
        if self.leads || !self.watched().all(|own| self.listed.contains(&own)) {
            return;
        }
        for resource in Resource::WATCHED {
            for seen in self.first.remove(&resource).unwrap_or_default() {
                self.see(&seen);
            }
        }
        self.mind.lead(self.mirror.cluster());
        self.leads = true;
        self.metrics.begin(&self.mirror);
        let cluster = self.mirror.cluster();
        if let Some(shadow) = &mut self.shadow {
            shadow.begin(cluster);
        }
        tracing::info!(
            nodes = cluster.nodes.len(),
            pods = cluster.pods.len(),
            claims = cluster.claims.len(),
            "everything is read; deciding from now on"
        );
    }

    fn see(&mut self, seen: &Seen) {
        self.metrics.see(&self.mirror, seen);
        let changes = self.mirror.see(seen);
        let unread = self.mirror.take_unread();
        self.metrics.left_out(unread.len());
        for what in unread {
            tracing::warn!(what, "left out");
        }
        changes.iter().for_each(|change| self.observe(change));
    }

    fn observe(&mut self, change: &Change) {
        self.recorder.learn(change);
        self.metrics.learn(&self.mirror, change);
        if let Some(shadow) = self.shadow.as_mut().filter(|_| self.leads) {
            shadow.learn(self.mirror.cluster(), change);
        }
        let context = Context { cluster: self.mirror.cluster(), catalog: Catalog::embedded() };
        self.mind.observe(change, context);
    }

    /// What is to be done now.
    pub fn act(&mut self, now_unix_ms: i64) -> Vec<Work> {
        if !self.leads {
            return Vec::new();
        }
        self.mirror.advance(now_unix_ms);
        let work = if self.shadow.is_some() { self.foresee() } else { self.decide() };
        if let Some(tape) = &mut self.tape {
            tape.act(&work, now_unix_ms);
        }
        work
    }

    fn decide(&mut self) -> Vec<Work> {
        let mut work = Vec::new();
        let now = self.mirror.cluster().now;
        let due = |(at, ..): &(Timestamp, Effect, u32)| *at <= now;
        let (again, later) = std::mem::take(&mut self.again).into_iter().partition(due);
        self.again = later;
        for (_, effect, tries) in again {
            self.submit(effect, tries, &mut work);
        }
        // What a decision brings about at once may be the reason for the next one.
        for _ in 0..16 {
            if !self.mind.has_news(now) {
                break;
            }
            let mut effects = Vec::new();
            let context = Context { cluster: self.mirror.cluster(), catalog: Catalog::embedded() };
            self.mind.decide(context, &mut effects);
            self.metrics.decided(&self.mirror, &self.mind, &effects);
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                self.submit(effect, 0, &mut work);
            }
        }
        work
    }

    /// Decides, and does nothing: only the ledger learns of it.
    fn foresee(&mut self) -> Vec<Work> {
        let Some(shadow) = &mut self.shadow else { return Vec::new() };
        let cluster = self.mirror.cluster();
        if self.mind.has_news(cluster.now) {
            let mut effects = Vec::new();
            self.mind.decide(Context { cluster, catalog: Catalog::embedded() }, &mut effects);
            shadow.decided(cluster, &self.mind, &effects);
            self.mind.withdraw();
        }
        shadow.settle(cluster, &self.provider.offers());
        Vec::new()
    }

    fn submit(&mut self, effect: Effect, tries: u32, work: &mut Vec<Work>) {
        if self.in_flight.contains(&effect) {
            // What is written now may be of what was known before.
            if matches!(effect, Effect::TendPool(_) | Effect::TendClaim(_)) {
                self.submit_again(effect, tries, RETRY_FIRST_MS);
            }
            return;
        }
        if let (Effect::SayOfBuffer(buffer, _), 1..) = (&effect, tries) {
            return self.look_again_at(buffer);
        }
        let (mut calls, pause) = match &effect {
            Effect::Launch(claim, _) => match self.provider.launch(&self.mirror, *claim) {
                Ok(launch) => launch,
                Err(why) => return self.observe(&Change::ClaimFailed(*claim, why)),
            },
            Effect::Terminate(claim) => (self.provider.terminate(&self.mirror, *claim), Duration::ZERO),
            other => (calls::calls(&self.mirror, other), Duration::ZERO),
        };
        let says = matches!(effect, Effect::RefusePod(..) | Effect::ExpectPod(..));
        if says || !calls.is_empty() {
            self.tell(&effect, &mut calls);
        }
        if calls.is_empty() {
            tracing::trace!(?effect, tries, "wanted, and so already");
            return match effect {
                // Its pool has gone since.
                Effect::CreateClaim(new) => self.observe(&Change::ClaimNotCreated(new.name)),
                effect => self.done(&effect),
            };
        }
        tracing::debug!(?effect, tries, calls = calls.len(), "wanted");
        self.in_flight.push(effect.clone());
        let key = key::of(self.mirror.cluster(), &effect);
        work.push(Work { effect, calls, tries, pause, key });
    }

    /// What was to be said of a buffer may not be so any more.
    fn look_again_at(&mut self, buffer: &ObjectKey) {
        let said = self.mirror.cluster().buffers.get(buffer).cloned().unwrap_or_default();
        self.observe(&Change::BufferStatus(buffer.clone(), Box::new(said)));
    }

    /// Comes back to an effect after a pause.
    fn submit_again(&mut self, effect: Effect, tries: u32, pause_ms: i64) {
        let at = self.mirror.cluster().now.after_ms(pause_ms);
        self.again.push((at, effect, tries));
    }

    /// Puts the events that go with an effect around its calls. The last call of a launch stays the last: a pause
    /// comes before it.
    fn tell(&mut self, effect: &Effect, calls: &mut Vec<Call>) {
        if let Effect::CreateClaim(new) = effect
            && let Some(why) = self.mind.replaces(&new.name)
        {
            self.recorder.replaces(new.name.clone(), why);
        }
        let (before, after) = self.recorder.about(&self.mirror, effect);
        calls.splice(0..0, before);
        let end =
            if matches!(effect, Effect::Launch(..)) { calls.len().saturating_sub(1) } else { calls.len() };
        calls.splice(end..end, after);
    }

    /// Takes in what came of some work.
    pub fn finish(&mut self, done: Done, now_unix_ms: i64) {
        if let Some(tape) = &mut self.tape {
            tape.finish(&done, now_unix_ms);
        }
        let Done { effect, tries, result } = done;
        self.in_flight.retain(|own| *own != effect);
        self.mirror.advance(now_unix_ms);
        match (result, &effect) {
            (Ok(()), _) => self.done(&effect),
            (Err(Failure::SoldOut(refused)), effect) => self.sold_out(refused, effect),
            // Provider errors are the autoscaler's to retry.
            (Err(Failure::Passing(why) | Failure::Final(why)), Effect::Launch(claim, _)) => {
                tracing::warn!(why, "launch failed");
                self.observe(&Change::ClaimFailed(*claim, LaunchFailure::ServiceError(why.into())));
            }
            (Err(Failure::Final(why)), Effect::CreateClaim(new)) => {
                tracing::error!(why, claim = new.name.as_str(), "the API server refuses the claim");
                self.metrics.gave_up();
                self.observe(&Change::ClaimNotCreated(new.name.clone()));
            }
            (Err(Failure::Final(why)), _) => {
                self.metrics.gave_up();
                tracing::error!(why, ?effect, "given up");
            }
            (Err(Failure::Passing(why)), _) => {
                if let Effect::Evict(pod) = &effect {
                    self.recorder.eviction_failed(*pod, &why);
                }
                let pause_ms = match &effect {
                    // It is looked at anew, as after its own requeue.
                    Effect::SayOfBuffer(..) => 1_000,
                    _ => (RETRY_FIRST_MS << tries.min(10)).min(RETRY_MAX_MS),
                };
                tracing::debug!(why, ?effect, pause_ms, "tried again");
                self.submit_again(effect, tries + 1, pause_ms);
            }
        }
    }

    /// The cloud has none of what was asked for: the next plan does without it.
    fn sold_out(&mut self, refused: Vec<RefusedOffering>, effect: &Effect) {
        tracing::warn!(offerings = refused.len(), "sold out");
        self.provider.sold_out(&refused, self.mirror.cluster().now);
        self.observe(&Change::OfferingsRefused(refused));
        if let Effect::Launch(claim, _) = effect {
            self.observe(&Change::ClaimFailed(*claim, LaunchFailure::InsufficientCapacity));
        }
    }

    /// What an effect brought about that no watch tells.
    fn done(&mut self, effect: &Effect) {
        self.metrics.done(&self.mirror, effect);
        crate::log::done(&self.mirror, effect);
        if let Effect::Terminate(claim) = effect {
            self.observe(&Change::InstanceTerminated(*claim));
        }
    }
}
