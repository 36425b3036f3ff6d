//! The cluster, the cloud and the controller, in virtual time. Nothing about what is right.

mod network;

use std::collections::BTreeMap;
use std::sync::Arc;

use autoscaler::Provisioner;
use kubernetes::Resource;
use kubernetes::calls::Call;
use kubernetes::edge::Failure;
use serde_json::Value;

use crate::client::Client;
use crate::cloud::Cloud;
use crate::fault::{Faults, Group, Kind};
use crate::kubelets::{Kubelets, Trouble};
use crate::owners::Owners;
use crate::scheduler::schedule;
use crate::store::{By, Key, Store, Written, key_of};

/// The clock's grain, milliseconds.
const TICK_MS: i64 = 100;
/// A client gives up on a call after this.
const GIVES_UP_MS: i64 = 10_000;
/// `leaseDurationSeconds`: after a leader fell silent the next one waits that long.
const LEASE_MS: i64 = 15_000;

/// Everything.
#[derive(Debug)]
pub struct World {
    /// The API server.
    pub store: Store,
    /// Controllers that make pods.
    pub owners: Owners,
    /// The cloud.
    pub cloud: Cloud,
    /// What goes wrong.
    pub faults: Faults,
    /// What happened that no write tells: when, and what.
    pub notes: Vec<(i64, String)>,
    /// Evictions that were granted.
    pub evicted: usize,
    /// How often faults of each group made a difference.
    pub effects: BTreeMap<Group, usize>,
    provisioner: Provisioner,
    kubelets: Kubelets,
    clients: Vec<Client>,
    lives: u32,
    /// When each life began and ended.
    spans: Vec<(i64, Option<i64>)>,
    next_life: Option<i64>,
    calls: u64,
    arriving: BTreeMap<(i64, u64), Sent>,
    answers: BTreeMap<(i64, u64), Answer>,
    /// Writes that the cluster's own controllers have seen.
    seen: usize,
    /// Faults up to here have begun.
    begun_ms: i64,
}

/// A call on its way.
#[derive(Debug)]
struct Sent {
    run: u32,
    lane: u32,
    call: Call,
    /// When its answer is heard; none when it is lost.
    answered: Option<i64>,
    /// Its instance never becomes a node.
    dead: bool,
}

/// Whose life it is for, on which lane, and what the API server said.
type Answer = (u32, u32, Result<(), Failure>);

impl World {
    /// An empty cluster in which nothing goes wrong, and a controller.
    pub fn new(provisioner: Provisioner, faults: Faults) -> World {
        World {
            store: Store::default(),
            owners: Owners::default(),
            cloud: Cloud::default(),
            faults,
            notes: Vec::new(),
            evicted: 0,
            effects: BTreeMap::new(),
            provisioner,
            kubelets: Kubelets::default(),
            clients: Vec::new(),
            lives: 0,
            spans: Vec::new(),
            next_life: Some(0),
            calls: 0,
            arriving: BTreeMap::new(),
            answers: BTreeMap::new(),
            seen: usize::MAX,
            begun_ms: -1,
        }
    }

    /// Creates an object or writes over it.
    pub fn apply(&mut self, resource: Resource, value: &Value) {
        self.store.apply(By::User, resource, value);
    }

    /// Asks an object to go.
    pub fn delete(&mut self, resource: Resource, namespace: &str, name: &str) {
        let _ = self.store.delete(By::User, &(resource, namespace.to_owned(), name.to_owned()), None);
    }

    /// Something that the store does not show has changed: the cluster's controllers look again.
    pub fn poke(&mut self) {
        self.seen = usize::MAX;
    }

    /// Kills the controller; the next one begins at once.
    pub fn replace_the_controller(&mut self) {
        self.clients.clear();
        self.next_life = Some(self.store.now_ms);
    }

    /// When a life began, and when it ended.
    pub fn life(&self, run: u32) -> (i64, Option<i64>) {
        self.spans.get(run as usize).copied().unwrap_or_default()
    }

    /// The life that leads.
    pub fn leader(&self) -> u32 {
        self.lives.saturating_sub(1)
    }

    /// Time goes on to this instant, milliseconds since the start; `watch` is told what was written in each moment.
    pub fn run_until(&mut self, end_ms: i64, mut watch: impl FnMut(&World, &[Written])) {
        while self.store.now_ms < end_ms {
            let next = self.next().max(self.store.now_ms + 1);
            self.store.now_ms = (next.saturating_add(TICK_MS - 1) / TICK_MS * TICK_MS).min(end_ms);
            let before = self.store.written.len();
            self.tick();
            watch(self, &self.store.written[before..]);
        }
    }

    /// Time goes on.
    pub fn run_for_s(&mut self, seconds: i64) {
        self.run_for_ms(seconds * 1_000);
    }

    /// Time goes on.
    pub fn run_for_ms(&mut self, ms: i64) {
        self.run_until(self.store.now_ms + ms, |_, _| {});
    }

    fn next(&self) -> i64 {
        if self.seen != self.store.written.len() {
            return self.store.now_ms;
        }
        let first = |at: Option<&(i64, u64)>| at.map(|(at, _)| *at);
        let clients = self.clients.iter().map(|client| match client.frozen_until {
            Some(until) => until,
            None => client.next().min(client.ends_at.unwrap_or(i64::MAX)),
        });
        let own = [
            self.next_life,
            self.faults.next_change(self.store.now_ms),
            self.kubelets.wake,
            self.owners.wake,
            first(self.arriving.keys().next()),
            first(self.answers.keys().next()),
        ];
        own.into_iter().flatten().chain(clients).min().unwrap_or(i64::MAX / 2)
    }

    fn tick(&mut self) {
        self.begin_faults();
        self.live();
        self.arrive();
        self.run_the_cluster();
        for client in &mut self.clients {
            let touched = client.watches.follow(&self.store, &self.faults);
            *self.effects.entry(Group::Watch).or_default() += touched;
            if client.frozen_until.is_none() {
                client.think(&self.store, &self.faults);
            }
        }
        self.answer();
        self.send();
    }

    fn note(&mut self, what: impl Into<String>) {
        self.notes.push((self.store.now_ms, what.into()));
    }

    fn took_effect(&mut self, group: Group) {
        *self.effects.entry(group).or_default() += 1;
    }

    /// Faults that are no matter of calls, at their beginning.
    fn begin_faults(&mut self) {
        let (from, now) = (self.begun_ms, self.store.now_ms);
        self.begun_ms = now;
        let begins = |at: i64| from < at && at <= now;
        for fault in self.faults.all.clone() {
            if begins(fault.until_ms()) {
                self.seen = usize::MAX;
                self.note(format!("over: {}", fault.kind.said()));
            }
            if !begins(fault.from_ms) {
                continue;
            }
            self.seen = usize::MAX;
            self.note(format!("fault: {}", fault.kind.said()));
            if !self.clients.is_empty()
                && matches!(fault.kind, Kind::WatchBreaks(_) | Kind::Freeze | Kind::Clock(_))
            {
                self.took_effect(fault.kind.group());
            }
            match fault.kind {
                Kind::WatchBreaks(resource) => {
                    self.clients.iter_mut().for_each(|client| client.watches.list(&self.store, resource));
                }
                Kind::Freeze => {
                    let Some(client) = self.clients.last_mut() else { continue };
                    client.frozen_until = Some(fault.until_ms());
                    if fault.for_ms > LEASE_MS && self.next_life.is_none() {
                        client.ends_at = Some(fault.until_ms() + 2_000);
                        self.next_life = Some(now + LEASE_MS);
                    }
                }
                _ => {}
            }
        }
    }

    /// Lives begin, go on and end.
    fn live(&mut self) {
        let now = self.store.now_ms;
        for client in &mut self.clients {
            client.frozen_until = client.frozen_until.filter(|until| *until > now);
        }
        let over =
            |client: &Client| client.frozen_until.is_none() && client.ends_at.is_some_and(|at| at <= now);
        for client in self.clients.extract_if(.., |client| over(client)) {
            self.notes.push((now, format!("controller {} finds its lease lost", client.run)));
            self.spans[client.run as usize].1 = Some(now);
        }
        if self.next_life.is_some_and(|at| at <= now) {
            self.next_life = None;
            self.note(format!("controller {} leads", self.lives));
            self.clients.push(Client::begin(self.lives, self.provisioner, &self.store, &self.faults));
            self.lives += 1;
            self.spans.push((now, None));
        }
    }

    fn kill(&mut self, run: u32) {
        self.note(format!("controller {run} is killed"));
        self.clients.retain(|client| client.run != run);
        self.spans[run as usize].1 = Some(self.store.now_ms);
        if run == self.leader() && self.next_life.is_none() {
            self.next_life = Some(self.store.now_ms + LEASE_MS);
        }
    }

    /// Everybody else: kubelets, the controllers of pods, the scheduler.
    fn run_the_cluster(&mut self) {
        let due = |wake: Option<i64>| wake.is_some_and(|at| at <= self.store.now_ms);
        if self.seen == self.store.written.len() && !due(self.kubelets.wake) && !due(self.owners.wake) {
            return;
        }
        self.seen = self.store.written.len();
        let mut trouble = Trouble::default();
        for fault in self.faults.on(self.store.now_ms) {
            match fault.kind {
                Kind::Unready => trouble.unready = true,
                Kind::StuckPods => trouble.stuck = true,
                Kind::ZoneAway(zone) => drop(trouble.away.insert(zone.to_owned(), fault.from_ms)),
                _ => {}
            }
        }
        self.kubelets.step(&mut self.store, &trouble);
        std::mem::take(&mut self.kubelets.effects).into_iter().for_each(|group| self.took_effect(group));
        self.owners.step(&mut self.store);
        schedule(&mut self.store);
        for written in &self.store.written[self.seen.min(self.store.written.len())..] {
            if written.key.0 == Resource::Node && written.new.is_none() {
                self.cloud.end(&written.key.2);
            }
        }
    }

    /// Everything that was done and written, a line each: when, who, what.
    pub fn trace(&self) -> Vec<String> {
        crate::trace::lines(self)
    }

    /// Everything of a kind.
    pub fn all(&self, resource: Resource) -> Vec<Arc<Value>> {
        self.store.all(resource).map(Arc::clone).collect()
    }

    /// Asks everything of a kind to go.
    pub fn delete_all(&mut self, resource: Resource) {
        let keys: Vec<Key> = self.store.all(resource).map(|value| key_of(resource, value)).collect();
        keys.iter().for_each(|(resource, namespace, name)| self.delete(*resource, namespace, name));
    }
}
