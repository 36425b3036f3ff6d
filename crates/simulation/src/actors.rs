//! One file for each part of a cluster that acts.

pub mod scheduler;
