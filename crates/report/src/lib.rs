//! How is it said?
