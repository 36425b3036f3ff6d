//! What did the user hand us?
