//! Runs the binary as scripts and people do: every format read by somebody else's reader, suppressions, bad input.
//!
//! What a cluster does is told in `scenarios/`; here it is only about the command line.

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "scenarios/elision.rs"]
mod elision;
#[path = "cli/faults.rs"]
mod faults;
#[path = "cli/formats.rs"]
mod formats;
#[path = "scenarios/process.rs"]
mod process;
#[path = "cli/readme.rs"]
mod readme;
#[path = "cli/refused.rs"]
mod refused;
#[path = "cli/suppress.rs"]
mod suppress;

use std::path::{Path, PathBuf};

/// The repository's root: examples are named relative to it.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// Runs the binary in `folder`; the words are split at blanks.
#[track_caller]
fn run(folder: &Path, words: &str) -> process::Output {
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    process::run(folder, &words, None).expect("plimsoll runs")
}

/// Two nodes, and a Deployment that fits on them.
const GOOD: &str = "\
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {name: small}
spec:
  nodeGroups:
  - {name: system, instanceType: m7i.large, count: 2}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx
        resources: {requests: {cpu: 100m, memory: 128Mi}}
";

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    }
    folder
}
