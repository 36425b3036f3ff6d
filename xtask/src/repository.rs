//! Where the repository is.

use std::path::{Path, PathBuf};

/// The root of the workspace that this crate was built in.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}
