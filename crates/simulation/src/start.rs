//! The cluster at t=0, from what was declared.
