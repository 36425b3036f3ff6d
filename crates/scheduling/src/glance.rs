//! What nodes say to the pods of one class by their room alone, remembered until the room changes.
//!
//! Only for classes of which a pod was refused by every node: the next one is likely to be refused by most, and each
//! attempt then looks at all nodes.

use crate::filter;
use crate::placements::Placements;
use crate::plugins::node_resources_fit;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::refusals::{Numbers, Refused};

/// More extended resources than this are not remembered.
const EXTENDED_AT_MOST: usize = 4;

/// A node's verdict, and the version of its row then.
#[derive(Clone, Copy, Debug, Default)]
struct Glance {
    version: u32,
    refusal: Option<Refusal>,
    numbers: Numbers,
}

/// Verdicts by node; empty while nothing is remembered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Glances(Vec<Glance>);

impl Glances {
    /// Remembers from now on, if the verdicts are the same for all pods of the class.
    pub fn begin(&mut self, query: &Query, nodes: usize) {
        if query.local && query.pinned.is_none() && query.request.extended.len() <= EXTENDED_AT_MOST {
            self.0.resize(nodes, Glance::default());
        }
    }

    /// Takes what the index remembers, to be given back; `None` if that is nothing.
    pub fn lend(index: &mut Placements, query: &Query) -> Option<Glances> {
        let glances = &mut index.classes[query.class.0 as usize].glances;
        if glances.0.is_empty() || !query.local || query.pinned.is_some() {
            return None;
        }
        let mut lent = std::mem::take(glances);
        lent.0.resize(index.rows.len(), Glance::default());
        Some(lent)
    }

    /// Whether the node refuses.
    pub fn look(&mut self, index: &Placements, query: &Query, node: usize) -> Option<Refused> {
        let glance = &mut self.0[node];
        if glance.version != index.versions[node] {
            let refusal = filter::local(index, query, node);
            let numbers = refusal.map_or(Numbers::default(), |refusal| numbers(index, query, refusal, node));
            *glance = Glance { version: index.versions[node], refusal, numbers };
        }
        let numbers = Some(glance.numbers);
        glance.refusal.map(|refusal| Refused { refusal, crowded: false, numbers })
    }
}

fn numbers(index: &Placements, query: &Query, refusal: Refusal, node: usize) -> Numbers {
    if refusal != Refusal::Resources {
        return Numbers { resolvable: refusal.is_resolvable(), lacking: 0 };
    }
    let lacking = node_resources_fit::lacking(index, &query.request, node);
    Numbers {
        resolvable: node_resources_fit::is_resolvable(index, &query.request, node),
        lacking: u8::try_from(lacking).unwrap_or(0),
    }
}
