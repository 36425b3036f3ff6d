//! `NodeUnschedulable`: cordoned nodes take only pods that tolerate the cordon.
//!
//! Follows `plugins/nodeunschedulable/node_unschedulable.go`.

use cluster::{Effect, Node, Taint, Toleration};

use crate::event::Event;
use crate::hints::Waiter;

pub(crate) fn refuses(node: &Node, tolerations: &[Toleration]) -> bool {
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        value: "".into(),
        effect: Effect::NoSchedule,
    };
    node.unschedulable && !tolerations.iter().any(|toleration| toleration.tolerates(&cordon))
}

pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    let schedulable = |node: &cluster::NodeId| !waiter.cluster.node(*node).unschedulable;
    match event {
        Event::NodeAdded(node) => schedulable(node),
        Event::NodeUpdated(before) => before.was_unschedulable && schedulable(&before.node),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::node;

    #[test]
    fn a_toleration_of_the_cordon_passes() {
        let mut cordoned = node("n");
        assert!(!refuses(&cordoned, &[]));
        cordoned.unschedulable = true;
        assert!(refuses(&cordoned, &[]));
        assert!(!refuses(&cordoned, &[Toleration::everything()]));
        let other = Toleration { key: "node.kubernetes.io/not-ready".into(), ..Toleration::everything() };
        assert!(refuses(&cordoned, &[other]));
    }
}
