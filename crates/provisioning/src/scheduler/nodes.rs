//! Placing a pod on a node that is there, or on a claim on its way.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/existingnode.go`.

use std::sync::Arc;

use cluster::requirements::Undefined;

use super::Scheduler;
use super::queue::Waiting;
use crate::claim::Misfit;
use crate::class::ClassId;
use crate::daemons::all_tolerated;
use crate::existing::View;
use crate::input::Purpose;
use crate::ports;
use crate::prospects::Study;
use crate::sets::{SetId, hostname_agrees};
use crate::topology::Place;
use crate::volumes::{self, Attached};

impl Scheduler<'_> {
    pub(super) fn add_to_node(&mut self, waiting: &Waiting, id: ClassId) -> bool {
        let movable = self.input.purpose == Purpose::Provisioning || {
            let pod = self.input.cluster.pod(waiting.pod);
            let leaving = |node: cluster::NodeId| {
                View::of_node(self.input.cluster, self.input.cluster.node(node)).is_leaving()
            };
            pod.stage == cluster::pod::Stage::Pending || pod.node.is_none_or(leaving)
        };
        let mut next = 0;
        loop {
            let index = self.memory[id.0 as usize].nodes.next_absent(next);
            next = index + 1;
            let Some(node) = self.nodes.get(index) else { return false };
            if node.settling && !movable {
                continue;
            }
            match self.fits_node(index, id, &waiting.attached) {
                Ok(set) => {
                    self.settle_on_node(index, waiting, id, set);
                    return true;
                }
                Err(Misfit::Never) => self.memory[id.0 as usize].nodes.insert(index),
                Err(Misfit::NotNow | Misfit::Reserved) => {}
            }
        }
    }

    fn fits_node(&mut self, index: usize, id: ClassId, attached: &Attached) -> Result<SetId, Misfit> {
        let (node, class) = (&self.nodes[index], self.classes.get(id));
        let constraints = &class.constraints;
        if node.overdrawn
            || constraints.requests.exceeds(&node.room).is_some()
            || !all_tolerated(&node.taints, &constraints.tolerations)
            || !hostname_agrees(class.wanted_host.as_ref(), &node.hostname)
            || ports::any_taken(&constraints.host_ports, &node.ports)
        {
            return Err(Misfit::Never);
        }
        if volumes::over_limit(&node.attached, attached, &node.volume_limits) {
            // Depends on the pod's own claims, not on its class.
            return Err(Misfit::NotNow);
        }
        let place = Place { host: index, hostname: &node.hostname, taints: &node.taints };
        let (sets, types, topology) = (&mut self.sets, &mut self.types, &self.topology);
        let mut study = Study { id, class, sets, types, topology };
        if class.volumes.is_empty() {
            topology.check_host(id, class, &place)?;
            return self.memory[id.0 as usize].prospects.of_node(&mut study, node.set);
        }
        let base = study.sets.narrow(node.set, class.wanted, Undefined::Denied)?;
        let mut worst = Misfit::Never;
        for (volume, host) in &class.volumes {
            if !hostname_agrees(host.as_ref(), &node.hostname) {
                continue;
            }
            let set = study.sets.narrow(base, *volume, Undefined::Denied).map_err(Misfit::from);
            let allowed = topology.check_host(id, class, &place).map_err(Misfit::from);
            match set.and_then(|set| allowed.and_then(|()| study.node_in_domain(set))) {
                Ok(set) => return Ok(set),
                Err(Misfit::Never) => {}
                Err(misfit) => worst = misfit,
            }
        }
        Err(worst)
    }

    fn settle_on_node(&mut self, index: usize, waiting: &Waiting, id: ClassId, set: SetId) {
        let constraints = Arc::clone(&self.classes.get(id).constraints);
        let node = &mut self.nodes[index];
        node.room.subtract(&constraints.requests);
        node.set = set;
        node.ports.extend(constraints.host_ports.iter().cloned());
        for (driver, claims) in &waiting.attached {
            node.attached.entry(driver.clone()).or_default().extend(claims.iter().cloned());
        }
        self.placed.push((waiting.pod, node.id));
        let place = Place { host: index, hostname: &node.hostname, taints: &node.taints };
        self.topology.record(id, &place, self.sets.get(set));
    }
}
