//! The only place that changes a [`cluster::Cluster`].
