//! Does it work on a real control plane?
