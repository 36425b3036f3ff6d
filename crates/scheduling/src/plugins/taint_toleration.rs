//! `TaintToleration`: `NoSchedule` and `NoExecute` taints keep pods out, `PreferNoSchedule` taints cost score.
//!
//! Follows `plugins/tainttoleration/taint_toleration.go` and `plugins/helper/normalize_score.go`.

use cluster::taint::{Effect, Taint, Toleration};

use crate::event::Event;
use crate::hints::Waiter;

/// The first taint that keeps the pod out.
pub(crate) fn untolerated<'t>(taints: &'t [Taint], tolerations: &[Toleration]) -> Option<&'t Taint> {
    cluster::taint::untolerated(taints, tolerations, &[Effect::NoSchedule, Effect::NoExecute])
}

/// How many `PreferNoSchedule` taints are not tolerated.
pub(crate) fn disliked(taints: &[Taint], tolerations: &[Toleration]) -> u16 {
    let soft = taints.iter().filter(|taint| taint.effect == Effect::PreferNoSchedule);
    let count =
        soft.filter(|taint| !tolerations.iter().any(|toleration| toleration.tolerates(taint))).count();
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// A queueing hint: the node's taints were in the way and are not any more.
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    match event {
        Event::NodeAdded(node) => waiter.cell(*node).tolerated,
        Event::NodeUpdated(before) => {
            !waiter.cell_before(before).tolerated && waiter.cell(before.node).tolerated
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hard_effects_keep_out_and_only_soft_ones_cost() {
        let taint = |key: &str, effect| Taint { key: key.into(), value: "v".into(), effect };
        let taints = [
            taint("a", Effect::PreferNoSchedule),
            taint("b", Effect::NoSchedule),
            taint("c", Effect::NoExecute),
        ];
        assert_eq!(untolerated(&taints, &[]).unwrap().key, "b");
        let b = Toleration { key: "b".into(), exists: false, value: "v".into(), effect: None, seconds: None };
        assert_eq!(untolerated(&taints, std::slice::from_ref(&b)).unwrap().key, "c");
        assert_eq!(disliked(&taints, &[b]), 1);
        assert_eq!(disliked(&taints, &[Toleration::everything()]), 0);
        let hard = Toleration { effect: Some(Effect::NoSchedule), ..Toleration::everything() };
        assert_eq!(disliked(&taints, &[hard]), 1);
    }
}
