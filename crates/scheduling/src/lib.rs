//! Would this pod be placed; if not, which filter said no?
