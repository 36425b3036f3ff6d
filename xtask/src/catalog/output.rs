//! Writing a table so that the same rows always give the same bytes.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};

/// Writes `text` gzipped, without a file name and with a modification time of zero.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    let bytes = encoder.finish()?;
    println!(
        "{}: {} rows, {} bytes, {} compressed",
        path.display(),
        text.lines().count(),
        text.len(),
        bytes.len()
    );
    write_bytes(path, &bytes)
}

/// Writes `text` as it is.
pub fn write_plain(path: &Path, text: &str) -> Result<()> {
    println!("{}: {} rows, {} bytes", path.display(), text.lines().count(), text.len());
    write_bytes(path, text.as_bytes())
}

/// Writes a file and the folders above it.
fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}
