//! Types that new claims are led to, where the plan is plimsoll's own. What is cheap for whom is
//! [`crate::plimsoll::guide`]'s; nothing here places a pod.

use std::collections::{BTreeMap, HashMap};

use cluster::Resources;
use cluster::requirements::Undefined;

use super::Scheduler;
use crate::bits::Bits;
use crate::claim::OpenClaim;
use crate::class::ClassId;
use crate::input::Input;
use crate::plimsoll::guide::{self, Guide, Ware};
use crate::survey::Survey;

/// What some classes ask for.
struct Demand {
    /// Types that they can use.
    types: Bits,
    /// What a pod of the first class asks for; of all, when sizes are told apart.
    each: Resources,
    sum: Resources,
    pods: i64,
    classes: Vec<ClassId>,
}

impl Demand {
    fn add(&mut self, each: &Resources) {
        self.sum.add(each);
        self.pods = self.pods.saturating_add(1);
    }
}

impl<'a> Scheduler<'a> {
    /// A plan whose new claims are led to types that are cheap for the pods.
    pub(crate) fn guided(input: &'a Input<'a>, survey: &Survey<'a>, guide: Option<Guide>) -> Scheduler<'a> {
        let mut scheduler = Scheduler::new(input, survey);
        if let Some(guide) = guide {
            scheduler.favoured = (0..scheduler.templates.len())
                .map(|template| scheduler.favoured_of(template, guide))
                .collect();
        }
        scheduler
    }

    /// By class, the favoured types of a template.
    fn favoured_of(&mut self, template: usize, guide: Guide) -> BTreeMap<ClassId, Bits> {
        let demands = self.demands(template, !matches!(guide, Guide::Together(_)));
        let pool = &self.templates[template];
        let mut favoured = BTreeMap::new();
        for demand in demands {
            let ware = |index: usize| {
                let price_micro_usd = pool.types[index].cheapest_micro_usd(&pool.requirements)?;
                Some(Ware { index, room: &pool.room[index], price_micro_usd })
            };
            let wares: Vec<Ware<'_>> = demand.types.iter().filter_map(ware).collect();
            let types = match guide {
                Guide::Together(margin) => guide::favoured(&wares, &demand.sum, margin),
                Guide::Alike(margin) => guide::favoured_alike(&wares, &demand.each, i64::MAX, margin),
                Guide::AsMany(margin) => guide::favoured_alike(&wares, &demand.each, demand.pods, margin),
            };
            favoured.extend(demand.classes.into_iter().map(|class| (class, types.clone())));
        }
        favoured
    }

    /// What classes ask for of a template, those together that can use the same types, and of these only those that
    /// ask for the same when sizes are told apart.
    fn demands(&mut self, template: usize, by_size: bool) -> Vec<Demand> {
        let mut demands: Vec<Demand> = Vec::new();
        let mut index: HashMap<(Bits, Option<Resources>), usize> = HashMap::new();
        let mut known: BTreeMap<ClassId, Option<usize>> = BTreeMap::new();
        for waiting in &self.requests {
            let class = self.classes.get(waiting.class);
            let each = &class.constraints.requests;
            if let Some(known) = known.get(&waiting.class) {
                let demand = known.and_then(|at| demands.get_mut(at));
                demand.into_iter().for_each(|demand| demand.add(each));
                continue;
            }
            known.insert(waiting.class, None);
            let narrowed =
                self.sets.narrow(self.template_sets[template], class.wanted, Undefined::WellKnownAllowed);
            let Ok(set) = narrowed else { continue };
            let pool = &self.templates[template];
            let types = self.types.of(template, pool, set, &self.sets).and(&pool.holds_daemons);
            if pool.rooms.holding(each, &types).is_empty() {
                // It will have no node, so it may not say which ones are worth buying.
                continue;
            }
            let next = demands.len();
            let at = *index.entry((types.clone(), by_size.then(|| each.clone()))).or_insert(next);
            if at == next {
                let each = each.clone();
                demands.push(Demand { types, each, sum: Resources::ZERO, pods: 0, classes: Vec::new() });
            }
            demands[at].add(each);
            demands[at].classes.push(waiting.class);
            known.insert(waiting.class, Some(at));
        }
        demands
    }

    /// The types that a claim may become: when it was led to some, all that hold it.
    pub(crate) fn possible_types(&mut self, claim: &OpenClaim) -> Bits {
        let pool = &self.templates[claim.template];
        let led = !self.favoured.is_empty() && self.limits[claim.template].left().is_empty();
        if !led || !claim.ports.is_empty() {
            return claim.alive.clone();
        }
        let compatible = self.types.of(claim.template, pool, claim.set, &self.sets);
        pool.rooms.holding(&claim.requests, &compatible.and(&pool.holds_daemons))
    }
}
