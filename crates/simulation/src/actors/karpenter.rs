//! Karpenter in a simulated cluster: a controller in a pod, and EC2 as it sees it.
//!
//! What the controller decides, and when, is [`autoscaler::Autoscaler`]. Here is what a pod adds to that: it acts only
//! while one of its pods is Ready (the leader), what it had in memory is lost with the leader, and without name
//! resolution or EC2 its calls fail. [`cloud`] answers the calls, whether or not the controller still runs.

mod cloud;
#[cfg(test)]
mod tests;

use autoscaler::{Autoscaler, Shop};
use cluster::change::DeletionCause;
use cluster::change::NodePatch;
use cluster::pod::Stage;
use cluster::role::Program;
use cluster::{Change, Cluster, NodeId, PodId, Timestamp, WorkloadId};
use provisioning::existing::UNREGISTERED;
use provisioning::market::Shelf;

use self::cloud::Cloud;
use crate::Provisioner;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};
use crate::needs;

/// The controller.
#[derive(Debug, Default)]
pub struct Karpenter {
    mind: Autoscaler,
    cloud: Cloud,
    leader: Option<(WorkloadId, PodId)>,
    /// It cannot reach EC2: what it lacks was noted.
    blocked: bool,
    news: News,
}

/// What has happened since the last look, as far as something expensive depends on it.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    /// A Karpenter pod started, stopped or goes.
    leader: bool,
    /// Name resolution or an AWS service may have come or gone.
    needs: bool,
}

impl Karpenter {
    /// `seed` decides what EC2 leaves to chance; `shelf` has what pools can buy as far as it is known already.
    pub fn new(seed: u64, shelf: Shelf, provisioner: Provisioner) -> Karpenter {
        let mind = Autoscaler::new(Shop::Ec2(shelf), provisioner, cluster::Name::default());
        Karpenter { mind, cloud: Cloud::new(seed), ..Karpenter::default() }
    }
}

impl Actor for Karpenter {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        self.cloud.observe(change);
        self.mind.observe(change, context);
        self.hear(change, context.cluster);
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        let overlaid = cluster.declared.karpenter.node_overlay && self.cloud.next_answer().is_some();
        let market = overlaid.then(|| self.mind.market(context)).flatten();
        self.cloud.answer(context, market, effects);
        let news = std::mem::take(&mut self.news);
        if !(self.mind.has_news(cluster.now) || news.leader || news.needs) {
            return;
        }
        if news.leader || self.leader.is_none() && news.needs {
            self.find_leader(cluster);
        }
        let Some((workload, pod)) = self.leader else { return };
        if news.leader || news.needs {
            self.check_needs(cluster, workload, pod, effects);
        }
        let mut wanted = Vec::new();
        self.mind.decide(context, &mut wanted);
        wanted.into_iter().for_each(|effect| self.perform(cluster, effect, effects));
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let acts = self.leader.and_then(|_| self.mind.wake_at());
        acts.into_iter().chain(self.cloud.next_answer()).min()
    }

    fn background_wake_at(&self) -> Option<Timestamp> {
        self.leader.and_then(|_| self.mind.background_wake_at())
    }
}

impl Karpenter {
    /// Notes what decides who leads, and whether the leader's calls get through.
    fn hear(&mut self, change: &Change, cluster: &Cluster) {
        match change {
            Change::PodStage(pod, _) | Change::PodGone(pod) | Change::PodDeleting { pod, .. } => {
                let template = &cluster.pod(*pod).template;
                self.news.leader |= template.role.program == Program::Karpenter;
                let resolves = template.role.program == Program::ClusterDns
                    || template.containers.iter().any(|container| container.image.contains("dns"));
                self.news.needs |= resolves;
            }
            Change::Fault(..) => self.news.needs = true,
            _ => {}
        }
    }

    /// The first Ready pod leads. A new leader knows nothing of what the old one had in mind.
    fn find_leader(&mut self, cluster: &Cluster) {
        let leads = |pod: &cluster::Pod| {
            pod.template.role.program == Program::Karpenter
                && pod.stage == Stage::Ready
                && pod.deleted.is_none()
        };
        if self.leader.is_some_and(|(_, pod)| leads(cluster.pod(pod))) {
            return;
        }
        let next = cluster.pods.iter().find(|pod| leads(pod));
        self.leader = next.and_then(|pod| Some((pod.workload?, pod.id)));
        if self.leader.is_some() {
            self.mind.lead(cluster);
            self.cloud.forget();
        }
    }

    /// Notes what keeps the controller from calling EC2, if anything does.
    fn check_needs(&mut self, cluster: &Cluster, workload: WorkloadId, pod: PodId, effects: &mut Effects) {
        let missing = needs::missing_need(cluster, pod);
        let reaches_ec2 = missing.is_none();
        if missing.is_some() && cluster.blocked.get(&workload).map(|(_, needs)| needs) != missing.as_ref() {
            effects.now(Effect::Block(workload, missing));
        } else if reaches_ec2 && (self.blocked || cluster.blocked.contains_key(&workload)) {
            effects.now(Effect::Block(workload, None));
        }
        self.blocked = !reaches_ec2;
        self.mind.reach_cloud(reaches_ec2);
    }

    /// What the controller wants, as the world's effects; its calls to EC2 go there.
    fn perform(&mut self, cluster: &Cluster, wanted: autoscaler::Effect, effects: &mut Effects) {
        use autoscaler::Effect as Wanted;
        effects.now(match wanted {
            Wanted::Launch(claim, subnet) => return self.cloud.launch(cluster, claim, subnet),
            Wanted::Terminate(claim) => return self.cloud.terminate(cluster, claim),
            Wanted::Register(node) => return register(cluster, node, effects),
            Wanted::CreateClaim(new) => Effect::CreateClaim(new),
            Wanted::InitializeClaim(claim) => Effect::InitializeClaim(claim),
            Wanted::DriftClaim(claim, why) => Effect::DriftClaim(claim, why),
            Wanted::DeleteClaim(claim, why) => Effect::DeleteClaim(claim, why),
            Wanted::ReleaseClaim(claim) => Effect::ClaimGone(claim),
            Wanted::PatchNode(node, patch) => Effect::PatchNode(node, patch),
            Wanted::DeleteNode(node) => Effect::DeleteNode(node),
            Wanted::ReleaseNode(node) => Effect::NodeGone(node),
            Wanted::Evict(pod) | Wanted::DeletePod(pod) => Effect::DeletePod(pod, DeletionCause::Drained),
            // There are no statuses here.
            Wanted::TendPool(_) | Wanted::TendClaim(_) => return,
            Wanted::RefusePod(pod, reasons) => Effect::RefusePod(pod, reasons),
            Wanted::ExpectPod(pod, place) => Effect::ExpectPod(pod, place),
        });
    }
}

/// A claim's node joins with its claim's labels already; the taint that keeps pods off goes.
fn register(cluster: &Cluster, node: NodeId, effects: &mut Effects) {
    let taints = &cluster.node(node).taints;
    let off = NodePatch::without(taints.iter().filter(|taint| taint.key == UNREGISTERED));
    let labels = [("karpenter.sh/registered".into(), "true".into())].into();
    effects.now(Effect::PatchNode(node, Box::new(NodePatch { labels, ..off })));
}
