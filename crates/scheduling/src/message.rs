//! The words of kube-scheduler v1.36: reasons, histograms, the `FailedScheduling` message.
//!
//! Follows `framework/types.go` `FitError.Error`, the `ErrReason…` constants of every plugin and
//! `schedule_one.go` `truncateMessage`.

use std::collections::BTreeSet;

use cluster::rejection::{DeviceClaimProblem, FilterReason, NodeReason, Plugin};

/// `ErrNoNodesAvailable`.
pub(crate) const NO_NODES: &str = "no nodes available to schedule pods";
/// Events take this many bytes (`NoteLengthLimit`).
const EVENT_BYTES: usize = 1024;

/// One reason, as upstream says it.
pub(crate) fn words(plugin: Plugin, reason: &FilterReason) -> String {
    match reason {
        FilterReason::Unschedulable => "node(s) were unschedulable".into(),
        FilterReason::NodeName => "node(s) didn't match the requested node name".into(),
        FilterReason::Taint(_) => "node(s) had untolerated taint(s)".into(),
        FilterReason::NodeAffinity => "node(s) didn't match Pod's node affinity/selector".into(),
        FilterReason::HostPort => "node(s) didn't have free ports for the requested pod ports".into(),
        FilterReason::TooManyPods => "Too many pods".into(),
        FilterReason::Insufficient { resource, .. } => format!("Insufficient {resource}"),
        FilterReason::VolumeNodeConflict => "node(s) didn't match PersistentVolume's node affinity".into(),
        FilterReason::VolumeZoneConflict => "node(s) had no available volume zone".into(),
        FilterReason::VolumeLimit => "node(s) exceed max volume count".into(),
        FilterReason::UnboundClaims => "pod has unbound immediate PersistentVolumeClaims".into(),
        FilterReason::ClaimNotFound { claim } if plugin == Plugin::VolumeBinding => {
            format!("waiting for ephemeral volume controller to create the persistentvolumeclaim \"{claim}\"")
        }
        FilterReason::ClaimNotFound { claim } => format!("persistentvolumeclaim \"{claim}\" not found"),
        FilterReason::ClaimDeleting { claim } => format!("persistentvolumeclaim \"{claim}\" is being deleted"),
        FilterReason::ClaimLost { claim, volume } => {
            format!("persistentvolumeclaim \"{claim}\" bound to non-existent persistentvolume \"{volume}\"")
        }
        FilterReason::NoVolumeToBind => "node(s) didn't find available persistent volumes to bind".into(),
        FilterReason::SpreadLabelMissing => {
            "node(s) didn't match pod topology spread constraints (missing required label)".into()
        }
        FilterReason::SpreadSkew => "node(s) didn't match pod topology spread constraints".into(),
        FilterReason::PodAffinity => "node(s) didn't match pod affinity rules".into(),
        FilterReason::PodAntiAffinity => "node(s) didn't match pod anti-affinity rules".into(),
        FilterReason::ExistingAntiAffinity => "node(s) didn't satisfy existing pods anti-affinity rules".into(),
        FilterReason::PreemptionUnhelpful => "Preemption is not helpful for scheduling".into(),
        FilterReason::NoVictims => "No preemption victims found for incoming pod".into(),
        FilterReason::NotSelected { also } => {
            let named = [Some(plugin), *also].into_iter().flatten().map(|plugin| format!("{plugin:?}"));
            let named: BTreeSet<String> = named.collect();
            let named = named.into_iter().collect::<Vec<String>>().join(" ");
            format!("node(s) didn't satisfy plugin(s) [{named}]")
        }
        FilterReason::AffinityConflict => "pod affinity terms conflict".into(),
        FilterReason::ClaimInUse => {
            "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by \
             another pod"
                .into()
        }
        FilterReason::DevicesElsewhere => "resourceclaim not available on the node".into(),
        FilterReason::DevicesUnavailable => "cannot allocate all claims".into(),
        FilterReason::DevicePoolsInvalid => {
            "invalid resource pools were encountered".into()
        }
        FilterReason::DeviceError(words) => words.to_string(),
        FilterReason::DeviceClaim(problem) => device_claim(problem),
        FilterReason::PreemptionPolicyNever => "not eligible due to preemptionPolicy=Never.".into(),
        FilterReason::VictimsTerminating => "not eligible due to a terminating pod on the nominated node.".into(),
    }
}

/// Why a claim for devices cannot be used.
fn device_claim(problem: &DeviceClaimProblem) -> String {
    match problem {
        DeviceClaimProblem::Missing { claim } => {
            format!("could not find ResourceClaim \"{claim}\"")
        }
        DeviceClaimProblem::NotCreated { pod, .. } => {
            format!("pod \"{pod}\": ResourceClaim not created yet")
        }
        DeviceClaimProblem::Deleting { claim } => format!("resourceclaim \"{claim}\" is being deleted"),
        DeviceClaimProblem::InFlight { claim } => {
            format!("resource claim {claim} is in the process of being allocated")
        }
        DeviceClaimProblem::ClassMissing { request, class } => {
            format!("request {request}: device class {class} does not exist")
        }
    }
}

/// What `DynamicResources`, which is asked before preemption, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceWords {
    /// The pod has no claims, or they kept it off all nodes.
    NoClaims,
    /// Nothing can be done.
    Nothing,
    /// A claim lost its devices.
    Deallocated,
}

impl DeviceWords {
    fn text(self) -> &'static str {
        match self {
            DeviceWords::NoClaims => "no new claims to deallocate, ",
            DeviceWords::Nothing => "still not schedulable, ",
            DeviceWords::Deallocated => "deallocation of ResourceClaim completed, ",
        }
    }
}

/// What preemption adds to the message.
pub(crate) enum PreemptionWords<'a> {
    /// Victims were found: nothing.
    Silent,
    /// The pod may not preempt.
    Ineligible(&'a FilterReason),
    /// No node would do.
    Useless(&'a [NodeReason]),
}

/// From this version on dynamic resource allocation is on by default.
const DYNAMIC_RESOURCES_SINCE: (u32, u32) = (1, 34);

/// `0/N nodes are available: …. preemption: …`; `everywhere` if one reason keeps the pod off all nodes. `kubernetes`
/// is the cluster's version.
pub(crate) fn failed_scheduling(
    nodes: u32,
    reasons: &[NodeReason],
    everywhere: bool,
    (devices, preemption): (DeviceWords, &PreemptionWords<'_>),
    kubernetes: (u32, u32),
) -> String {
    let mut message = match reasons.first().filter(|_| everywhere) {
        Some(only) => format!("0/{nodes} nodes are available: {}.", words(only.plugin, &only.reason)),
        None => histogram(nodes, reasons),
    };
    let claims = if kubernetes >= DYNAMIC_RESOURCES_SINCE { devices.text() } else { "" };
    match preemption {
        PreemptionWords::Silent => {}
        _ if everywhere && post_filter_fails(reasons.first(), kubernetes) => message.push_str(" not found"),
        PreemptionWords::Ineligible(reason) => {
            message.push_str(&format!(" {claims}preemption: {}", words(Plugin::DefaultPreemption, reason)));
        }
        PreemptionWords::Useless(reasons) => {
            message.push_str(&format!(" {claims}preemption: {}", histogram(nodes, reasons)));
        }
    }
    truncate(message)
}

/// Whether `PostFilter` ends in an error: a plugin that keeps the pod off all nodes in `PreFilter` does so before
/// `DynamicResources` has noted what it then looks for.
pub(crate) fn post_filter_fails(everywhere: Option<&NodeReason>, kubernetes: (u32, u32)) -> bool {
    everywhere.is_some_and(|reason| reason.plugin != Plugin::DynamicResources)
        && kubernetes >= DYNAMIC_RESOURCES_SINCE
}

fn histogram(nodes: u32, reasons: &[NodeReason]) -> String {
    let mut counts: Vec<(String, u32)> = Vec::new();
    for reason in reasons {
        let words = words(reason.plugin, &reason.reason);
        match counts.iter_mut().find(|(known, _)| *known == words) {
            Some((_, count)) => *count += reason.nodes,
            None => counts.push((words, reason.nodes)),
        }
    }
    let mut parts: Vec<String> =
        counts.into_iter().map(|(words, count)| format!("{count} {words}")).collect();
    parts.sort();
    let end = if parts.is_empty() { "" } else { "." };
    let space = if parts.is_empty() { "" } else { " " };
    format!("0/{nodes} nodes are available:{space}{}{end}", parts.join(", "))
}

fn truncate(message: String) -> String {
    const SUFFIX: &str = " ...";
    if message.len() <= EVENT_BYTES {
        return message;
    }
    let mut end = EVENT_BYTES - SUFFIX.len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{SUFFIX}", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(plugin: Plugin, reason: FilterReason, nodes: u32) -> NodeReason {
        NodeReason { plugin, reason, nodes, example: None }
    }

    #[test]
    fn counts_are_sorted_as_text_and_equal_words_are_one() {
        let insufficient =
            |used| FilterReason::Insufficient { resource: "cpu".into(), requested: 1, used, allocatable: 1 };
        let taint = |key: &str| {
            FilterReason::Taint(cluster::Taint {
                key: key.into(),
                value: "".into(),
                effect: cluster::Effect::NoSchedule,
            })
        };
        let reasons = [
            reason(Plugin::TaintToleration, taint("a"), 9),
            reason(Plugin::TaintToleration, taint("b"), 1),
            reason(Plugin::NodeResourcesFit, insufficient(3), 2),
        ];
        let useless = [
            reason(Plugin::DefaultPreemption, FilterReason::PreemptionUnhelpful, 10),
            reason(Plugin::DefaultPreemption, FilterReason::NoVictims, 2),
        ];
        assert_eq!(
            failed_scheduling(
                12,
                &reasons,
                false,
                (DeviceWords::NoClaims, &PreemptionWords::Useless(&useless)),
                (1, 33)
            ),
            "0/12 nodes are available: 10 node(s) had untolerated taint(s), 2 Insufficient cpu. preemption: 0/12 nodes \
             are available: 10 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
        );
    }

    #[test]
    fn long_messages_end_in_dots() {
        let claim = FilterReason::ClaimNotFound { claim: "x".repeat(2000).into() };
        let message = failed_scheduling(
            1,
            &[reason(Plugin::VolumeRestrictions, claim, 1)],
            true,
            (DeviceWords::NoClaims, &PreemptionWords::Silent),
            (1, 36),
        );
        assert_eq!(message.len(), 1024);
        assert!(message.ends_with("xxx ..."));
    }
}
