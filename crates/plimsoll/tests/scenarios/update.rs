//! Writes what came in place of what was expected.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Lines of a file and what replaces them.
type Rewrite = (Range<usize>, String);

/// Replacements by file, gathered from stories that run side by side.
#[derive(Debug, Default)]
pub struct Updates {
    files: Mutex<BTreeMap<PathBuf, Vec<Rewrite>>>,
}

impl Updates {
    /// Notes that these bytes of a file are to be replaced.
    pub fn add(&self, file: &Path, place: Range<usize>, text: String) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.entry(file.to_owned()).or_default().push((place, text));
    }

    /// Rewrites the files; the number of blocks that were replaced.
    pub fn write(&self) -> std::io::Result<usize> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        for (file, replacements) in files.iter() {
            fs::write(file, replaced(&fs::read_to_string(file)?, replacements))?;
        }
        Ok(files.values().map(Vec::len).sum())
    }
}

/// The text with the replacements, which do not overlap. Blank lines at the end of a place stay.
pub fn replaced(text: &str, replacements: &[(Range<usize>, String)]) -> String {
    let mut replacements: Vec<_> = replacements.iter().collect();
    replacements.sort_by_key(|(place, _)| place.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (place, new) in replacements {
        let old = &text[place.clone()];
        let blank = old.len() - old.trim_end().len();
        let line_end = usize::from(blank > 0 && blank < old.len());
        out.push_str(&text[done..place.start]);
        out.push_str(new);
        out.push_str(&old[old.len() - blank + line_end..]);
        done = place.end;
    }
    out.push_str(&text[done..]);
    out
}
