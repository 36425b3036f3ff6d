//! The claims of a plan by number of pods, fewest first, and how far each class has got through them.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/scheduler.go` (`addToInflightNode`
//! sorts by number of pods). Claims only ever move to a level further back, so what a class has been refused for good
//! by is a stretch of each level, and is stepped over. Why a claim refuses is not known here.

use std::collections::BTreeMap;

use crate::claim::Misfit;

/// Claims with their numbers of pods.
///
/// Among claims with one pod the oldest comes first; among those with more, the one that came to that number last.
#[derive(Debug, Default)]
pub(super) struct Order {
    levels: BTreeMap<usize, Level>,
    /// By claim: how many pods it has, and since when.
    places: Vec<(usize, u64)>,
    now: u64,
}

/// Claims with equally many pods.
#[derive(Debug, Default)]
struct Level {
    /// When they came, and which; some have left since.
    entries: Vec<(u64, usize)>,
    left: usize,
}

/// By number of pods: all claims that came to it by then have refused a class for good.
#[derive(Debug, Default)]
pub(super) struct Refused {
    until: BTreeMap<usize, u64>,
}

impl Order {
    /// A new claim with its first pod; claims come in the order of their indexes.
    pub(super) fn enter(&mut self) {
        let claim = self.places.len();
        self.places.push((0, 0));
        self.place(claim, 1);
    }

    /// A claim has one pod more.
    pub(super) fn advance(&mut self, claim: usize) {
        let (pods, _) = self.places[claim];
        if let Some(level) = self.levels.get_mut(&pods) {
            level.left += 1;
            if level.left == level.entries.len() {
                self.levels.remove(&pods);
            } else if level.left * 2 > level.entries.len() {
                self.places[claim] = (0, 0);
                let places = &self.places;
                level.entries.retain(|&(since, claim)| places[claim] == (pods, since));
                level.left = 0;
            }
        }
        self.place(claim, pods + 1);
    }

    fn place(&mut self, claim: usize, pods: usize) {
        self.now += 1;
        self.places[claim] = (pods, self.now);
        self.levels.entry(pods).or_default().entries.push((self.now, claim));
    }

    /// The first claim that takes a pod of a class; `ask` says why one does not.
    pub(super) fn first<T>(
        &self,
        refused: &mut Refused,
        mut ask: impl FnMut(usize) -> Result<T, Misfit>,
    ) -> Option<(usize, T)> {
        for (&pods, level) in &self.levels {
            let until = refused.until.get(&pods).copied().unwrap_or(0);
            let start = level.entries.partition_point(|&(since, _)| since <= until);
            let Some(&(latest, _)) = level.entries.get(start..).and_then(<[_]>::last) else { continue };
            let (mut all_refused, mut reached) = (true, until);
            for step in start..level.entries.len() {
                let at = if pods == 1 { step } else { level.entries.len() - 1 - (step - start) };
                let (since, claim) = level.entries[at];
                let asked = if self.places[claim] == (pods, since) { ask(claim) } else { Err(Misfit::Never) };
                match asked {
                    Ok(fit) => {
                        refused.reach(pods, reached);
                        return Some((claim, fit));
                    }
                    Err(Misfit::Never) if all_refused && pods == 1 => reached = since,
                    Err(Misfit::Never) => {}
                    Err(Misfit::NotNow | Misfit::Reserved) => all_refused = false,
                }
            }
            refused.reach(pods, if all_refused { latest } else { reached });
        }
        None
    }
}

impl Refused {
    fn reach(&mut self, pods: usize, since: u64) {
        if since > 0 {
            self.until.insert(pods, since);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Claims in the order in which they are asked, none of which takes anything.
    fn asked(order: &Order, refused: &mut Refused, misfit: impl Fn(usize) -> Misfit) -> Vec<usize> {
        let mut asked = Vec::new();
        order.first::<()>(refused, |claim| {
            asked.push(claim);
            Err(misfit(claim))
        });
        asked
    }

    #[test]
    fn what_refused_for_good_is_not_asked_again() {
        let mut order = Order::default();
        (0..4).for_each(|_| order.enter());
        order.advance(1);
        order.advance(2);
        let mut refused = Refused::default();
        let misfit = |claim| if claim == 3 { Misfit::NotNow } else { Misfit::Never };
        assert_eq!(asked(&order, &mut refused, misfit), [0, 3, 2, 1]);
        order.enter();
        order.advance(0);
        assert_eq!(asked(&order, &mut refused, misfit), [3, 4, 0]);
    }

    proptest! {
        /// As a list that is kept sorted by number of pods, each claim moving behind those that have fewer.
        #[test]
        fn as_a_sorted_list(steps in prop::collection::vec(prop::option::of(0usize..40), 1..120)) {
            let mut order = Order::default();
            let (mut list, mut pods): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
            for step in steps {
                match step.filter(|claim| *claim < pods.len()) {
                    None => {
                        order.enter();
                        let at = list.partition_point(|&claim: &usize| pods[claim] <= 1);
                        list.insert(at, pods.len());
                        pods.push(1);
                    }
                    Some(claim) => {
                        order.advance(claim);
                        list.retain(|other| *other != claim);
                        pods[claim] += 1;
                        let at = list.partition_point(|&other| pods[other] < pods[claim]);
                        list.insert(at, claim);
                    }
                }
                prop_assert_eq!(asked(&order, &mut Refused::default(), |_| Misfit::NotNow), list.clone());
            }
        }
    }
}
