//! Every condition that plimsoll can name: one file each, with its documentation.

pub mod boot101;
pub mod boot102;
pub mod ip101;

use crate::code::Code;
use crate::finding::Finding;
use crate::scene::Scene;

/// A condition: its code, its documentation, and the function that looks for it.
pub struct Rule {
    /// The stable code.
    pub code: Code,
    /// What `plimsoll explain` prints; see [`crate::docs`] for its sections.
    pub docs: &'static str,
    /// Looks for the condition at the end of a run.
    pub examine: fn(&Scene<'_>) -> Vec<Finding>,
}

/// All rules, in code order.
pub const RULES: &[Rule] = &[boot101::RULE, boot102::RULE, ip101::RULE];

/// Every finding at the end of a run: errors first, then in code order, then as found.
pub fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| (rule.examine)(scene)).collect();
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.code.cmp(&b.code)));
    findings
}
