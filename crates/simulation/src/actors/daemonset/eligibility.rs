//! On which nodes a DaemonSet's pods run, and what its controller adds to their template. Pure.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/daemon/daemon_controller.go` (`NodeShouldRunDaemonPod`) and
//! `util/daemonset_util.go` (`AddOrUpdateDaemonPodTolerations`).

pub use cluster::node_selector::should_run;
use cluster::taint::Effect as TaintEffect;
use cluster::{Name, PodTemplate, Toleration};

/// The template of a DaemonSet's pods: with the tolerations that its controller adds or replaces.
pub fn daemon_template(template: &PodTemplate) -> PodTemplate {
    let mut template = template.clone();
    let added = [
        ("node.kubernetes.io/not-ready", TaintEffect::NoExecute),
        ("node.kubernetes.io/unreachable", TaintEffect::NoExecute),
        ("node.kubernetes.io/disk-pressure", TaintEffect::NoSchedule),
        ("node.kubernetes.io/memory-pressure", TaintEffect::NoSchedule),
        ("node.kubernetes.io/pid-pressure", TaintEffect::NoSchedule),
        ("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule),
        ("node.kubernetes.io/network-unavailable", TaintEffect::NoSchedule),
    ];
    let wanted = if template.host_network { &added[..] } else { &added[..6] };
    for (key, effect) in wanted {
        let toleration = Toleration {
            key: Name::new_static(key),
            exists: true,
            value: Name::default(),
            effect: Some(*effect),
            seconds: None,
        };
        // `MatchToleration` compares everything but the seconds.
        match template
            .tolerations
            .iter_mut()
            .find(|old| Toleration { seconds: None, ..(*old).clone() } == toleration)
        {
            Some(old) => *old = toleration,
            None => template.tolerations.push(toleration),
        }
    }
    template
}
