//! The cluster, the cloud and the controller, in virtual time. Nothing about what is right.

use std::collections::BTreeMap;
use std::sync::Arc;

use autoscaler::{Effect, Provisioner};
use kubernetes::Resource;
use kubernetes::calls::{self, Call};
use kubernetes::edge::{Failure, Work};
use serde_json::{Value, json};

use crate::client::Client;
use crate::cloud::{self, Cloud};
use crate::eviction::evict;
use crate::fault::{Faults, Group, Kind};
use crate::json::text;
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
    answers: BTreeMap<(i64, u64), (u32, u32, Result<(), Failure>)>,
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

    /// Sends what the lanes have to send; what becomes of it is decided here.
    fn send(&mut self) {
        let now = self.store.now_ms;
        let runs: Vec<u32> =
            self.clients.iter().filter(|own| own.frozen_until.is_none()).map(|own| own.run).collect();
        for run in runs {
            let Some(client) = self.clients.iter_mut().find(|client| client.run == run) else { continue };
            for (lane, work, index) in client.send(now) {
                self.calls += 1;
                let number = self.calls;
                if self.faults.hit(now, number, |kind| *kind == Kind::Crash).is_some() {
                    self.took_effect(Group::Crash);
                    // Before the call, or between it and its answer.
                    if self.faults.draw(number, 2) == 1 {
                        let call = work.calls[index].clone();
                        self.arriving
                            .insert((now, number), Sent { run, lane, call, answered: None, dead: false });
                    }
                    self.kill(run);
                    break;
                }
                self.send_one(run, lane, &work, index, number);
            }
        }
    }

    fn send_one(&mut self, run: u32, lane: u32, work: &Work, index: usize, number: u64) {
        let now = self.store.now_ms;
        let answer_now = |world: &mut World, at: i64, why: Failure| {
            world.answers.insert((at, number), (run, lane, Err(why)));
        };
        if let (Effect::Launch(..), 0, Some(Call::Create(_, node))) = (&work.effect, index, work.calls.last())
        {
            if let Some((group, why)) = self.refuse_launch(node, number) {
                self.took_effect(group);
                return answer_now(self, now + TICK_MS, why);
            }
        }
        let call = work.calls[index].clone();
        let is_about_calls = |kind: &Kind| {
            matches!(
                kind,
                Kind::ApiError | Kind::Unsent | Kind::Unanswered | Kind::Late | Kind::Conflict | Kind::Slow
            )
        };
        let hit = self.faults.hit(now, number, is_about_calls).cloned();
        let creates_node = matches!(call, Call::Create(Resource::Node, _));
        let dead = creates_node && self.faults.hit(now, number, |kind| *kind == Kind::NeverJoins).is_some();
        let effects = hit.iter().map(Kind::group).chain(dead.then_some(Group::Cloud));
        effects.for_each(|group| self.took_effect(group));
        let gives_up = now + GIVES_UP_MS;
        let timeout = || Failure::Passing("timed out".to_owned());
        let (arrives, answered) = match hit {
            Some(Kind::ApiError) => {
                return answer_now(self, now + TICK_MS, Failure::Passing("internal error".to_owned()));
            }
            Some(Kind::Unsent) => return answer_now(self, gives_up, timeout()),
            Some(Kind::Unanswered) => {
                answer_now(self, gives_up, timeout());
                (now, None)
            }
            Some(Kind::Late) => {
                answer_now(self, gives_up, timeout());
                (gives_up + self.faults.draw(number, 30_000), None)
            }
            Some(Kind::Slow) => {
                let at = now + 1_000 + self.faults.draw(number, 4_000);
                (at, Some(at + TICK_MS))
            }
            Some(Kind::Conflict) => {
                self.meddle(&call);
                (now, Some(now))
            }
            _ => (now, Some(now)),
        };
        self.arriving.insert((arrives, number), Sent { run, lane, call, answered, dead });
    }

    /// What the cloud says against a launch.
    fn refuse_launch(&self, node: &Value, number: u64) -> Option<(Group, Failure)> {
        let now = self.store.now_ms;
        if self.faults.hit(now, number, |kind| *kind == Kind::Throttle).is_some() {
            return Some((Group::Cloud, Failure::Passing("RequestLimitExceeded".to_owned())));
        }
        let (zone, capacity) = cloud::offering(node);
        self.faults.on(now).find_map(|fault| match fault.kind {
            Kind::ZoneAway(own) if own == zone => {
                Some((Group::Zone, Failure::SoldOut(cloud::refusals(own, &["on-demand", "spot"]))))
            }
            Kind::SoldOut(own, kind) if own == zone && kind == capacity => {
                Some((Group::Cloud, Failure::SoldOut(cloud::refusals(own, &[kind]))))
            }
            _ => None,
        })
    }

    /// Somebody else writes the object that a call is about.
    fn meddle(&mut self, call: &Call) {
        let Call::Patch { resource, name, .. } = call else { return };
        let key: Key = (*resource, String::new(), name.clone());
        let annotations = json!({"metadata": {"annotations": {"example.com/seen": self.calls.to_string()}}});
        let _ = self.store.patch(By::User, &key, false, &annotations);
    }

    /// Calls that arrive.
    fn arrive(&mut self) {
        while let Some(entry) = self.arriving.first_entry().filter(|entry| entry.key().0 <= self.store.now_ms)
        {
            let ((_, number), Sent { run, lane, call, answered, dead }) = entry.remove_entry();
            let before = self.store.written.len();
            let result = self.perform(By::Controller(run), &call, dead);
            for written in &self.store.written[before..] {
                if written.key.0 == Resource::Node && written.new.is_none() {
                    self.cloud.end(&written.key.2);
                }
            }
            if let Some(at) = answered {
                self.answers.insert((at.max(self.store.now_ms), number), (run, lane, result));
            }
        }
    }

    fn perform(&mut self, by: By, call: &Call, dead: bool) -> Result<(), Failure> {
        let outcome = match call {
            Call::Create(Resource::Node, node) => {
                self.cloud.launch(node, self.store.now_ms, dead);
                match self.cloud.is_dead(text(node, "/metadata/name")) {
                    true => Ok(()),
                    false => self.store.create(by, Resource::Node, node),
                }
            }
            Call::Create(resource, body) => self.store.create(by, *resource, body),
            Call::Patch { resource, name, status, body } => {
                self.store.patch(by, &(*resource, String::new(), name.clone()), *status, body)
            }
            Call::Delete { resource, namespace, name, uid } => {
                if *resource == Resource::Node && uid.is_none() {
                    self.cloud.end(name);
                }
                self.store.delete(by, &(*resource, namespace.clone(), name.clone()), uid.as_deref())
            }
            Call::Evict { namespace, name, uid } => {
                let key = (Resource::Pod, namespace.clone(), name.clone());
                let by = if let By::Controller(run) = by { By::Eviction(run) } else { by };
                let granted = evict(&mut self.store, by, &key, uid);
                self.evicted += usize::from(granted.is_ok());
                granted
            }
        };
        outcome.or_else(|no| calls::judge(call, no.code, no.reason, no.message))
    }

    /// Answers that are heard.
    fn answer(&mut self) {
        let now = self.store.now_ms;
        let mut later = BTreeMap::new();
        while let Some(entry) = self.answers.first_entry().filter(|entry| entry.key().0 <= now) {
            let (key, (run, lane, result)) = entry.remove_entry();
            let Some(client) = self.clients.iter_mut().find(|client| client.run == run) else { continue };
            match client.frozen_until {
                Some(until) => drop(later.insert((until, key.1), (run, lane, result))),
                None => client.answered(lane, result, &self.store, &self.faults),
            }
        }
        self.answers.append(&mut later);
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
