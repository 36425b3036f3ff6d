//! Which nodes can go?
