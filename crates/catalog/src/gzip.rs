//! Unpacking an embedded table. The only place that knows the compression.

use std::io::Read;

/// The text of an embedded gzip file; what was readable of it when it is damaged, which the tests exclude.
pub fn unpack(bytes: &[u8]) -> String {
    let mut text = String::new();
    // A damaged table is a bug of the build, caught by the row counts in the tests; it must not end a run.
    let _ = flate2::read::GzDecoder::new(bytes).read_to_string(&mut text);
    text
}
