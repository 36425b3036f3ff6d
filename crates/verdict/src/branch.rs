//! The assumptions under which a cluster is booted: what the input leaves open, and who comes last.

use std::fmt;
use std::sync::Arc;

use cluster::profile::Order;
use cluster::role::Program;
use cluster::{Declared, Name};

/// One set of assumptions.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Branch {
    /// These programs start (or restart) after everything else has come to rest; empty: as declared.
    pub late: Vec<Program>,
    /// maxPods of node groups that do not say it, by the group's index in the profile; empty: the AMI family's
    /// own computation.
    pub max_pods: Vec<(u32, u32)>,
}

impl Branch {
    /// As declared, with every documented default.
    pub fn declared() -> Branch {
        Branch::default()
    }

    /// Whether it is the input as it stands.
    pub fn is_declared(&self) -> bool {
        *self == Branch::default()
    }

    /// What was declared, under these assumptions.
    pub fn apply(&self, declared: &Arc<Declared>) -> Arc<Declared> {
        if self.max_pods.is_empty() {
            return declared.clone();
        }
        let mut changed = (**declared).clone();
        for (group, max_pods) in &self.max_pods {
            for node in changed.nodes.iter_mut().filter(|node| node.group == Some(*group)) {
                node.capacity.pods = i64::from(*max_pods);
                node.allocatable.pods = i64::from(*max_pods);
            }
        }
        Arc::new(changed)
    }
}

/// Which starts are critical: when one of these comes last and gets nothing, the others may never get more.
const CRITICAL: [Program; 2] = [Program::ClusterDns, Program::Karpenter];

/// The same assumptions with each critical program coming last. Waves fix the order, so there are none then.
pub fn arrival_orders(declared: &Declared, branch: &Branch) -> Vec<Branch> {
    if declared.profile.order == Order::Waves {
        return Vec::new();
    }
    let runs = |program: &Program| declared.workloads.iter().any(|w| w.template.role.program == *program);
    let present: Vec<Program> = CRITICAL.into_iter().filter(runs).collect();
    let late = |late: Vec<Program>| Branch { late, ..branch.clone() };
    let together = (present.len() > 1).then(|| late(present.clone()));
    together.into_iter().chain(present.iter().map(|program| late(vec![*program]))).collect()
}

/// The other value that an unsaid maxPods usually has: 110 below 30 vCPUs, 250 from there on, which is what EKS
/// recommends with prefix delegation and caps managed groups at.
pub fn unsaid_max_pods(declared: &Declared, catalog: &catalog::Catalog) -> Option<Branch> {
    let mut max_pods = Vec::new();
    for (index, group) in (0u32..).zip(&declared.profile.node_groups) {
        if group.max_pods.is_some() || group.count == 0 {
            continue;
        }
        let vcpus = catalog.instance_type(&group.instance_type).map_or(0, |t| t.vcpus);
        let usual = if vcpus < 30 { 110 } else { 250 };
        let own =
            declared.nodes.iter().find(|node| node.group == Some(index)).map(|node| node.allocatable.pods);
        if own.is_some_and(|own| own != i64::from(usual)) {
            max_pods.push((index, usual));
        }
    }
    (!max_pods.is_empty()).then_some(Branch { late: Vec::new(), max_pods })
}

/// `as declared`, `cluster DNS comes last`, `maxPods 110`.
impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        if let Some((_, max_pods)) = self.max_pods.first() {
            parts.push(format!("maxPods {max_pods}"));
        }
        match self.late.as_slice() {
            [] => {}
            [one] => parts.push(format!("{one} starts last")),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                parts.push(format!("{} start last", names.join(" and ")));
            }
        }
        f.write_str(&if parts.is_empty() { "as declared".to_owned() } else { parts.join(", ") })
    }
}

/// Names of the groups whose maxPods a branch assumes.
pub fn groups<'a>(declared: &'a Declared, branch: &'a Branch) -> impl Iterator<Item = &'a Name> {
    branch.max_pods.iter().map(|(group, _)| &declared.profile.node_groups[*group as usize].name)
}
