//! How waits are said: one sentence for each, with its numbers.

use cluster::capability::Capability;
use cluster::node_claim::LaunchFailure;
use cluster::node_pool::NodePool;
use cluster::rejection::PoolReason;
use cluster::waiting::{AddressShortage, AttachProblem, CrashCause, ImageProblem};
use cluster::{Location, NodeId, PodId, Timestamp, Waiting, WorkloadId};

use crate::chain::Link;
use crate::launches::Launches;
use crate::placeable::NoSuchLabel;
use crate::provisioner;
use crate::refused;
use crate::scene::Scene;
use crate::stuck;
use crate::wait::{Ending, Party, Wait, Why};

mod pool;

pub use pool::pool_reason;
pub(crate) use pool::{not_ready, reason_of, selector};

/// One wait as a sentence.
pub(crate) fn wait(scene: &Scene<'_>, wait: &Wait) -> String {
    let who = party(scene, &wait.who);
    match &wait.why {
        Why::Pods(waiting) => format!("{}: {}", pods(scene, &wait.pods), pods_wait(scene, wait, waiting)),
        Why::Refused(refusal) => format!("the API server refuses pods of {who}: {}", refused::said(refusal)),
        Why::Pool(reason) => {
            let pool = pool_of(scene, &wait.on).map_or("", |pool| pool.name.as_str());
            let why = reason_of(scene, pool, reason);
            format!("{}: NodePool {pool} cannot help: {why}", pods(scene, &wait.pods))
        }
        Why::NeedsNode => needs_node(scene, wait),
        Why::NoSuchLabel(label) => {
            format!(
                "{}: no node has {} and no NodePool gives it",
                pods(scene, &wait.pods),
                selector(&label.wanted)
            )
        }
        Why::Unusable => format!("{who}: {} cannot be used as it is written", party(scene, &wait.on)),
        Why::ProviderNotRunning => match wait.who {
            // The configuration is there; what it asks is not.
            Party::Capability(Capability::Webhook(_)) => {
                format!("{who} gets no answer: {}, which serves it, is not running", party(scene, &wait.on))
            }
            _ => format!("{who} is not there: {} is not running", party(scene, &wait.on)),
        },
        Why::ProviderBlocked => format!("{who} runs and cannot act: it needs {}", party(scene, &wait.on)),
        Why::NoProvider => format!("{who}: nothing in the input provides it"),
        Why::EarlierWave => format!("{who} has not arrived: its wave waits for {}", party(scene, &wait.on)),
        Why::Unreachable => format!("{} cannot be reached", party(scene, &wait.on)),
        Why::Held => format!("{who}: running pods hold all of them, and none of them leaves"),
    }
}

/// Only another node helps; whoever adds nodes cannot act, or acts in vain.
fn needs_node(scene: &Scene<'_>, wait: &Wait) -> String {
    let (who, adds) = (party(scene, &wait.who), party(scene, &wait.on));
    match Launches::of(scene).any_failure() {
        Some(failure) if wait.ending == Ending::Exhausted => {
            format!(
                "{who}: {adds} asks for another node, and EC2 refuses: {}",
                launch_failure(scene, failure)
            )
        }
        _ => format!("{who}: more come only with another node, and {adds} adds nodes"),
    }
}

/// What EC2 said when it did not launch.
pub(crate) fn launch_failure(scene: &Scene<'_>, failure: &LaunchFailure) -> String {
    match failure {
        LaunchFailure::InsufficientCapacity => {
            "InsufficientInstanceCapacity for every type, zone and capacity type that was asked for"
                .to_owned()
        }
        LaunchFailure::SubnetFull(subnet) => {
            let subnet = scene.cluster.subnets.get(subnet.0 as usize);
            let name = subnet.map_or("a subnet", |subnet| subnet.name.as_str());
            format!("InsufficientFreeAddressesInSubnet: {name} has no address for the node itself")
        }
        LaunchFailure::QuotaExceeded { quota, limit } => {
            format!("VcpuLimitExceeded: the account's quota {quota} is {limit} vCPU")
        }
        LaunchFailure::Unauthorized(code)
        | LaunchFailure::NodeClassNotReady(code)
        | LaunchFailure::ServiceError(code) => code.to_string(),
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
    let known = programs.filter(|program| provisioner::adds_nodes(*program));
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

/// What kube-scheduler said of the nodes that are there.
pub(crate) fn on_nodes(scene: &Scene<'_>, pods: &[PodId]) -> Option<String> {
    match &scene.cluster.pod(*pods.first()?).waiting {
        Some((_, Waiting::Unschedulable(rejection))) => {
            Some(format!("on the nodes that are there: {}", rejection.message))
        }
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
                "no address: {} has {}, {own}{assigned} by pods",
                party_node(scene, wait),
                stuck::addresses(*capacity)
            )
        }
        AddressShortage::SubnetFull { subnet, code, free, free_prefixes } => {
            format!(
                "no address: {subnet} refused ({code}), {free} free {} and {free_prefixes} free /28 in it",
                if *free == 1 { "address" } else { "addresses" }
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
            let restarts = stuck::count(restarts as usize, "restart");
            format!("CrashLoopBackOff ({restarts}), it needs {capability} to start")
        }
    }
}

/// The field that decided a wait.
pub(crate) fn location(scene: &Scene<'_>, wait: &Wait) -> Option<Location> {
    let of_workload = |id: WorkloadId| scene.cluster.declared.workload(id);
    match (&wait.who, &wait.why) {
        (_, Why::Pool(reason)) => pool_of(scene, &wait.on).map(|pool| pool_location(pool, reason)),
        (_, Why::NeedsNode) => None,
        (Party::Workload(id), Why::NoSuchLabel(label)) => {
            Some(label_location(&of_workload(*id).template, label))
        }
        (_, Why::Unusable) => match &wait.on {
            Party::Object(key) => Some(Location::object(key.clone())),
            _ => None,
        },
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

/// Where pods ask for a label.
pub(crate) fn label_location(template: &cluster::PodTemplate, label: &NoSuchLabel) -> Location {
    let affinity = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let escaped = label.wanted.key.replace('~', "~0").replace('/', "~1");
    let selector = format!("/spec/nodeSelector/{escaped}");
    template.location.at(if label.in_selector { &selector } else { affinity })
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
