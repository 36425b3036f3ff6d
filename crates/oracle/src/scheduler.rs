//! kube-scheduler: the generator, the engine's side and the comparison.
