//! Where input comes from: files, directories, stdin. The only other place that touches the outside world is
//! [`crate::kustomize`].
//!
//! `-f` means what it means to kubectl (`cli-runtime/pkg/resource`): a file of any name; a directory's `.yaml`,
//! `.yml` and `.json` in name order, its subdirectories only when asked; `-` is stdin. URLs are not fetched.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use api::Severity;

use crate::codes;
use crate::inputs::Inputs;
use crate::kustomize::Tools;
use crate::limits::Limits;
use crate::load::Loader;

/// Reads what was asked for, in that order, and never fails: what cannot be read is a problem.
pub struct Reader<'r> {
    pub(crate) loader: Loader,
    pub(crate) tools: &'r Tools,
    cwd: PathBuf,
    stdin: Option<&'r mut dyn Read>,
    /// Files that were read, under their real paths: one that is named twice is still one.
    seen: BTreeSet<PathBuf>,
}

impl<'r> Reader<'r> {
    /// A reader that resolves relative paths against `cwd`, and prints paths relative to it.
    pub fn new(cwd: &Path, limits: Limits, tools: &'r Tools) -> Reader<'r> {
        Reader { loader: Loader::new(limits), tools, cwd: cwd.to_owned(), stdin: None, seen: BTreeSet::new() }
    }

    /// Gives it a standard input, for `-`.
    #[must_use]
    pub fn with_stdin(mut self, stdin: &'r mut dyn Read) -> Reader<'r> {
        self.stdin = Some(stdin);
        self
    }

    /// `-f WHAT`, with `-R` when `recursive`.
    pub fn filename(&mut self, what: &str, recursive: bool) {
        if what == "-" {
            self.stdin();
        } else if what.starts_with("http://") || what.starts_with("https://") {
            let help = "download it, and hand over the file: nothing is fetched from the network";
            self.loader.add_problem(what, codes::UNREADABLE, "URLs are not read", Some(help));
        } else {
            self.path(Path::new(what), recursive);
        }
    }

    /// A file, or a directory as `check DIR` reads it: with what is below it.
    pub fn path(&mut self, path: &Path, recursive: bool) {
        let full = self.cwd.join(path);
        match std::fs::metadata(&full) {
            Ok(metadata) if metadata.is_dir() => self.directory(&full, recursive, 0),
            Ok(_) => self.file(&full),
            Err(error) => self.unreadable(&full, &error),
        }
    }

    /// All that was read.
    pub fn finish(mut self) -> Inputs {
        for name in self.loader.applied_files() {
            self.path(Path::new(&name), true);
        }
        self.loader.finish()
    }

    /// A path as messages show it: relative to the current directory where it lies below it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        shown(&self.cwd, path)
    }

    pub(crate) fn cwd(&self) -> &Path {
        &self.cwd
    }

    fn stdin(&mut self) {
        let most = self.loader.limits().file_bytes;
        let Some(stdin) = self.stdin.take() else {
            let message = "stdin can be read only once";
            return self.loader.add_problem("stdin", codes::UNREADABLE, message, None);
        };
        match take(stdin, most) {
            Ok(bytes) => self.loader.add_bytes("stdin", bytes),
            Err(error) => self.loader.add_problem("stdin", codes::UNREADABLE, &reason(&error), None),
        }
    }

    fn file(&mut self, path: &Path) {
        if path.canonicalize().is_ok_and(|real| !self.seen.insert(real)) {
            return;
        }
        let most = self.loader.limits().file_bytes;
        let bytes = std::fs::File::open(path).and_then(|file| take(file, most));
        match bytes {
            Ok(bytes) => self.loader.add_bytes(&shown(&self.cwd, path), bytes),
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        let name = self.shown(path);
        self.loader.add_problem(&name, codes::UNREADABLE, &reason(error), None);
    }

    fn directory(&mut self, directory: &Path, recursive: bool, depth: usize) {
        if depth > self.loader.limits().directories {
            let name = self.shown(directory);
            return self.loader.add_problem(
                &name,
                codes::TOO_LARGE,
                "directories are nested too deeply",
                None,
            );
        }
        let entries = std::fs::read_dir(directory).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
        });
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(directory, &error),
        };
        entries.sort();
        if !self.is_rendered(directory, &entries) {
            return;
        }
        if !recursive && !entries.iter().any(|path| is_manifest(path)) {
            self.left_out(directory, &entries);
        }
        for path in entries {
            let hidden = name(&path).starts_with('.');
            // Like kubectl's walk: links to directories are not followed, so there are no loops.
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                if recursive && !hidden {
                    self.directory(&path, recursive, depth + 1);
                }
            } else if !hidden && is_manifest(&path) && path.is_file() {
                self.file(&path);
            }
        }
    }

    /// Says so when what is asked for is one level down.
    fn left_out(&mut self, directory: &Path, entries: &[PathBuf]) {
        let below = |path: &&PathBuf| {
            let files = std::fs::read_dir(path).into_iter().flatten().flatten();
            !name(path).starts_with('.') && files.map(|file| file.path()).any(|file| is_manifest(&file))
        };
        let Some(first) = entries.iter().find(below) else { return };
        let shown = self.shown(directory);
        let message = format!(
            "it has no manifests of its own, and those of its subdirectories ({}, …) are not read",
            name(first)
        );
        let built = entries.iter().any(|path| is_kustomization(name(path)));
        let help = match built {
            true => format!(
                "have its kustomization built with `-k {shown}`, or add -R to read them as they stand"
            ),
            false => "add -R to read them".to_owned(),
        };
        self.loader.note(&shown, Severity::Warning, codes::LEFT_OUT, &message, Some(&help));
    }

    /// Whether a directory's files are objects as they stand; says so if not.
    fn is_rendered(&mut self, directory: &Path, entries: &[PathBuf]) -> bool {
        let shown = self.shown(directory);
        if entries.iter().any(|path| name(path) == "Chart.yaml") {
            let message = "this is a Helm chart: its templates are not read";
            let help = format!("render it: `helm template {shown} | plimsoll check -f -`");
            self.loader.note(&shown, Severity::Warning, codes::NOT_RENDERED, message, Some(&help));
            return false;
        }
        let kustomization = entries.iter().find(|path| is_kustomization(name(path)));
        let changes = kustomization.map(|path| transformers(path, self.loader.limits())).unwrap_or_default();
        if changes.is_empty() {
            return true;
        }
        let message = format!(
            "its kustomization changes what the files say ({}): they are not read",
            changes.join(", ")
        );
        let help = format!("have it built: `-k {shown}`");
        self.loader.note(&shown, Severity::Warning, codes::NOT_RENDERED, &message, Some(&help));
        false
    }
}

fn take(reader: impl Read, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to tell that it is too large.
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is_kustomization(name: &str) -> bool {
    matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}

fn is_manifest(path: &Path) -> bool {
    let known = matches!(path.extension().and_then(|end| end.to_str()), Some("yaml" | "yml" | "json"));
    known && !is_kustomization(name(path))
}

/// What a kustomization does besides naming files: its fields that change objects or make new ones.
fn transformers(path: &Path, limits: &Limits) -> Vec<String> {
    const HARMLESS: [&str; 8] =
        ["apiVersion", "kind", "metadata", "resources", "bases", "sortOptions", "buildMetadata", "openapi"];
    let text = std::fs::File::open(path).and_then(|file| take(file, limits.file_bytes.min(1 << 20)));
    let text = text.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let Some(parsed) = crate::rewrite::read_one(&text) else { return Vec::new() };
    let map = parsed.built.value.as_object().cloned().unwrap_or_default();
    map.into_iter().map(|(key, _)| key).filter(|key| !HARMLESS.contains(&key.as_str())).collect()
}

/// A path without `.` and `..` where they can be resolved by name, relative to `cwd` where it lies below it.
pub(crate) fn shown(cwd: &Path, path: &Path) -> String {
    let full = clean(&cwd.join(path));
    let shown = full.strip_prefix(clean(cwd)).unwrap_or(&full);
    if shown.as_os_str().is_empty() { ".".to_owned() } else { shown.to_string_lossy().replace('\\', "/") }
}

fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_relative_to_the_current_directory() {
        let cwd = Path::new("/srv/repo");
        for (path, expected) in [
            ("a/b.yaml", "a/b.yaml"),
            ("./a/../b.yaml", "b.yaml"),
            ("/srv/repo/x.yaml", "x.yaml"),
            ("/etc/x.yaml", "/etc/x.yaml"),
            ("../other/x.yaml", "/srv/other/x.yaml"),
            (".", "."),
        ] {
            assert_eq!(shown(cwd, Path::new(path)), expected);
        }
    }
}
