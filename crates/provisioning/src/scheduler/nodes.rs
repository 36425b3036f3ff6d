//! Placing a pod on a node that is there, or on a claim on its way.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/existingnode.go`.

use std::sync::Arc;

use cluster::requirements::Undefined;

use super::Scheduler;
use super::queue::Waiting;
use crate::claim::Misfit;
use crate::class::{Class, ClassId};
use crate::daemons::all_tolerated;
use crate::existing::View;
use crate::input::Purpose;
use crate::ports;
use crate::sets::{SetId, Sets, hostname_agrees};
use crate::topology::{Place, Topology};
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
        for index in 0..self.nodes.len() {
            if self.dead[id.0 as usize].0.has(index) || self.nodes[index].settling && !movable {
                continue;
            }
            match self.fits_node(index, id, &waiting.attached) {
                Ok(set) => {
                    self.settle_on_node(index, waiting, id, set);
                    return true;
                }
                Err(Misfit::Never) => self.dead[id.0 as usize].0.insert(index),
                Err(Misfit::NotNow | Misfit::Reserved) => {}
            }
        }
        false
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
        let base = self.sets.narrow(node.set, class.wanted, Undefined::Denied)?;
        let place = Place { host: index, hostname: &node.hostname, taints: &node.taints };
        if class.volumes.is_empty() {
            return narrowed_by_topology(&mut self.sets, &self.topology, id, class, &place, base);
        }
        let mut worst = Misfit::Never;
        for (volume, host) in &class.volumes {
            if !hostname_agrees(host.as_ref(), &node.hostname) {
                continue;
            }
            let set = self.sets.narrow(base, *volume, Undefined::Denied);
            let fit = set
                .map_err(Misfit::from)
                .and_then(|set| narrowed_by_topology(&mut self.sets, &self.topology, id, class, &place, set));
            match fit {
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

fn narrowed_by_topology(
    sets: &mut Sets,
    topology: &Topology,
    id: ClassId,
    class: &Class,
    place: &Place<'_>,
    set: SetId,
) -> Result<SetId, Misfit> {
    if !topology.binds(id) {
        return Ok(set);
    }
    let narrowing = topology
        .narrowing(id, class, place, sets.get(set))
        .map_err(|refused| if refused.final_for_place { Misfit::Never } else { Misfit::NotNow })?;
    if narrowing.is_empty() {
        return Ok(set);
    }
    let narrowing = sets.intern(narrowing);
    sets.narrow(set, narrowing, Undefined::Denied).map_err(|_| Misfit::NotNow)
}
