//! The claims of a plan by number of pods, fewest first, and how far each class has got through them.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/scheduler.go` (`addToInflightNode`
//! sorts by number of pods). Within a level, claims that require the same are in one lane: a class that cannot join
//! the lane passes it by as a whole. Claims only ever move to a level further back, so what a class has been refused
//! for good by are stretches of each lane, and they are stepped over. Why a claim refuses is not known here.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use super::stretches::{Run, Stretches};
use crate::claim::Misfit;
use crate::sets::SetId;

/// What claims of one lane have in common: their template and their requirements.
pub(super) type Key = (usize, SetId);

/// Claims with their numbers of pods.
///
/// Among claims with one pod the oldest comes first; among those with more, the one that came to that number last.
#[derive(Debug, Default)]
pub(super) struct Order {
    levels: BTreeMap<usize, Level>,
    // Looked up, never iterated over.
    lanes: HashMap<Key, usize>,
    keys: Vec<Key>,
    /// By claim.
    places: Vec<Place>,
    now: u64,
}

/// How many pods a claim has, since when, and in which lane it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    pods: usize,
    since: u64,
    lane: usize,
}

/// Claims with equally many pods.
#[derive(Debug, Default)]
struct Level {
    lanes: BTreeMap<usize, Lane>,
    /// The lanes by when their first claim came, which may have left since.
    heads: BTreeSet<(Rank, usize)>,
}

/// Those of them that require the same.
#[derive(Debug, Default)]
struct Lane {
    /// When they came, and which; some have left since.
    entries: Vec<(u64, usize)>,
    left: usize,
}

/// A claim's rank in its level: the least comes first.
type Rank = u64;

/// By number of pods and lane: what has refused a class for good.
#[derive(Debug, Default)]
pub(super) struct Refused {
    stretches: BTreeMap<(usize, usize), Stretches>,
}

/// Who looks for a claim.
pub(super) trait Seeker {
    /// What a claim would be.
    type Fit;
    /// Whether claims that require this can be joined at all, as things are.
    fn may_join(&mut self, key: Key) -> bool;
    /// What a claim would be, or why it does not take the pod.
    fn ask(&mut self, claim: usize) -> Result<Self::Fit, Misfit>;
}

/// When a claim of a level came, as a rank: among claims with one pod the oldest is first, else the newest.
fn rank(pods: usize, since: u64) -> Rank {
    if pods == 1 { since } else { u64::MAX - since }
}

impl Order {
    /// A new claim with its first pod; claims come in the order of their indexes.
    pub(super) fn enter(&mut self, key: Key) {
        let claim = self.places.len();
        self.places.push(Place { pods: 0, since: 0, lane: 0 });
        self.place(claim, 1, key);
    }

    /// A claim has one pod more, and requires this now.
    pub(super) fn advance(&mut self, claim: usize, key: Key) {
        let from = std::mem::replace(&mut self.places[claim], Place { pods: 0, since: 0, lane: 0 });
        if let Some(level) = self.levels.get_mut(&from.pods) {
            level.leave(from, &self.places);
            if level.lanes.is_empty() {
                self.levels.remove(&from.pods);
            }
        }
        self.place(claim, from.pods + 1, key);
    }

    fn place(&mut self, claim: usize, pods: usize, key: Key) {
        self.now += 1;
        let next = self.keys.len();
        let lane = *self.lanes.entry(key).or_insert(next);
        if lane == next {
            self.keys.push(key);
        }
        let place = Place { pods, since: self.now, lane };
        self.places[claim] = place;
        self.levels.entry(pods).or_default().come(place, claim);
    }

    /// The first claim that takes a pod of a class. `barred` is what all classes with the same rules on the host name
    /// have in common. A claim that takes the pod has one more from then on.
    pub(super) fn first<S: Seeker>(
        &self,
        refused: &mut Refused,
        barred: &mut Refused,
        seeker: &mut S,
    ) -> Option<(usize, S::Fit)> {
        self.levels.iter().find_map(|(&pods, level)| {
            let mut walk = Walk {
                order: self,
                pods,
                level,
                refused,
                barred,
                walkers: Vec::new(),
                next: BinaryHeap::new(),
            };
            let found = walk.first(seeker);
            let learned = walk.walkers.into_iter().map(|walker| (walker.lane, walker.own, walker.common));
            let learned: Vec<(usize, Run, Run)> = learned.collect();
            for (lane, own, common) in learned {
                refused.learn((pods, lane), own);
                barred.learn((pods, lane), common);
            }
            found
        })
    }
}

impl Level {
    fn come(&mut self, place: Place, claim: usize) {
        let lane = self.lanes.entry(place.lane).or_default();
        let before = lane.head(place.pods);
        lane.entries.push((place.since, claim));
        self.move_head(place, before);
    }

    /// `places` do not hold the claim here any more.
    fn leave(&mut self, place: Place, places: &[Place]) {
        let Some(lane) = self.lanes.get_mut(&place.lane) else { return };
        let before = lane.head(place.pods);
        lane.left += 1;
        if lane.left == lane.entries.len() {
            self.lanes.remove(&place.lane);
        } else if lane.left * 2 > lane.entries.len() {
            lane.entries.retain(|&(since, claim)| places[claim] == Place { since, ..place });
            lane.left = 0;
        }
        self.move_head(place, before);
    }

    fn move_head(&mut self, place: Place, before: Option<Rank>) {
        let after = self.lanes.get(&place.lane).and_then(|lane| lane.head(place.pods));
        if before != after {
            if let Some(head) = before {
                self.heads.remove(&(head, place.lane));
            }
            self.heads.extend(after.map(|head| (head, place.lane)));
        }
    }
}

impl Lane {
    fn head(&self, pods: usize) -> Option<Rank> {
        let first = if pods == 1 { self.entries.first() } else { self.entries.last() };
        first.map(|&(since, _)| rank(pods, since))
    }
}

/// A walk through the lanes of a level, in the order of their claims; a lane is entered when its first claim's turn
/// comes.
struct Walk<'o> {
    order: &'o Order,
    pods: usize,
    level: &'o Level,
    refused: &'o Refused,
    barred: &'o Refused,
    walkers: Vec<Walker<'o>>,
    /// By the rank of their next claim.
    next: BinaryHeap<Reverse<(Rank, usize)>>,
}

/// A walk through a lane.
struct Walker<'o> {
    lane: usize,
    entries: &'o [(u64, usize)],
    /// How many claims were passed.
    passed: usize,
    /// What is known to refuse the class, and all with the same rules on the host name.
    known: Option<&'o Stretches>,
    known_common: Option<&'o Stretches>,
    /// What refuses on this walk.
    own: Run,
    common: Run,
}

impl<'o> Walk<'o> {
    fn first<S: Seeker>(&mut self, seeker: &mut S) -> Option<(usize, S::Fit)> {
        let mut heads = self.level.heads.iter().peekable();
        loop {
            let turn = self.next.peek().map(|Reverse((rank, _))| *rank);
            if let Some(&(head, lane)) = heads.next_if(|(head, _)| turn.is_none_or(|turn| *head < turn)) {
                if seeker.may_join(self.order.keys[lane]) {
                    self.enter(head, lane);
                }
                continue;
            }
            let Reverse((_, index)) = self.next.pop()?;
            let walker = &mut self.walkers[index];
            let asked = walker.step(self.pods, self.order, seeker);
            if asked.is_some() {
                return asked;
            }
            if let Some(rank) = walker.turn(self.pods) {
                self.next.push(Reverse((rank, index)));
            }
        }
    }

    fn enter(&mut self, head: Rank, lane: usize) {
        let Some(entered) = self.level.lanes.get(&lane) else { return };
        let key = (self.pods, lane);
        self.next.push(Reverse((head, self.walkers.len())));
        self.walkers.push(Walker {
            lane,
            entries: &entered.entries,
            passed: 0,
            known: self.refused.stretches.get(&key),
            known_common: self.barred.stretches.get(&key),
            own: Run::default(),
            common: Run::default(),
        });
    }
}

impl Walker<'_> {
    /// The next claim, and when it came.
    fn entry(&self, pods: usize) -> Option<(u64, usize)> {
        let at = match pods {
            1 => self.passed,
            _ => self.entries.len().checked_sub(self.passed + 1)?,
        };
        self.entries.get(at).copied()
    }

    fn turn(&self, pods: usize) -> Option<Rank> {
        self.entry(pods).map(|(since, _)| rank(pods, since))
    }

    /// Steps over what is known to refuse, or asks the next claim.
    fn step<S: Seeker>(&mut self, pods: usize, order: &Order, seeker: &mut S) -> Option<(usize, S::Fit)> {
        let (since, claim) = self.entry(pods)?;
        if let Some(stretch) = self.known_common.and_then(|known| known.around(since)) {
            self.own.cover(stretch);
            self.common.cover(stretch);
            self.pass(pods, stretch);
            return None;
        }
        if let Some(stretch) = self.known.and_then(|known| known.around(since)) {
            self.own.cover(stretch);
            self.common.cut();
            self.pass(pods, stretch);
            return None;
        }
        self.passed += 1;
        let here = order.places[claim] == Place { pods, since, lane: self.lane };
        match if here { seeker.ask(claim) } else { Err(Misfit::Barred) } {
            Ok(fit) => return Some((claim, fit)),
            Err(Misfit::Barred) => {
                self.own.cover((since, since));
                self.common.cover((since, since));
            }
            Err(Misfit::Never) => {
                self.own.cover((since, since));
                self.common.cut();
            }
            Err(Misfit::NotNow | Misfit::Reserved) => {
                self.own.cut();
                self.common.cut();
            }
        }
        None
    }

    /// Goes on behind a stretch.
    fn pass(&mut self, pods: usize, (first, last): (u64, u64)) {
        self.passed = match pods {
            1 => self.entries.partition_point(|&(since, _)| since <= last),
            _ => self.entries.len() - self.entries.partition_point(|&(since, _)| since < first),
        };
    }
}

impl Refused {
    fn learn(&mut self, key: (usize, usize), run: Run) {
        let found = run.stretches();
        if !found.is_empty() {
            let known = self.stretches.entry(key).or_default();
            found.into_iter().for_each(|stretch| known.add(stretch));
        }
    }
}
