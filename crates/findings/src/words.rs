//! How waits are said: one sentence for each, with its numbers.

use cluster::capability::Capability;
use cluster::change::Refusal;
use cluster::node_pool::NodePool;
use cluster::rejection::PoolReason;
use cluster::resources::format_amount;
use cluster::role::Program;
use cluster::waiting::{AddressShortage, AttachProblem, CrashCause, ImageProblem};
use cluster::{Location, NodeId, PodId, Timestamp, Waiting, WorkloadId};

use crate::chain::Link;
use crate::scene::Scene;
use crate::wait::{Party, Wait, Why};

/// One wait as a sentence.
pub(crate) fn wait(scene: &Scene<'_>, wait: &Wait) -> String {
    let who = party(scene, &wait.who);
    match &wait.why {
        Why::Pods(waiting) => format!("{}: {}", pods(scene, &wait.pods), pods_wait(scene, wait, waiting)),
        Why::Refused(refusal) => format!("the API server refuses pods of {who}: {}", refused(refusal)),
        Why::Pool(reason) => {
            let pool = pool_of(scene, &wait.on).map_or("", |pool| pool.name.as_str());
            format!("{}: NodePool {pool} cannot help: {}", pods(scene, &wait.pods), pool_reason(reason))
        }
        Why::NeedsNode => {
            format!("{who}: more come only with another node, and {} adds nodes", party(scene, &wait.on))
        }
        Why::ProviderNotRunning => format!("{who} is not there: {} is not running", party(scene, &wait.on)),
        Why::ProviderBlocked => format!("{who} runs and cannot act: it needs {}", party(scene, &wait.on)),
        Why::NoProvider => format!("{who}: nothing in the input provides it"),
        Why::EarlierWave => format!("{who} has not arrived: its wave waits for {}", party(scene, &wait.on)),
        Why::Unreachable => format!("{} cannot be reached", party(scene, &wait.on)),
        Why::Held => format!("{who}: running pods hold all of them, and none of them leaves"),
    }
}

/// A party in words.
pub(crate) fn party(scene: &Scene<'_>, party: &Party) -> String {
    match party {
        Party::Workload(id) => scene.cluster.declared.workload(*id).key.to_string(),
        Party::Object(key) => key.to_string(),
        Party::Room => "room for the pods".to_owned(),
        Party::Addresses(node) => format!("pod addresses on {}", node_name(scene, *node)),
        Party::Subnet(name) => format!("addresses in {name}"),
        Party::Network(node) => format!("the pod network of {}", node_name(scene, *node)),
        Party::Capability(Capability::Provisioning) => provisioner(scene),
        Party::Capability(capability) => capability.to_string(),
        Party::Pool(_) => {
            pool_of(scene, party).map_or_else(String::new, |pool| format!("NodePool {}", pool.name))
        }
        Party::Outside(name) => name.to_string(),
    }
}

fn provisioner(scene: &Scene<'_>) -> String {
    let programs = scene.cluster.declared.workloads.iter().map(|workload| workload.template.role.program);
    let known = programs.filter(|program| matches!(program, Program::Karpenter | Program::ClusterAutoscaler));
    known.min().map_or_else(|| "a provisioner".to_owned(), |program| program.to_string())
}

pub(crate) fn node_name<'a>(scene: &Scene<'a>, node: NodeId) -> &'a str {
    scene.cluster.node(node).name.as_str()
}

fn pool_of<'a>(scene: &Scene<'a>, party: &Party) -> Option<&'a NodePool> {
    match party {
        Party::Pool(index) => scene.cluster.declared.node_pools.get(*index as usize),
        _ => None,
    }
}

/// The first three names, then how many more.
pub(crate) fn pods(scene: &Scene<'_>, pods: &[PodId]) -> String {
    let names: Vec<String> =
        pods.iter().take(3).map(|pod| scene.cluster.pod_name(*pod).to_string()).collect();
    match pods.len().saturating_sub(3) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn pods_wait(scene: &Scene<'_>, wait: &Wait, waiting: &Waiting) -> String {
    match waiting {
        Waiting::Gated => "scheduling gates are set and nothing in the input removes them".to_owned(),
        Waiting::UnknownScheduler(name) => format!("no scheduler named {name} is in the input"),
        Waiting::Unschedulable(rejection) => rejection.message.clone(),
        Waiting::NodeMissing(name) => format!("bound to node {name}, which does not exist"),
        Waiting::NodeNotReady(node) => format!("{} is not Ready", node_name(scene, *node)),
        Waiting::CniNotReady => format!("ContainerCreating, {} is not ready", party(scene, &wait.on)),
        Waiting::NoAddress(shortage) => {
            format!("ContainerCreating, {}", address_shortage(scene, wait, shortage))
        }
        Waiting::VolumeUnbound { claim, waits_for: Some(capability) } => {
            format!("claim {claim} is not bound: it needs {capability}")
        }
        Waiting::VolumeUnbound { claim, waits_for: None } => {
            format!("claim {claim} is not bound, and no class provisions it")
        }
        Waiting::VolumeUnattached { claim, why } => {
            format!("the volume of claim {claim} {}", attach_problem(scene, *why))
        }
        Waiting::ObjectMissing(key) => format!("{key} does not exist"),
        Waiting::Image { image, why } => format!("image {image} {}", image_problem(*why)),
        Waiting::Crashing { restarts, why } => crash(*restarts, why),
        Waiting::NotReady(capability) => format!("running and not Ready: it needs {capability}"),
    }
}

pub(crate) fn address_shortage(scene: &Scene<'_>, wait: &Wait, shortage: &AddressShortage) -> String {
    match shortage {
        AddressShortage::NodeFull { capacity, own, assigned } => {
            let own = if *own == 0 { String::new() } else { format!("{own} taken by the CNI itself, ") };
            format!(
                "no address: {} has {capacity} addresses, {own}{assigned} by pods",
                party_node(scene, wait)
            )
        }
        AddressShortage::SubnetFull { subnet, code, free, free_prefixes } => {
            format!(
                "no address: {subnet} refused ({code}), {free} free addresses and {free_prefixes} free /28 in it"
            )
        }
        AddressShortage::Transient => "no address yet: they cool down or are on their way".to_owned(),
        AddressShortage::NoAllocator(capability) => {
            format!("no address: nobody allocates, {capability} is missing")
        }
        AddressShortage::NoBranchInterface => "no branch interface is free on the node".to_owned(),
    }
}

fn party_node<'a>(scene: &Scene<'a>, wait: &Wait) -> &'a str {
    match wait.on {
        Party::Addresses(node) => node_name(scene, node),
        _ => "the node",
    }
}

pub(crate) fn attach_problem(scene: &Scene<'_>, problem: AttachProblem) -> String {
    match problem {
        AttachProblem::LimitReached { limit } => {
            format!("is not attached: the node already has {limit}, its limit")
        }
        AttachProblem::HeldBy(node) => format!("is still attached to {}", node_name(scene, node)),
        AttachProblem::DriverNotRunning => {
            "is not attached: the driver's controller is not running".to_owned()
        }
        AttachProblem::NotRegistered => {
            "is not attached: the driver is not registered on the node".to_owned()
        }
        AttachProblem::WrongZone => "is in another zone than the node".to_owned(),
    }
}

pub(crate) fn image_problem(problem: ImageProblem) -> &'static str {
    match problem {
        ImageProblem::NotFound => "does not exist",
        ImageProblem::Unauthorized => "is refused by its registry: no valid credentials",
        ImageProblem::TokenExpired => "is refused by its registry: the token has run out",
        ImageProblem::NoPlatform => "has no build for the node's platform",
        ImageProblem::Unreachable => "cannot be reached",
    }
}

fn crash(restarts: u32, cause: &CrashCause) -> String {
    match cause {
        CrashCause::ExecFormat { built_for, node_arch } => {
            format!(
                "CrashLoopBackOff, exec format error: built for {}, the node is {node_arch}",
                built_for.join(", ")
            )
        }
        CrashCause::Needs(capability) => {
            format!("CrashLoopBackOff ({restarts} restarts), it needs {capability} to start")
        }
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Webhook { configuration, webhook, service: (namespace, name) } => {
            format!(
                "webhook {webhook} of {configuration} fails closed and Service {namespace}/{name} has no ready pod"
            )
        }
        Refusal::Quota { quota, resource, hard, used, wanted } => format!(
            "{quota} allows {resource} {}, {} used, {} wanted",
            format_amount(resource, *hard),
            format_amount(resource, *used),
            format_amount(resource, *wanted)
        ),
        Refusal::ServiceAccountMissing(key) => format!("{key} does not exist"),
        Refusal::PriorityClassMissing(name) => format!("PriorityClass {name} does not exist"),
        Refusal::NamespaceMissing(name) => format!("namespace {name} does not exist"),
    }
}

/// Why a pool cannot serve a pod.
pub(crate) fn pool_reason(reason: &PoolReason) -> String {
    match reason {
        PoolReason::NotReady { why } => format!("it is not ready: {why}"),
        PoolReason::Taint(taint) => format!("the pods do not tolerate its taint {}", taint.key),
        PoolReason::Requirement { key, wanted, offered } => {
            let offered = offered.as_ref().map_or_else(|| "does not have the label".to_owned(), values);
            format!("the pods need {key} {}, the pool {offered}", values(wanted))
        }
        PoolReason::Limit { resource, limit, used, wanted } => format!(
            "its limit {resource} {} is reached: {} used, the next node adds {}",
            format_amount(resource, *limit),
            format_amount(resource, *used),
            format_amount(resource, *wanted)
        ),
        PoolReason::TooLarge { resource, requested, largest } => format!(
            "no type is large enough: {resource} {} asked with the DaemonSets, the largest gives {}",
            format_amount(resource, *requested),
            format_amount(resource, *largest)
        ),
        PoolReason::FilledByDaemons { resource } => {
            format!("the DaemonSets alone fill its types ({resource})")
        }
        PoolReason::NoInstanceType => {
            "no instance type meets its requirements and the pods' together".to_owned()
        }
        PoolReason::NoOffering => {
            "its types have no capacity in the zones and capacity types allowed".to_owned()
        }
        PoolReason::Topology { key } => format!("no domain of {key} that it can make satisfies the pods"),
        PoolReason::MinValues { key } => format!("minValues of {key} cannot be met"),
        PoolReason::VolumeTopology => "the pods' volumes are where it cannot make nodes".to_owned(),
        PoolReason::NoAddresses { needed, free } => {
            format!("a node for them takes {needed} addresses and no subnet has more than {free} free")
        }
    }
}

fn values(requirement: &cluster::SelectorRequirement) -> String {
    let values = requirement.values.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(", ");
    match requirement.operator {
        cluster::SelectorOperator::In => format!("in [{values}]"),
        cluster::SelectorOperator::NotIn => format!("not in [{values}]"),
        cluster::SelectorOperator::Exists => "to exist".to_owned(),
        cluster::SelectorOperator::DoesNotExist => "not to exist".to_owned(),
        cluster::SelectorOperator::Gt => format!("> {values}"),
        cluster::SelectorOperator::Lt => format!("< {values}"),
        cluster::SelectorOperator::Gte => format!(">= {values}"),
        cluster::SelectorOperator::Lte => format!("<= {values}"),
    }
}

/// The field that decided a wait.
pub(crate) fn location(scene: &Scene<'_>, wait: &Wait) -> Option<Location> {
    let of_workload = |id: WorkloadId| scene.cluster.declared.workload(id);
    match (&wait.who, &wait.why) {
        (_, Why::Pool(reason)) => pool_of(scene, &wait.on).map(|pool| pool_location(pool, reason)),
        (_, Why::NeedsNode) => None,
        (
            Party::Workload(id),
            Why::Pods(Waiting::Crashing { why: CrashCause::Needs(Capability::ClusterDns), .. }),
        ) => Some(of_workload(*id).template.location.at("/spec/dnsPolicy")),
        (Party::Workload(id), _) => Some(of_workload(*id).location.clone()),
        (Party::Capability(_), Why::ProviderNotRunning | Why::ProviderBlocked) => match wait.on {
            Party::Workload(id) => Some(of_workload(id).location.clone()),
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn pool_location(pool: &NodePool, reason: &PoolReason) -> Location {
    match reason {
        PoolReason::Requirement { key, .. } => {
            let index = pool.requirements.iter().position(|requirement| requirement.key == *key);
            match index {
                Some(index) => pool.location.at(&format!("/spec/template/spec/requirements/{index}")),
                None => pool.location.at("/spec/template/spec/requirements"),
            }
        }
        PoolReason::Limit { resource, .. } => pool.location.at(&format!("/spec/limits/{resource}")),
        PoolReason::Taint(_) => pool.location.at("/spec/template/spec/taints"),
        PoolReason::NotReady { .. } => pool.location.at("/spec/template/spec/nodeClassRef"),
        _ => pool.location.at("/spec/template/spec/requirements"),
    }
}

/// The last address that a node gave before it had none left.
pub(crate) fn last_address(scene: &Scene<'_>, node: NodeId, pod: PodId, at: Timestamp) -> Link {
    let text =
        format!("the last pod address on {} goes to {}", node_name(scene, node), scene.cluster.pod_name(pod));
    Link { at, text, location: Some(scene.cluster.node(node).location.clone()) }
}

/// Who holds the addresses of a subnet: the largest holders first, the hoarder told apart from the victim.
pub(crate) fn holders(scene: &Scene<'_>, subnet: cluster::network::SubnetId) -> Vec<String> {
    let mut holders: Vec<(u32, u32, NodeId)> = Vec::new();
    for node in scene.cluster.live_nodes() {
        let interfaces = node.network.interfaces.iter().filter(|interface| interface.subnet == Some(subnet));
        let (mut held, mut assigned) = (0, 0);
        for interface in interfaces {
            held += 1 + interface.slots.iter().map(cluster::network::Slot::size).sum::<u32>();
            assigned += interface.slots.iter().map(|slot| slot.assigned).sum::<u32>();
        }
        if held > 0 {
            holders.push((held, assigned, node.id));
        }
    }
    holders.sort_by_key(|(held, assigned, node)| (std::cmp::Reverse(held - assigned), *node));
    let total: u32 = holders.iter().map(|(held, _, _)| held).sum();
    let used: u32 = holders.iter().map(|(_, assigned, _)| assigned).sum();
    let mut lines =
        vec![format!("{} nodes hold {total} of its addresses, {used} of them for pods", holders.len())];
    for (held, assigned, node) in holders.into_iter().take(3) {
        let subject = scene.cluster.node(node);
        let kind = &subject.instance_type;
        lines.push(format!("{} ({kind}) holds {held} for {assigned} pods with an address", subject.name));
    }
    lines
}
