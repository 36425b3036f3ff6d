//! What did the user hand us?
//!
//! Manifests, kustomize and Helm output, profiles and patches, read into JSON values in which every field still
//! knows its file, line and column. Nothing here knows what a Deployment means (`api` does), and nothing fails:
//! what cannot be read becomes [`api::Problem`]s, and the rest of the input is still judged.
//!
//! The YAML that is understood is kubectl's: YAML 1.2 plus what `kubernetes-sigs/yaml` (`goyaml.v2`, v1.4) adds
//! to it. Reading files and running the user's own kustomize happen only in [`read`], [`project`] and
//! [`kustomize`]; everything else is a function of text.

mod assign;
mod base64;
mod builder;
mod changes;
pub mod codes;
mod diff;
mod document;
mod edit;
mod file;
mod inputs;
mod json;
mod json_patch;
pub mod kustomize;
mod later;
mod limits;
mod load;
mod lower;
mod mend;
mod merge;
mod node;
mod patch;
mod pointer;
pub mod project;
pub mod read;
mod render;
mod rewrite;
mod scalar;
mod splice;
mod split;
mod yaml;

pub use diff::FileDiff;
pub use document::{Document, Part};
pub use edit::{Action, Edit};
pub use file::{File, FileId, Span};
pub use inputs::Inputs;
pub use limits::Limits;
pub use load::Loader;
pub use node::{Bytes, Node, Style};
pub use patch::Patch;
pub use project::{Environment, Ignore, Project};
pub use read::Reader;
