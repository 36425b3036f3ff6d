//! Between the controller and the API server: calls that are sent, arrive and are answered, or not.

use std::collections::BTreeMap;

use autoscaler::Effect;
use kubernetes::Resource;
use kubernetes::calls::{self, Call};
use kubernetes::edge::{Failure, Work};
use serde_json::{Value, json};

use super::{GIVES_UP_MS, Sent, TICK_MS, World};
use crate::cloud;
use crate::eviction::evict;
use crate::fault::{Group, Kind};
use crate::json::text;
use crate::store::{By, Key};

impl World {
    /// Sends what the lanes have to send; what becomes of it is decided here.
    pub(super) fn send(&mut self) {
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
            && let Some((group, why)) = self.refuse_launch(node, number)
        {
            self.took_effect(group);
            return answer_now(self, now + TICK_MS, why);
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
        let Call::Patch { resource, namespace, name, .. } = call else { return };
        let key: Key = (*resource, namespace.clone(), name.clone());
        let annotations = json!({"metadata": {"annotations": {"example.com/seen": self.calls.to_string()}}});
        let _ = self.store.patch(By::User, &key, false, &annotations);
    }

    /// Calls that arrive.
    pub(super) fn arrive(&mut self) {
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
            Call::Patch { resource, namespace, name, status, body } => {
                self.store.patch(by, &(*resource, namespace.clone(), name.clone()), *status, body)
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
    pub(super) fn answer(&mut self) {
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
}
