//! Every condition that plimsoll can name: one file each, with its documentation.

pub mod adm101;
pub mod adm102;
pub mod adm103;
pub mod boot101;
pub mod boot102;
pub mod boot103;
pub mod expect101;
pub mod img101;
pub mod img102;
pub mod ip101;
pub mod ip102;
pub mod ip103;
pub mod ip104;
pub mod ip105;
pub mod ip106;
pub mod node101;
pub mod node102;
pub mod node103;
pub mod node104;
pub mod node105;
pub mod node106;
pub mod roll101;
pub mod sched101;
pub mod sched102;
pub mod sched103;
pub mod sched104;
pub mod vol101;
pub mod vol102;
pub mod vol103;
pub mod vol104;
pub mod vol105;

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
pub const RULES: &[Rule] = &[
    adm101::RULE,
    adm102::RULE,
    adm103::RULE,
    boot101::RULE,
    boot102::RULE,
    boot103::RULE,
    expect101::RULE,
    img101::RULE,
    img102::RULE,
    ip101::RULE,
    ip102::RULE,
    ip103::RULE,
    ip104::RULE,
    ip105::RULE,
    ip106::RULE,
    node101::RULE,
    node102::RULE,
    node103::RULE,
    node104::RULE,
    node105::RULE,
    node106::RULE,
    roll101::RULE,
    sched101::RULE,
    sched102::RULE,
    sched103::RULE,
    sched104::RULE,
    vol101::RULE,
    vol102::RULE,
    vol103::RULE,
    vol104::RULE,
    vol105::RULE,
];

/// Every finding at the end of a run: errors first, then in code order, then as found.
pub fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| (rule.examine)(scene)).collect();
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.code.cmp(&b.code)));
    findings
}
