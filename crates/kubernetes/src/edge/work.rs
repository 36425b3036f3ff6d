//! Work: an effect as calls, and what came of it.

use std::time::Duration;

use autoscaler::Effect;
use cluster::node_claim::RefusedOffering;

use crate::calls::Call;

/// One effect on its way.
#[derive(Clone, Debug)]
pub struct Work {
    /// What is wanted.
    pub effect: Effect,
    /// As calls, in order.
    pub calls: Vec<Call>,
    /// How often it was tried before.
    pub tries: u32,
    /// A pause before the last call.
    pub pause: Duration,
    /// Work with one key is done in order.
    pub key: u32,
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    /// What was wanted.
    pub effect: Effect,
    /// How often it was tried before.
    pub tries: u32,
    /// What the API server said against it.
    pub result: Result<(), Failure>,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// Trying again can help: somebody was faster, a budget is used up, the server is busy or away.
    Passing(String),
    /// It cannot.
    Final(String),
    /// The cloud had none of these; nothing was launched.
    SoldOut(Vec<RefusedOffering>),
}
