//! Does it converge; if not, what is the smallest change that makes it?
//!
//! [`judge`] boots the inputs in simulation, under every assumption that could decide the outcome, and names the
//! outcome. When it does not converge, [`search`] tries remedies, smallest sets first, re-runs each, and keeps
//! those that are proven to converge. Nothing is called verified that was not run.

pub mod attempt;
pub mod branch;
pub mod expect;
pub mod judge;
mod merge;
pub mod play;
pub mod remedies;
pub mod remedy;
pub mod search;
pub mod trial;
pub mod unmodelled;
pub mod waves;
pub mod why;

pub use attempt::{Attempt, Effectiveness};
pub use branch::Branch;
pub use judge::{Options, Verdict, judge};
pub use play::Play;
pub use remedy::Remedy;
pub use search::Search;
pub use simulation::Provisioner;
pub use trial::Trial;
pub use why::Why;
