//! The event queue and the loop.
