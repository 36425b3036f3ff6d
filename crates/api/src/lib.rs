//! What do the objects look like on the wire, and what do they mean?
//!
//! Wire objects (as JSON values, whatever they were written in) are decoded, defaulted as the API server would,
//! and lowered into the model. Nothing fails: a bad object becomes [`Problem`]s and the rest is still lowered.

pub mod object;
pub mod problem;

pub use object::RawObject;
pub use problem::{Problem, Severity};

/// What the input means.
#[derive(Debug)]
pub struct Lowered {
    /// The model.
    pub declared: cluster::Declared,
    /// What is wrong with the input, in input order.
    pub problems: Vec<Problem>,
}
