//! Where the repository is, and the text files in it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use xshell::{Shell, cmd};

/// A text file of the repository.
#[derive(Clone, Debug)]
pub struct TextFile {
    /// Its path below the root, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl TextFile {
    /// Rust source.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Tests, benches and what only they use: code that never ships.
    pub fn is_test(&self) -> bool {
        let in_folder = ["/tests/", "/benches/", "fuzz/"].iter().any(|folder| self.path.contains(folder));
        let named = ["/tests.rs", "/testing.rs", "_test.rs", "_tests.rs"]
            .iter()
            .any(|name| self.path.ends_with(name));
        in_folder || named || self.text.contains("\n#![cfg(test)]")
    }
}

/// The root of the workspace that this crate was built in.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Every file that git tracks or would track and that is text, in path order.
pub fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    let listing = cmd!(shell, "git ls-files --cached --others --exclude-standard").quiet().read()?;
    let mut paths: Vec<&str> = listing.lines().collect();
    paths.sort_unstable();
    paths.dedup();
    // What is not UTF-8 is no text; what git lists and is not there was just deleted.
    let read = |path: &str| {
        Some(TextFile { path: path.into(), text: std::fs::read_to_string(root.join(path)).ok()? })
    };
    Ok(paths.into_iter().filter_map(read).collect())
}
