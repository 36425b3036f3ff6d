//! Taints and tolerations.

use crate::Name;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[allow(missing_docs, reason = "the variants are Kubernetes' own effect names")]
pub enum Effect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

/// A node's taint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Taint {
    /// The taint's key.
    pub key: Name,
    /// May be empty.
    pub value: Name,
    /// What it does.
    pub effect: Effect,
}

/// A pod's toleration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Toleration {
    /// Empty with `exists`: every key.
    pub key: Name,
    /// Operator `Exists`; otherwise `Equal`.
    pub exists: bool,
    /// Compared when not `exists`.
    pub value: Name,
    /// `None`: every effect.
    pub effect: Option<Effect>,
    /// For `NoExecute`: how long the pod stays, in seconds; `None` is for ever.
    pub seconds: Option<i64>,
}

impl Toleration {
    /// A toleration of every taint.
    pub fn everything() -> Toleration {
        Toleration { key: Name::default(), exists: true, value: Name::default(), effect: None, seconds: None }
    }

    /// By `k8s.io/component-helpers/scheduling/corev1` `Toleration.ToleratesTaint`.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let effect = self.effect.is_none_or(|effect| effect == taint.effect);
        let key = self.key.is_empty() && self.exists || self.key == taint.key;
        effect && key && (self.exists || self.value == taint.value)
    }
}

/// The first taint with one of `effects` that no toleration covers.
pub fn untolerated<'t>(
    taints: &'t [Taint],
    tolerations: &[Toleration],
    effects: &[Effect],
) -> Option<&'t Taint> {
    taints
        .iter()
        .filter(|taint| effects.contains(&taint.effect))
        .find(|taint| !tolerations.iter().any(|toleration| toleration.tolerates(taint)))
}
