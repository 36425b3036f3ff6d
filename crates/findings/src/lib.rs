//! What went wrong, in causal order?
