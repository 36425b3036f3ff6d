//! A change that might help: edits of the input, each of which a person would make.

use sources::Edit;

/// A change that might help.
#[derive(Clone, Debug, PartialEq)]
pub struct Remedy {
    /// Which generator proposed it; stable, e.g. `prefix-delegation`.
    pub id: &'static str,
    /// What to do, as an imperative sentence without a full stop.
    pub title: String,
    /// The edits of manifests and profile that express it in a run.
    pub edits: Vec<Edit>,
    /// What a person has to do besides editing: an operation on the running cluster. The edits of the profile
    /// say what is true after it.
    pub operation: Option<String>,
    /// Whether it is a change of settings (0), takes something away (1), or buys capacity (2): the smaller is
    /// preferred among sets of the same size.
    pub cost: u32,
}
