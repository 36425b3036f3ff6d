//! Rounds: pods that waited, what would have been bought for them, and what was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cluster::node_claim::{ClaimStage, LaunchOption};
use cluster::{ClaimId, Cluster, Name, PodId, Timestamp};
use provisioning::class::is_provisionable;
use provisioning::market::Offers;

use crate::metrics::registry::Number;

/// Whoever leads creates all claims of one plan within this after the one before.
const SILENCE_MS: i64 = 10_000;
/// Without any claim by then, the leader has bought nothing for these pods.
const UNANSWERED_MS: i64 = 60_000;
/// Claims that are not launched by then are compared without.
const UNLAUNCHED_MS: i64 = 5 * 60_000;

/// Nodes that were bought, or would have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bought {
    /// How many.
    pub nodes: usize,
    /// Together, millionths of a US dollar an hour.
    pub price_micro_usd: i64,
    /// How many of each instance type.
    pub of_type: BTreeMap<Name, usize>,
}

impl Bought {
    /// One more.
    pub fn add(&mut self, option: &LaunchOption) {
        self.nodes += 1;
        self.price_micro_usd = self.price_micro_usd.saturating_add(option.price_micro_usd);
        *self.of_type.entry(option.instance_type.clone()).or_default() += 1;
    }

    fn add_all(&mut self, other: &Bought) {
        self.nodes += other.nodes;
        self.price_micro_usd = self.price_micro_usd.saturating_add(other.price_micro_usd);
        for (name, count) in &other.of_type {
            *self.of_type.entry(name.clone()).or_default() += count;
        }
    }

    /// US dollars an hour.
    pub fn price(&self) -> Number {
        Number::millionths(self.price_micro_usd)
    }

    /// `2 × c-4x-amd64-linux, 1 × m-2x-amd64-linux`.
    pub fn types(&self) -> String {
        let mut text = String::new();
        for (name, count) in &self.of_type {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{count} × {name}");
        }
        text
    }
}

/// One round that is not closed.
#[derive(Clone, Debug)]
pub(super) struct Round {
    opened: Timestamp,
    pods: BTreeSet<PodId>,
    ours: Bought,
    theirs: Vec<ClaimId>,
    /// When the leader created the last of them.
    last: Option<Timestamp>,
}

impl Round {
    pub(super) fn new(opened: Timestamp, pods: BTreeSet<PodId>, ours: Bought) -> Round {
        Round { opened, pods, ours, theirs: Vec::new(), last: None }
    }

    /// Whether a claim that is created now is for these pods.
    pub(super) fn takes(&self, now: Timestamp) -> bool {
        match self.last {
            Some(last) => now.since_ms(last) < SILENCE_MS,
            None => now.since_ms(self.opened) < UNANSWERED_MS,
        }
    }

    /// The leader created a claim.
    pub(super) fn bought(&mut self, claim: ClaimId, now: Timestamp) {
        self.theirs.push(claim);
        self.last = Some(now);
    }

    /// Whether nothing more is to be learned of it; the newest one still takes claims.
    pub(super) fn is_over(&self, cluster: &Cluster, is_newest: bool) -> bool {
        let has_place = |pod: &PodId| !is_provisionable(cluster, cluster.pod(*pod));
        let takes = is_newest && self.takes(cluster.now) && !self.pods.iter().all(has_place);
        let is_launched = |claim: &ClaimId| cluster.claim(*claim).stage != ClaimStage::Created;
        let late = cluster.now.since_ms(self.opened) >= UNLAUNCHED_MS;
        !takes && (late || self.theirs.iter().all(is_launched))
    }
}

/// All rounds that are closed.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    /// Rounds in which plimsoll's nodes would have been cheaper, cost the same, and been dearer.
    pub cheaper: usize,
    /// See `cheaper`.
    pub same: usize,
    /// See `cheaper`.
    pub dearer: usize,
    /// Rounds for which the leader bought nothing.
    pub unanswered: usize,
    /// The pods of the rounds that were compared.
    pub pods: usize,
    /// What would have been bought in rounds that were compared.
    pub ours: Bought,
    /// What was bought in them.
    pub theirs: Bought,
    /// What the leader created when plimsoll wanted nothing: replacements, static pools, or plans that came first.
    pub unasked: usize,
}

impl Rounds {
    /// Rounds that were compared.
    pub fn compared(&self) -> usize {
        self.cheaper + self.same + self.dearer
    }

    pub(super) fn close(&mut self, cluster: &Cluster, offers: &Offers, round: &Round) {
        let mut theirs = Bought::default();
        for claim in &round.theirs {
            let claim = cluster.claim(*claim);
            if let Some(launched) = &claim.launched {
                theirs.add(&priced(offers, &launched.option));
            }
        }
        let (pods, ours) = (round.pods.len(), &round.ours);
        if theirs.nodes == 0 {
            self.unanswered += 1;
            tracing::info!(pods, "the leader created no nodeclaims for these pods");
            return;
        }
        let verdict = match ours.price_micro_usd.cmp(&theirs.price_micro_usd) {
            std::cmp::Ordering::Less => {
                self.cheaper += 1;
                "cheaper"
            }
            std::cmp::Ordering::Equal => {
                self.same += 1;
                "same"
            }
            std::cmp::Ordering::Greater => {
                self.dearer += 1;
                "dearer"
            }
        };
        self.pods += pods;
        self.ours.add_all(ours);
        self.theirs.add_all(&theirs);
        tracing::info!(
            pods,
            verdict,
            nodeclaims = ours.nodes,
            usd_per_hour = %ours.price(),
            types = %ours.types(),
            leader_nodeclaims = theirs.nodes,
            leader_usd_per_hour = %theirs.price(),
            leader_types = %theirs.types(),
            "compared with what the leader created"
        );
    }
}

/// What was launched, with its price: the API does not say it.
fn priced(offers: &Offers, option: &LaunchOption) -> LaunchOption {
    let offered = offers.iter().find(|offered| offered.name == option.instance_type);
    let offering = offered.and_then(|offered| {
        let mut all = offered.offerings.iter();
        all.find(|own| own.zone == option.zone && own.capacity_type == option.capacity_type)
    });
    let price_micro_usd = offering.map_or(option.price_micro_usd, |offering| offering.price_micro_usd);
    LaunchOption { price_micro_usd, ..option.clone() }
}
