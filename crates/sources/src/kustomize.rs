//! The user's own kustomize: overlays are built by the tool that the user deploys with, never by a copy of it.
//!
//! Runs `kustomize build DIR`, else `kubectl kustomize DIR`, with no plugins and no Helm switched on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::codes;
use crate::read::Reader;

/// Programs that were found on the PATH.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// `kustomize`.
    pub kustomize: Option<PathBuf>,
    /// `kubectl`.
    pub kubectl: Option<PathBuf>,
}

impl Tools {
    /// Looks for the programs in the directories of a `PATH`.
    pub fn find(path: Option<&OsStr>) -> Tools {
        let directories: Vec<PathBuf> =
            path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
        let find = |name: &str| {
            let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
            directories.iter().map(|directory| directory.join(&file)).find(|program| program.is_file())
        };
        Tools { kustomize: find("kustomize"), kubectl: find("kubectl") }
    }

    /// The command that builds an overlay, and how to name it.
    fn build(&self) -> Option<(Command, &'static str)> {
        let (program, verb, name) = match (&self.kustomize, &self.kubectl) {
            (Some(program), _) => (program, "build", "kustomize build"),
            (None, Some(program)) => (program, "kustomize", "kubectl kustomize"),
            (None, None) => return None,
        };
        let mut command = Command::new(program);
        command.arg(verb);
        Some((command, name))
    }
}

impl Reader<'_> {
    /// `-k DIR`: builds the overlay, and reads what comes out.
    pub fn kustomize(&mut self, directory: &Path) {
        let full = self.cwd().join(directory);
        let shown = self.shown(&full);
        let Some((mut command, name)) = self.tools.build() else {
            let message = "neither kustomize nor kubectl is on the PATH to build this overlay";
            let help =
                "install one of them, or hand over the output: `kustomize build … | plimsoll check -f -`";
            return self.loader.add_problem(&shown, codes::KUSTOMIZE, message, Some(help));
        };
        let output = command.arg(&full).current_dir(self.cwd()).stdin(Stdio::null()).output();
        let output_name = format!("{name} {shown}");
        match output {
            Ok(output) if output.status.success() => self.loader.add_bytes(&output_name, output.stdout),
            Ok(output) => {
                let error = String::from_utf8_lossy(&output.stderr);
                let first: Vec<&str> =
                    error.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
                let message = format!("`{output_name}` failed: {}", first.join("; "));
                self.loader.add_problem(&shown, codes::KUSTOMIZE, &message, None);
            }
            Err(error) => {
                let message = format!("`{output_name}` could not be run: {error}");
                self.loader.add_problem(&shown, codes::KUSTOMIZE, &message, None);
            }
        }
    }
}
