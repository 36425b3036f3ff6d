//! How much input is read before it is refused: every loop and queue of the loader has its bound here.

/// Bounds on the input. The defaults are far above any cluster and far below what would exhaust the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of one file, in bytes; below 4 GiB, because positions are kept as 32-bit offsets.
    pub file_bytes: u64,
    /// Size of all files together, in bytes.
    pub total_bytes: u64,
    /// Number of files.
    pub files: usize,
    /// Number of documents, empty ones not counted, and of objects in one of them.
    pub documents: usize,
    /// Nesting of maps and lists. Values are dropped and compared recursively, so this also bounds the stack.
    /// Kubernetes' deepest real objects (CustomResourceDefinitions) stay below 100.
    pub depth: usize,
    /// What aliases (`*name`) may expand to in all files together, in bytes.
    pub alias_bytes: u64,
    /// Nesting of directories.
    pub directories: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            file_bytes: 512 << 20,
            total_bytes: 2 << 30,
            files: 100_000,
            documents: 500_000,
            depth: 250,
            alias_bytes: 64 << 20,
            directories: 32,
        }
    }
}
