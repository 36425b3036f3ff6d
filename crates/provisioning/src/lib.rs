//! Which nodes should exist?
