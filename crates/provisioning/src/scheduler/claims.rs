//! Placing a pod on a claim of this plan, or on a new one.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/scheduler.go`
//! (`addToInflightNode`, `addToNewNodeClaim`).

use cluster::{Name, PodId};

use super::Scheduler;
use super::memory::Barred;
use super::order::{Key, Seeker};
use super::queue::Waiting;
use crate::bits::Bits;
use crate::claim::{Bench, Fit, Misfit, OpenClaim};
use crate::class::ClassId;
use crate::prospects::Study;

impl Scheduler<'_> {
    pub(super) fn add_to_open_claim(&mut self, waiting: &Waiting, id: ClassId) -> bool {
        let class = self.classes.get(id);
        let memory = &mut self.memory[id.0 as usize];
        let mut bench = Bench {
            study: Study {
                id,
                class,
                sets: &mut self.sets,
                types: &mut self.types,
                topology: &self.topology,
            },
            prospects: &mut memory.prospects,
            templates: &self.templates,
            reservations: &self.reservations,
            lower_min_values: false,
        };
        let rules = self.topology.host_rules(id);
        self.barred.resize_with(self.barred.len().max(rules + 1), Barred::default);
        let barred = &mut self.barred[rules];
        let mut applicant = Applicant {
            bench: &mut bench,
            claims: &self.claims,
            refused: &mut memory.claims,
            barred: &mut barred.claims,
        };
        let found = self.order.first(&mut memory.refused, &mut barred.refused, &mut applicant);
        let Some((index, fit)) = found else { return false };
        let claim = &mut self.claims[index];
        self.reservations.exchange(claim.host, &claim.reserved, &fit.reserved);
        claim.add(waiting.pod, class, fit, &self.templates[claim.template]);
        let key = (claim.template, claim.set);
        self.record_claim(index, id);
        self.order.advance(index, key);
        true
    }

    pub(super) fn add_to_new_claim(&mut self, waiting: &Waiting, id: ClassId) -> Result<(), Misfit> {
        for template in 0..self.templates.len() {
            let Some(types) = self.limits[template].types().cloned() else { continue };
            if !self.may_begin(template, id) {
                continue;
            }
            let led =
                self.favoured.get(template).and_then(|favoured| favoured.get(&id)).map(|few| types.and(few));
            let claim = led.and_then(|few| self.new_claim(template, few, waiting.pod, id).ok());
            let claim = match claim.map_or_else(|| self.new_claim(template, types, waiting.pod, id), Ok) {
                Ok(claim) => claim,
                // Pools of less weight are no way around reserved capacity that is taken for now.
                Err(Misfit::Reserved) => return Err(Misfit::Reserved),
                Err(Misfit::Never | Misfit::Barred | Misfit::NotNow) => continue,
            };
            self.reservations.exchange(claim.host, &[], &claim.reserved);
            self.limits[template].take(&claim.alive, &self.templates[template]);
            let host = self.topology.add_host(claim.hostname.clone());
            debug_assert_eq!(host, claim.host);
            let key = (claim.template, claim.set);
            self.claims.push(claim);
            self.record_claim(self.claims.len() - 1, id);
            self.order.enter(key);
            return Ok(());
        }
        Err(Misfit::NotNow)
    }

    /// Whether any claim of a template could be begun for a class, whatever room it has.
    fn may_begin(&mut self, template: usize, id: ClassId) -> bool {
        let class = self.classes.get(id);
        let set = self.template_sets[template];
        let (sets, types, topology) = (&mut self.sets, &mut self.types, &self.topology);
        let mut study = Study { id, class, sets, types, topology };
        let prospects = &mut self.memory[id.0 as usize].prospects;
        !class.volumes.is_empty()
            || prospects.of_claim(&mut study, template, &self.templates[template], set).is_ok()
    }

    fn new_claim(
        &mut self,
        template: usize,
        types: Bits,
        pod: PodId,
        id: ClassId,
    ) -> Result<OpenClaim, Misfit> {
        let mut claim = self.blank(template, types);
        let class = self.classes.get(id);
        let mut bench = Bench {
            study: Study {
                id,
                class,
                sets: &mut self.sets,
                types: &mut self.types,
                topology: &self.topology,
            },
            prospects: &mut self.memory[id.0 as usize].prospects,
            templates: &self.templates,
            reservations: &self.reservations,
            lower_min_values: self.input.cluster.declared.karpenter.min_values_best_effort,
        };
        let fit = bench.fit(&claim)?;
        claim.add(pod, class, fit, &self.templates[template]);
        Ok(claim)
    }

    /// An empty claim, on the next host.
    fn blank(&mut self, template: usize, types: Bits) -> OpenClaim {
        let (pool, set) = (&self.templates[template], self.template_sets[template]);
        let host = self.nodes.len() + self.claims.len();
        self.blanks.resize(self.templates.len(), None);
        let known = self.blanks[template].take().filter(|(of, _)| *of == types);
        let (types, mut claim) = known.unwrap_or_else(|| {
            let claim = OpenClaim::new(template, pool, set, types.clone());
            (types, claim)
        });
        claim.host = host;
        claim.hostname = Name::from(format!("hostname-placeholder-{host:04}"));
        self.blanks[template] = Some((types, claim.clone()));
        claim
    }

    fn record_claim(&mut self, index: usize, id: ClassId) {
        let claim = &self.claims[index];
        let place = claim.place(&self.templates[claim.template]);
        self.topology.record(id, &place, self.sets.get(claim.set));
    }

    /// The host index that the next claim would have.
    pub(crate) fn next_host(&self) -> usize {
        self.nodes.len() + self.claims.len()
    }
}

/// A pod of a class on its way through the claims.
struct Applicant<'a, 'b> {
    bench: &'a mut Bench<'b>,
    claims: &'a [OpenClaim],
    /// Claims that refused the class for good.
    refused: &'a mut Bits,
    /// Claims that refused every class with its rules on the host name for good.
    barred: &'a mut Bits,
}

impl Seeker for Applicant<'_, '_> {
    type Fit = Fit;

    fn may_join(&mut self, key: Key) -> bool {
        self.bench.may_join(key)
    }

    fn ask(&mut self, claim: usize) -> Result<Fit, Misfit> {
        if self.barred.has(claim) {
            return Err(Misfit::Barred);
        }
        if self.refused.has(claim) {
            return Err(Misfit::Never);
        }
        let fit = self.bench.fit(&self.claims[claim]);
        match fit {
            Err(Misfit::Barred) => self.barred.insert(claim),
            Err(Misfit::Never) => self.refused.insert(claim),
            _ => {}
        }
        fit
    }
}
