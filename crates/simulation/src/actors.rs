//! One file for each part of a cluster that acts.

use std::sync::Arc;

use cluster::Declared;

use crate::Options;
use crate::actor::Actor;

/// Every actor, in the order in which they are asked.
pub fn all(_declared: &Arc<Declared>, _options: &Options) -> Vec<Box<dyn Actor>> {
    Vec::new()
}
