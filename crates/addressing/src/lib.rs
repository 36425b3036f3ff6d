//! Would this pod get an address?
