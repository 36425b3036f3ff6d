//! Types that new claims are led to, where the plan is plimsoll's own. What is cheap for whom is
//! [`crate::plimsoll::guide`]'s; nothing here places a pod.

use std::collections::BTreeMap;

use cluster::Resources;
use cluster::requirements::Undefined;

use super::Scheduler;
use crate::bits::Bits;
use crate::claim::OpenClaim;
use crate::class::ClassId;
use crate::input::Input;
use crate::plimsoll::guide::{self, Margin, Ware};

impl<'a> Scheduler<'a> {
    /// A plan whose new claims are led to types that are cheap for the pods.
    pub(crate) fn guided(input: &'a Input<'a>, margin: Option<Margin>) -> Scheduler<'a> {
        let mut scheduler = Scheduler::new(input);
        if let Some(margin) = margin {
            scheduler.favoured = (0..scheduler.templates.len())
                .map(|template| scheduler.favoured_of(template, margin))
                .collect();
        }
        scheduler
    }

    /// By class, the favoured types of a template. Classes that can use the same types are weighed together.
    fn favoured_of(&mut self, template: usize, margin: Margin) -> BTreeMap<ClassId, Bits> {
        let mut demands: Vec<(Bits, Resources, Vec<ClassId>)> = Vec::new();
        for waiting in &self.requests {
            let class = self.classes.get(waiting.class);
            if let Some(known) = demands.iter_mut().find(|(_, _, classes)| classes.contains(&waiting.class)) {
                known.1.add(&class.constraints.requests);
                continue;
            }
            let narrowed =
                self.sets.narrow(self.template_sets[template], class.wanted, Undefined::WellKnownAllowed);
            let Ok(set) = narrowed else { continue };
            let pool = &self.templates[template];
            let types = self.types.of(template, pool, set, &self.sets).and(&pool.holds_daemons);
            match demands.iter_mut().find(|(known, _, _)| *known == types) {
                Some((_, demand, classes)) => {
                    demand.add(&class.constraints.requests);
                    classes.push(waiting.class);
                }
                None => demands.push((types, class.constraints.requests.clone(), vec![waiting.class])),
            }
        }
        let pool = &self.templates[template];
        let mut favoured = BTreeMap::new();
        for (types, demand, classes) in demands {
            let ware = |index: usize| {
                let price_micro_usd = pool.types[index].cheapest_micro_usd(&pool.requirements)?;
                Some(Ware { index, room: &pool.room[index], price_micro_usd })
            };
            let wares: Vec<Ware<'_>> = types.iter().filter_map(ware).collect();
            let types = guide::favoured(&wares, &demand, margin);
            favoured.extend(classes.into_iter().map(|class| (class, types.clone())));
        }
        favoured
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
