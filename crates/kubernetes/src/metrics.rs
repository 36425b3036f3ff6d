//! What people's dashboards read of a running controller: counted as things happen, and looked up when it is scraped.
//!
//! An observer of what the edge does: it is told what becomes true, what is decided and what came of it, and changes
//! nothing. Pure; the names are those of `sigs.k8s.io/karpenter` v1.14.1, and `plimsoll_` for what it does not have.
//! [`process`] and [`traffic`] are about the program itself, and are filled in by whoever runs it.

mod absent;
mod claims;
mod cloud;
mod conditions;
pub mod family;
mod load;
mod nodes;
mod own;
mod page;
mod pods;
mod pools;
pub mod process;
pub mod registry;
pub mod text;
pub mod traffic;

use autoscaler::{Autoscaler, Effect};
use cluster::Change;
use provisioning::market::Offers;

use crate::Mirror;
use crate::mirror::Seen;
use family::Family;
use registry::{Number, Registry};

pub use page::page;

/// Every family that is served.
pub fn families() -> Vec<&'static Family> {
    let all =
        [claims::ALL, nodes::ALL, pods::ALL, pools::ALL, cloud::ALL, own::ALL, process::ALL, traffic::ALL];
    let mut all: Vec<&Family> = all.into_iter().flatten().copied().chain(conditions::all()).collect();
    all.sort_by_key(|family| family.name);
    all
}

/// What was counted, and what is remembered to count on.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    counted: Registry,
    claims: claims::Known,
    clocks: pods::Clocks,
    calls: cloud::Calls,
    conditions: conditions::Known,
    /// The number of the last command that was counted.
    last_command: u32,
    provider: &'static str,
    leads: bool,
}

/// What the edge has under way.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Effects whose calls are under way.
    pub in_flight: usize,
    /// Effects that wait to be tried again.
    pub again: usize,
}

impl Metrics {
    /// Nothing yet, of a provider of this name.
    pub fn new(provider: &'static str) -> Metrics {
        Metrics { provider, ..Metrics::default() }
    }

    /// Everything is read: from now on what happens is counted.
    pub fn begin(&mut self, mirror: &Mirror) {
        self.clocks.begin(mirror.cluster());
        self.leads = true;
    }

    /// A watch told something; the mirror does not have it yet.
    pub fn see(&mut self, mirror: &Mirror, seen: &Seen) {
        self.conditions.see(mirror, seen, self.leads, &mut self.counted);
    }

    /// Objects could not be read.
    pub fn left_out(&mut self, count: usize) {
        self.counted.add(&own::UNREAD, &[], Number::count(count));
    }

    /// Something became true; the mirror has it.
    pub fn learn(&mut self, mirror: &Mirror, change: &Change) {
        if !self.leads {
            return;
        }
        let cluster = mirror.cluster();
        self.claims.learn(cluster, change, &mut self.counted);
        self.clocks.learn(cluster, change, &mut self.counted);
        self.calls.learn(change, self.provider, &mut self.counted);
    }

    /// Something was decided.
    pub fn decided(&mut self, mirror: &Mirror, mind: &Autoscaler, effects: &[Effect]) {
        let cluster = mirror.cluster();
        for effect in effects {
            self.claims.decided(cluster, mind, effect);
            self.clocks.decided(cluster, effect, &mut self.counted);
            self.calls.decided(cluster, effect);
        }
        self.last_command = pools::count_commands(cluster, mind, self.last_command, &mut self.counted);
    }

    /// An effect was performed.
    pub fn done(&mut self, mirror: &Mirror, effect: &Effect) {
        let cluster = mirror.cluster();
        self.claims.done(cluster, effect, &mut self.counted);
        self.calls.done(cluster, effect, self.provider, &mut self.counted);
        if let Effect::Evict(pod) = effect {
            let why = self.claims.why_evicted(cluster, cluster.pod(*pod).node);
            self.counted.count(&pods::DRAINED, &[why]);
        }
    }

    /// An effect was refused for good.
    pub fn gave_up(&mut self) {
        self.counted.count(&own::GIVEN_UP, &[]);
    }

    /// Everything that was counted, and everything as it is at the moment.
    pub fn scrape(&self, mirror: &Mirror, mind: &Autoscaler, offers: &Offers, work: Work) -> Registry {
        let cluster = mirror.cluster();
        let mut now = self.counted.clone();
        now.set_now(cluster.now);
        let loads = load::loads(cluster);
        nodes::scrape(mirror, &loads, self.leads, &mut now);
        self.clocks.scrape(mirror, &mut now);
        pools::scrape(cluster, mind, offers, &mut now);
        cloud::scrape(offers, &mut now);
        self.conditions.scrape(mirror, &mut now);
        own::scrape(cluster, &loads, &mut now);
        now.set(&own::WORK, &[], Number::count(work.in_flight));
        now.set(&own::RETRIES, &[], Number::count(work.again));
        now.set(&own::REFUSED, &["provisioner"], Number::count(mind.refused_pods()));
        now
    }
}
