//! A story's folder: its inputs are written here and its commands run here.

use std::fs;
use std::path::{Path, PathBuf};

use super::merge::patched;
use super::story::{Act, Source};

/// An empty folder that goes when this does.
pub struct Folder {
    root: tempfile::TempDir,
    /// The folder of the scenario file: where paths are relative to.
    scenarios: PathBuf,
}

impl Folder {
    /// An empty one, for a story of a file in `scenarios`.
    pub fn empty(scenarios: &Path) -> Result<Folder, String> {
        let root = tempfile::tempdir().map_err(|error| error.to_string())?;
        Ok(Folder { root, scenarios: scenarios.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Writes an input; one of the same name is replaced. Commands are none of its business.
    pub fn write(&self, act: &Act) -> Result<(), String> {
        match act {
            Act::Write { name, text } => {
                let path = self.fresh(name)?;
                fs::write(&path, text).map_err(|error| format!("{name}: {error}"))
            }
            Act::Copy { name, from, patch } => self.copy(name, from, patch),
            Act::Run(_) => Ok(()),
        }
    }

    fn copy(&self, name: &str, from: &Source, patch: &str) -> Result<(), String> {
        let (label, source) = match from {
            Source::Input(input) => (input, self.path().join(input)),
            Source::Path(path) => (path, self.scenarios.join(path)),
        };
        let fault = |error: std::io::Error| format!("{label}: {error}");
        if source.is_dir() {
            if !super::merge::value(patch)?.is_null() {
                return Err(format!("{label} is a folder: a patch changes one file"));
            }
            return copy_folder(&source, &self.fresh(name)?).map_err(fault);
        }
        let text = fs::read_to_string(&source).map_err(fault)?;
        let text = patched(&text, patch).map_err(|reason| format!("{label}: {reason}"))?;
        fs::write(self.fresh(name)?, text).map_err(fault)
    }

    /// The path of an input that is not there any more, in a folder that is.
    fn fresh(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path().join(name);
        let parent = path.parent().unwrap_or(self.path());
        let made = fs::create_dir_all(parent)
            .and_then(|()| if path.is_dir() { fs::remove_dir_all(&path) } else { Ok(()) });
        made.map(|()| path).map_err(|error| format!("{name}: {error}"))
    }
}

/// Copies all of a folder. What a link leads to is not followed out of it: links are copied as links.
fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
