//! Does it work on a real control plane?
//!
//! Starts etcd, kube-apiserver, kube-controller-manager, kube-scheduler and KWOK, built from their Go modules
//! (`e2e/control-plane` at the root of the repository), as plain processes of this machine; plays cases on them, with
//! plimsoll's controller or the real Karpenter as the one who adds nodes; measures the two side by side.
//!
//! What is started: [`programs`], [`control_plane`] (with [`certificates`], [`kubeconfig`], [`ports`]), [`process`],
//! [`subject`]. What is put on it: [`cluster`], [`karpenter`]. What is done with it: [`stage`], [`cases`], [`run`],
//! [`measure`], [`suites`]. How it is talked to: [`api`], [`wait`].
//!
//! Not part of the product: no crate imports this one, and it imports none of the others. It knows plimsoll as its
//! users do: a program, and objects on an API server.

pub mod api;
pub mod cases;
pub mod certificates;
pub mod cluster;
pub mod control_plane;
pub mod karpenter;
pub mod kubeconfig;
pub mod measure;
pub mod ports;
pub mod process;
pub mod programs;
pub mod run;
pub mod stage;
pub mod subject;
pub mod suites;
pub mod wait;
