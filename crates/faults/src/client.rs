//! One life of the controller: the edge that is tested, its watches, and the lanes that perform its calls.
//!
//! As `kubernetes::lanes` does it: everything with one key in order, one call after the other.

use std::collections::{BTreeMap, VecDeque};

use autoscaler::Provisioner;
use cluster::declared::KarpenterSettings;
use kubernetes::edge::{Done, Edge, Failure, Settings, Work};

use crate::fault::Faults;
use crate::store::{START_UNIX_MS, Store};
use crate::watches::Watches;

/// Lanes side by side.
const LANES: u32 = 32;

/// A life.
#[derive(Debug)]
pub struct Client {
    /// The so-manieth.
    pub run: u32,
    edge: Edge,
    /// What it hears.
    pub watches: Watches,
    lanes: BTreeMap<u32, VecDeque<Job>>,
    /// Stands still until then.
    pub frozen_until: Option<i64>,
    /// Finds its lease lost then.
    pub ends_at: Option<i64>,
    wake: i64,
}

/// Work in a lane.
#[derive(Debug)]
struct Job {
    work: Work,
    /// The call that is next, or under way.
    index: usize,
    sent: bool,
    not_before: i64,
}

impl Client {
    /// Begins a life.
    pub fn begin(run: u32, provisioner: Provisioner, store: &Store, faults: &Faults) -> Client {
        let settings = Settings {
            provisioner,
            run: format!("r{run}").into(),
            shadow: false,
            karpenter: KarpenterSettings::default(),
        };
        Client {
            run,
            edge: Edge::new(settings, clock(store, faults)),
            watches: Watches::begin(store),
            lanes: BTreeMap::new(),
            frozen_until: None,
            ends_at: None,
            wake: store.now_ms,
        }
    }

    /// Takes in what watches told, and decides.
    pub fn think(&mut self, store: &Store, faults: &Faults) {
        let now = clock(store, faults);
        let told = self.watches.told(store.now_ms);
        if told.is_empty() && store.now_ms < self.wake {
            return;
        }
        told.into_iter().for_each(|told| self.edge.hear(told, now));
        self.decide(store, now);
    }

    fn decide(&mut self, store: &Store, now_unix_ms: i64) {
        for work in self.edge.act(now_unix_ms) {
            let pause = i64::try_from(work.pause.as_millis()).unwrap_or(0);
            let not_before = if work.calls.len() == 1 { store.now_ms + pause } else { 0 };
            let job = Job { work, index: 0, sent: false, not_before };
            self.lanes.entry(job.work.key % LANES).or_default().push_back(job);
        }
        self.wake = store.now_ms + i64::try_from(self.edge.pause().as_millis()).unwrap_or(i64::MAX);
    }

    /// Calls that can be sent now: lane, work, and which of its calls. They count as sent.
    pub fn send(&mut self, now_ms: i64) -> Vec<(u32, Work, usize)> {
        let mut sent = Vec::new();
        for (lane, jobs) in &mut self.lanes {
            let Some(job) = jobs.front_mut().filter(|job| !job.sent && job.not_before <= now_ms) else {
                continue;
            };
            job.sent = true;
            sent.push((*lane, job.work.clone(), job.index));
        }
        sent
    }

    /// The answer to the call under way in a lane.
    pub fn answered(&mut self, lane: u32, result: Result<(), Failure>, store: &Store, faults: &Faults) {
        let Some(jobs) = self.lanes.get_mut(&lane) else { return };
        let Some(job) = jobs.front_mut() else { return };
        job.sent = false;
        if result.is_ok() && job.index + 1 < job.work.calls.len() {
            job.index += 1;
            if job.index + 1 == job.work.calls.len() {
                job.not_before = store.now_ms + i64::try_from(job.work.pause.as_millis()).unwrap_or(0);
            }
            return;
        }
        let Some(Job { work, .. }) = jobs.pop_front() else { return };
        let now = clock(store, faults);
        self.edge.finish(Done { effect: work.effect, tries: work.tries, result }, now);
        self.wake = store.now_ms;
    }

    /// When something is to be done: told, sent, or thought about.
    pub fn next(&self) -> i64 {
        let sendable = self.lanes.values().filter_map(|jobs| jobs.front()).filter(|job| !job.sent);
        let sendable = sendable.map(|job| job.not_before);
        self.watches.next().into_iter().chain(sendable).fold(self.wake, i64::min)
    }
}

/// The wall clock as the controller has it.
fn clock(store: &Store, faults: &Faults) -> i64 {
    START_UNIX_MS + store.now_ms + faults.skew_ms(store.now_ms)
}
