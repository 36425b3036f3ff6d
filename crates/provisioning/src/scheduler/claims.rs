//! Placing a pod on a claim of this plan, or on a new one.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/scheduler.go`
//! (`addToInflightNode`, `addToNewNodeClaim`).

use cluster::PodId;

use super::Scheduler;
use super::queue::Waiting;
use crate::bits::Bits;
use crate::claim::{Bench, Misfit, OpenClaim};
use crate::class::ClassId;
use crate::topology::Place;

impl Scheduler<'_> {
    pub(super) fn add_to_open_claim(&mut self, waiting: &Waiting, id: ClassId) -> bool {
        for position in 0..self.order.len() {
            let index = self.order[position];
            if self.dead[id.0 as usize].1.has(index) {
                continue;
            }
            let class = self.classes.get(id);
            let mut bench = Bench {
                templates: &self.templates,
                sets: &mut self.sets,
                types: &mut self.types,
                topology: &self.topology,
                reservations: &self.reservations,
                lower_min_values: false,
            };
            match bench.fit(&self.claims[index], id, class) {
                Ok(fit) => {
                    let claim = &mut self.claims[index];
                    self.reservations.exchange(claim.host, &claim.reserved, &fit.reserved);
                    claim.add(waiting.pod, class, fit, &self.templates[claim.template]);
                    self.record_claim(index, id);
                    self.reorder(position);
                    return true;
                }
                Err(Misfit::Never) => self.dead[id.0 as usize].1.insert(index),
                Err(Misfit::NotNow | Misfit::Reserved) => {}
            }
        }
        false
    }

    pub(super) fn add_to_new_claim(&mut self, waiting: &Waiting, id: ClassId) -> Result<(), Misfit> {
        for template in 0..self.templates.len() {
            let Some(types) = self.types_under_limits(template) else { continue };
            let led =
                self.favoured.get(template).and_then(|favoured| favoured.get(&id)).map(|few| types.and(few));
            let claim = led.and_then(|few| self.new_claim(template, few, waiting.pod, id).ok());
            let claim = match claim.map_or_else(|| self.new_claim(template, types, waiting.pod, id), Ok) {
                Ok(claim) => claim,
                // Pools of less weight are no way around reserved capacity that is taken for now.
                Err(Misfit::Reserved) => return Err(Misfit::Reserved),
                Err(Misfit::Never | Misfit::NotNow) => continue,
            };
            self.reservations.exchange(claim.host, &[], &claim.reserved);
            let pool = &self.templates[template];
            for (name, left) in &mut self.remaining[template] {
                let most = claim.alive.iter().map(|index| pool.types[index].capacity.get(name)).max();
                *left = left.saturating_sub(most.unwrap_or(0));
            }
            let host = self.topology.add_host(claim.hostname.clone());
            debug_assert_eq!(host, claim.host);
            self.claims.push(claim);
            let index = self.claims.len() - 1;
            self.record_claim(index, id);
            let at = self.order.partition_point(|&other| self.claims[other].pods.len() <= 1);
            self.order.insert(at, index);
            return Ok(());
        }
        Err(Misfit::NotNow)
    }

    fn new_claim(
        &mut self,
        template: usize,
        types: Bits,
        pod: PodId,
        id: ClassId,
    ) -> Result<OpenClaim, Misfit> {
        let pool = &self.templates[template];
        let host = self.nodes.len() + self.claims.len();
        let mut claim = OpenClaim::new(template, pool, self.template_sets[template], types, host);
        let class = self.classes.get(id);
        let mut bench = Bench {
            templates: &self.templates,
            sets: &mut self.sets,
            types: &mut self.types,
            topology: &self.topology,
            reservations: &self.reservations,
            lower_min_values: self.input.cluster.declared.karpenter.min_values_best_effort,
        };
        let fit = bench.fit(&claim, id, class)?;
        claim.add(pod, class, fit, pool);
        Ok(claim)
    }

    fn record_claim(&mut self, index: usize, id: ClassId) {
        let claim = &self.claims[index];
        let taints = &self.templates[claim.template].taints;
        let place = Place { host: claim.host, hostname: &claim.hostname, taints };
        self.topology.record(id, &place, self.sets.get(claim.set));
    }

    /// The claim at `position` has one pod more: it moves behind those that have as few as it had.
    fn reorder(&mut self, position: usize) {
        let pods = self.claims[self.order[position]].pods.len();
        let rest = &self.order[position + 1..];
        let fewer = rest.partition_point(|&other| self.claims[other].pods.len() < pods);
        self.order[position..=position + fewer].rotate_left(1);
    }

    /// The host index that the next claim would have.
    pub(crate) fn next_host(&self) -> usize {
        self.nodes.len() + self.claims.len()
    }
}
