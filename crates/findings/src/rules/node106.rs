//! NODE106: a node that a pool made never joins, or never becomes ready for pods.

use std::collections::BTreeMap;

use cluster::network::Cni;
use cluster::node_claim::{ClaimStage, NodeClaim};
use cluster::{Node, PodId};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::launches::Launches;
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "NODE106", name: "node-never-initialized" }, docs: DOCS, examine };

const DOCS: &str = "\
A node that a NodePool made never joins the cluster, or never becomes initialized.

## What it is
Karpenter calls a node initialized when it is Ready, its startup taints are gone, and every extended resource that its
pods asked for is registered. Until then it is not considered for disruption, and pods that do not tolerate the taint or
that need the resource do not go there. An instance whose kubelet never registers is deleted after 15 minutes, and the
next one takes its place.

## Why it deadlocks
Somebody has to remove the taint, publish the resource, or start the kubelet. When nobody in the cluster does, the pods
wait for a node that is there and of no use.

## Evidence
The taint, the resource, or the instance type, and the claims that are stuck in that way.

## Example
A pool with the startup taint `example.com/not-ready` and no agent that removes it; pods that ask for
`vpc.amazonaws.com/pod-eni` while ENABLE_POD_ENI is off; c1.medium and m1.small, which boot with a swap volume, so that
the kubelet does not start.

## Remedy
Install the agent or the device plugin, let it tolerate the taint, take the taint out of the pool, or exclude the
instance types.

## Exceptions
A startup taint that no DaemonSet of the input tolerates by its key is taken to stay. User data that turns swap off is
not read.

## References
- karpenter: pkg/controllers/nodeclaim/lifecycle/{initialization,liveness}.go
- karpenter-provider-aws: website/content/en/docs/troubleshooting.md, Node not initialized, and Instances with swap volumes
";

/// What a node lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    /// A startup taint is still there.
    Taint(String),
    /// A resource that pods asked for is not registered.
    Resource(String),
    /// Its CNI did not start, or nobody hears from it.
    Ready,
    /// The ENIConfig that it asks for is not there: the VPC CNI cannot start.
    EniConfig(String),
    /// It never registered: its type, and whether that comes with swap.
    Registration(String, bool),
}

struct Group {
    /// Nodes, or instances that were given up.
    nodes: usize,
    pods: Vec<PodId>,
    /// It is worth a word although nothing waits for it.
    is_hazard: bool,
}

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let launches = Launches::of(scene);
    let mut groups: BTreeMap<(u32, Lack), Group> = BTreeMap::new();
    for claim in &scene.cluster.claims {
        let Some((lack, pool)) = lack(scene, claim).zip(claim.pool) else { continue };
        let pods = launches.waiting_for(scene, claim.id);
        let is_hazard = !matches!(lack, Lack::Ready | Lack::EniConfig(_) | Lack::Registration(..))
            && is_at_rest(scene, claim);
        // One that was launched last may still join: it counts with those that were given up before it.
        let counts = !matches!(lack, Lack::Registration(..)) || is_given_up(claim);
        if pods.is_empty() && !is_hazard && !counts {
            continue;
        }
        let group = groups.entry((pool, lack)).or_insert(Group { nodes: 0, pods: Vec::new(), is_hazard });
        group.nodes += usize::from(counts);
        group.pods.extend(pods);
    }
    groups.retain(|_, group| group.nodes > 0 && (group.is_hazard || !group.pods.is_empty()));
    groups.into_iter().map(|((pool, lack), group)| finding(scene, pool, &lack, &group)).collect()
}

fn lack(scene: &Scene<'_>, claim: &NodeClaim) -> Option<Lack> {
    match claim.node.map(|node| scene.cluster.node(node)) {
        None => {
            let launched = claim.launched.as_ref()?;
            let kind = &launched.option.instance_type;
            let swap = scene.catalog.instance_type(kind).is_some_and(catalog::InstanceType::has_swap_volume);
            Some(Lack::Registration(kind.to_string(), swap))
        }
        Some(node) => (claim.stage == ClaimStage::Registered && node.exists() && node.deleted.is_none())
            .then(|| of_node(scene, claim, node))?,
    }
}

fn of_node(scene: &Scene<'_>, claim: &NodeClaim, node: &Node) -> Option<Lack> {
    let left = |own: &&cluster::Taint| node.taints.iter().any(|t| t.key == own.key && t.effect == own.effect);
    if !node.ready {
        let missing = match &scene.cluster.declared.cni {
            Cni::VpcCni(settings) => settings.missing_eni_config(&node.labels, &node.annotations),
            _ => None,
        };
        return Some(missing.map_or(Lack::Ready, |name| Lack::EniConfig(name.to_string())));
    }
    if let Some(taint) = claim.startup_taints.iter().find(left) {
        return Some(Lack::Taint(taint.key.to_string()));
    }
    let missing = claim.requests.iter().find(|(name, _)| node.allocatable.get(name) <= 0);
    missing.map(|(name, _)| Lack::Resource(name.to_owned()))
}

fn is_given_up(claim: &NodeClaim) -> bool {
    claim.deleted.is_some() || claim.stage == ClaimStage::Gone
}

/// Nothing on the node is still on its way.
fn is_at_rest(scene: &Scene<'_>, claim: &NodeClaim) -> bool {
    let Some(node) = claim.node else { return false };
    scene.cluster.pods_on(node).all(|pod| pod.stage == cluster::pod::Stage::Ready)
}

fn finding(scene: &Scene<'_>, pool: u32, lack: &Lack, group: &Group) -> Finding {
    let pool = &scene.cluster.declared.node_pools[pool as usize];
    let nodes = stuck::count(group.nodes, "node");
    let verb = if group.nodes == 1 { "is" } else { "are" };
    let why = why(lack);
    let title = match lack {
        Lack::Registration(..) => {
            let nodes = stuck::count(group.nodes, "instance");
            format!("{nodes} of NodePool {} never joined the cluster: {why}", pool.name)
        }
        _ => format!("{nodes} of NodePool {} {verb} never initialized: {why}", pool.name),
    };
    let place = match lack {
        Lack::Taint(_) => pool.location.at("/spec/template/spec/startupTaints"),
        _ => pool.location.at("/spec/template/spec/requirements"),
    };
    let severity = if group.pods.is_empty() { Severity::Warning } else { Severity::Error };
    let mut finding =
        Finding::new(RULE.code, severity, title).at(place, "what this pool makes").help(help(lack));
    if group.pods.is_empty() {
        finding = finding
            .note("nothing waits for it; Karpenter never disrupts such a node, so it is never given back");
    } else {
        finding = finding.note(format!("waiting: {}", words::pods(scene, &group.pods)));
        stuck::affect(scene, &mut finding, &group.pods);
    }
    finding.number("nodes", group.nodes as i64)
}

fn why(lack: &Lack) -> String {
    match lack {
        Lack::Taint(key) => format!("nobody removes the startup taint {key}"),
        Lack::Resource(name) => format!("nobody registers {name}"),
        Lack::Ready => "it does not become Ready".to_owned(),
        Lack::EniConfig(name) => {
            format!("the VPC CNI does not start on it, because there is no ENIConfig {name}")
        }
        Lack::Registration(kind, true) => {
            format!("{kind} boots with a swap volume, and the kubelet does not start with swap")
        }
        Lack::Registration(kind, false) => {
            format!("the kubelet of {kind} did not register within 15 minutes")
        }
    }
}

fn help(lack: &Lack) -> &'static str {
    match lack {
        Lack::Taint(_) => {
            "install the agent that removes the taint and let it tolerate the taint, or take the taint out"
        }
        Lack::Resource(_) => {
            "install or configure what publishes the resource on nodes, or do not ask for it"
        }
        Lack::EniConfig(_) => {
            "add an ENIConfig of this name with a subnet of the node's zone, or keep the pool out of the zone"
        }
        Lack::Ready => "look at the pods of the CNI on the node: the other findings say what they wait for",
        Lack::Registration(_, true) => {
            "exclude these instance types from the pool, or turn swap off in the user data"
        }
        Lack::Registration(_, false) => {
            "check the node role's access entry, its security groups, and the way from its subnet to the API server"
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{CLASS, KARPENTER, app, boot, eks, pool};

    fn on(types: &str, template: &str, requests: &str) -> crate::testing::Ended {
        boot(&[&eks("", KARPENTER), CLASS, &pool(types, template, ""), &app(4, requests, "")])
    }

    #[test]
    fn a_resource_that_nobody_registers() {
        let ended = on("m5.large", "", "cpu: 100m}, limits: {vpc.amazonaws.com/pod-eni: '1'");
        insta::assert_snapshot!(ended.told("NODE106"), @r#"
        Error: 1 node of NodePool default is never initialized: nobody registers vpc.amazonaws.com/pod-eni
         at NodePool default spec.template.spec.requirements: what this pool makes
         note: waiting: default/app-6d88768796-0, default/app-6d88768796-1, default/app-6d88768796-2 and 1 more
         help: install or configure what publishes the resource on nodes, or do not ask for it
         nodes: 1
        "#);
    }

    #[test]
    fn a_kubelet_that_does_not_start_with_swap() {
        let ended = on("c1.medium, m1.small", "", "cpu: 600m");
        insta::assert_snapshot!(ended.told("NODE106"), @"");
    }

    #[test]
    fn a_zone_without_an_eni_config() {
        let env =
            "{AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: 'true', ENI_CONFIG_LABEL_DEF: topology.kubernetes.io/zone}";
        let cni = format!("{{name: vpc-cni, values: {{env: {env}}}}}");
        let profile = eks("subnets: [subnet-a]", &KARPENTER.replace("{name: vpc-cni}", &cni));
        let pool =
            pool("m6i.large", "- {key: topology.kubernetes.io/zone, operator: In, values: [us-east-1b]}", "");
        let config = |zone: &str| {
            format!(
                "apiVersion: crd.k8s.amazonaws.com/v1alpha1\nkind: ENIConfig\nmetadata: {{name: us-east-1{zone}}}\nspec: {{subnet: subnet-{zone}}}\n"
            )
        };
        let told = |configs: &[&str]| {
            let app = app(8, "cpu: 1100m", "");
            let mut documents: Vec<&str> = vec![&profile, CLASS, &pool, &app];
            documents.extend(configs);
            boot(&documents).told("NODE106")
        };
        let (a, b) = (config("a"), config("b"));
        let without = told(&[&a]);
        assert!(
            without.contains("the VPC CNI does not start on it, because there is no ENIConfig us-east-1b"),
            "{without}"
        );
        assert_eq!(told(&[&a, &b]), "");
    }

    #[test]
    fn fires() {
        let ended = on(
            "m6i.large",
            "startupTaints: [{key: example.com/not-ready, effect: NoSchedule}]",
            "cpu: 1100m",
        );
        insta::assert_snapshot!(ended.told("NODE106"), @r#"
        Error: 2 nodes of NodePool default are never initialized: nobody removes the startup taint example.com/not-ready
         at NodePool default spec.template.spec.startupTaints: what this pool makes
         note: waiting: default/app-6d88768796-2, default/app-6d88768796-3
         help: install the agent that removes the taint and let it tolerate the taint, or take the taint out
         nodes: 2
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(on("m6i.large", "", "cpu: 1100m").told("NODE106"), "");
    }
}
