//! The same bytes for the same input: every example, whatever the number of threads, and again.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Every folder of `examples` that is a project, in the order of their names.
fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let entries = folder.read_dir().expect("the repository has a folder examples");
    let mut examples: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry of examples").path()).collect();
    examples.retain(|path| path.join(".plimsoll.yaml").is_file());
    examples.sort();
    examples
}

fn check(example: &Path, jobs: &str, format: &str) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    let output = command.args(["check", "--jobs", jobs, "-v", "-o", format]).arg(example).output();
    output.expect("the binary runs").stdout
}

#[test]
fn threads_and_repetition_change_no_byte() {
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:?}");
    for example in examples {
        for format in ["text", "json"] {
            let first = check(&example, "1", format);
            assert!(!first.is_empty(), "{} says nothing", example.display());
            for jobs in ["2", "8", "8"] {
                assert!(first == check(&example, jobs, format), "{} with {jobs} threads", example.display());
            }
        }
    }
}
