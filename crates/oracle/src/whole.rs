//! A generated cluster is all there is. A user's input may be a part of a cluster, and what it names is taken to exist
//! (`api::absent`); here, what is not written is not there.

use cluster::{Declared, Kind};

/// Takes away the classes that were only taken to exist.
pub(crate) fn forget_assumed(declared: &mut Declared) {
    declared.storage_classes.retain(|class| class.location.object.kind == Kind::StorageClass);
}
