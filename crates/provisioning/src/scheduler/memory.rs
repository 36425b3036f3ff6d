//! What a plan remembers of a class, so that nothing is asked twice that cannot have another answer.
//!
//! Room only shrinks and requirements only narrow while a plan is made, so some refusals are final; others hold as long
//! as the counts of the class's rules do. Facts only: who asks, and in which order, is [`super::claims`]' and
//! [`super::nodes`]'.

use super::order::Refused;
use crate::bits::Bits;
use crate::class::ClassId;
use crate::prospects::Prospects;

/// What is known of a class.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Nodes that can never take such a pod.
    pub nodes: Bits,
    /// Likewise, claims.
    pub claims: Bits,
    /// Likewise, stretches of the claims in their order.
    pub refused: Refused,
    /// What it makes of sets of requirements.
    pub prospects: Prospects,
    /// The class with one preference less, once that has been asked for; `None` in it when none is left.
    pub relaxed: Option<Option<ClassId>>,
}
