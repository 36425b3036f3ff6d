//! Does it converge; if not, what is the smallest change that makes it?
