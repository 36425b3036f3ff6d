//! The stable codes of what can be wrong with the input before anything is known about the objects in it.
//!
//! Messages are written where the fault is found; here are only code, name and what to do about it.

/// A code with its name and the sentence that `explain` prints.
pub type Entry = (&'static str, &'static str, &'static str);

/// A file, directory or stream cannot be read.
pub const UNREADABLE: &str = "INPUT101";
/// The bytes are not UTF-8 text.
pub const NOT_TEXT: &str = "INPUT102";
/// Not YAML and not JSON.
pub const SYNTAX: &str = "INPUT103";
/// A key is written twice in one map.
pub const DUPLICATE_KEY: &str = "INPUT104";
/// A bound of [`crate::Limits`] was reached.
pub const TOO_LARGE: &str = "INPUT105";
/// A document without `apiVersion` and `kind`.
pub const NOT_AN_OBJECT: &str = "INPUT106";
/// kustomize is missing or failed.
pub const KUSTOMIZE: &str = "INPUT107";
/// A chart or an overlay that has to be rendered first.
pub const NOT_RENDERED: &str = "INPUT108";
/// A project file that cannot be understood.
pub const PROJECT: &str = "INPUT109";
/// A patch or an edit that cannot be applied.
pub const PATCH: &str = "INPUT110";
/// A patch that added an object.
pub const ADDED: &str = "INPUT111";

/// A directory whose manifests are all in its subdirectories, read without them.
pub const LEFT_OUT: &str = "INPUT112";

/// A suppression that does not hold or is not needed. Found by `report`, which suppresses.
pub const SUPPRESSION: &str = "INPUT120";

/// All codes of this crate, in order.
pub const ALL: [Entry; 13] = [
    (UNREADABLE, "unreadable-input", "A file, directory or stream could not be opened or read."),
    (NOT_TEXT, "not-text", "The input is not UTF-8 text, or holds control characters that YAML forbids."),
    (
        SYNTAX,
        "broken-document",
        "The document is neither YAML nor JSON; the other documents are still judged.",
    ),
    (
        DUPLICATE_KEY,
        "duplicate-key",
        "A key is written twice in one map. kubectl silently takes the last one, kustomize and Flux refuse the document; so it is not judged.",
    ),
    (
        TOO_LARGE,
        "input-too-large",
        "The input is nested too deeply, too large, or its aliases expand too far.",
    ),
    (
        NOT_AN_OBJECT,
        "not-an-object",
        "A document without apiVersion and kind is no Kubernetes object and is left out.",
    ),
    (
        KUSTOMIZE,
        "kustomize-unavailable",
        "Overlays are rendered by your own kustomize or kubectl, which is not on the PATH or failed.",
    ),
    (
        NOT_RENDERED,
        "not-rendered",
        "Charts and overlays are not read raw: render them, and hand over the result.",
    ),
    (PROJECT, "broken-project-file", "The .plimsoll.yaml cannot be understood, wholly or in part."),
    (PATCH, "patch-not-applied", "A patch or an edit names an object or a field that is not there."),
    (
        ADDED,
        "patch-added-object",
        "A patch names an object that is not in the input and is complete in itself: it was added.",
    ),
    (
        LEFT_OUT,
        "subdirectories-left-out",
        "A directory of `-f` has no manifests of its own, and those of its subdirectories are read with -R only.",
    ),
    (
        SUPPRESSION,
        "suppression-not-needed",
        "An `ignore` of the project file or an annotation suppresses nothing, has ended, or gives no reason.",
    ),
];
