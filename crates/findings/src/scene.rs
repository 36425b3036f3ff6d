//! What a rule may look at: a run that has ended.

use catalog::Catalog;
use cluster::scenario::Missed;
use cluster::{Cluster, Timeline, Unmet};

use crate::wait::WaitGraph;

/// A run that has ended, with who waits for whom.
pub struct Scene<'a> {
    /// The cluster at the end.
    pub cluster: &'a Cluster,
    /// What happened.
    pub timeline: &'a Timeline,
    /// What can be bought.
    pub catalog: &'a Catalog,
    /// What was wanted and is not there.
    pub unmet: &'a [Unmet],
    /// Who waits for whom.
    pub graph: &'a WaitGraph,
    /// What a scenario expected and did not come about.
    pub missed: &'a [Missed],
}
