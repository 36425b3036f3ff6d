//! An object as it was handed over, before anything is known about it.

/// One object of the input. `List`s are already unfolded.
#[derive(Clone, Debug)]
pub struct RawObject {
    /// The object, as JSON.
    pub value: std::sync::Arc<serde_json::Value>,
    /// Where the object starts inside its document: the root, or `/items/N` of a `List`.
    pub root: cluster::FieldPath,
    /// Which document of the input it came from; an index that `sources` understands.
    pub document: u32,
}
