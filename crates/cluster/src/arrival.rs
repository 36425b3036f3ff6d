//! When an object of the input comes into the cluster.

/// When an object arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// In the cluster at t=0, node groups and their pods included.
    pub existing: bool,
    /// An add-on of the profile: comes before everything of the manifests.
    pub addon: bool,
    /// `argocd.argoproj.io/sync-wave`; 0 where absent.
    pub wave: i32,
    /// Helm hook or Argo CD hook.
    pub hook: Option<Hook>,
    /// Position in the stream.
    pub index: u32,
}

/// A hook: runs in its phase, and the next phase waits for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hook {
    /// Before or after the objects of the release.
    pub phase: HookPhase,
    /// `helm.sh/hook-weight`.
    pub weight: i32,
    /// Deleted once it succeeded.
    pub delete_on_success: bool,
}

/// The phases that happen at an installation. Hooks of other phases (upgrade only, delete, rollback, test) do
/// not arrive at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookPhase {
    /// `crd-install`, `pre-install`, Argo CD `PreSync`.
    Before,
    /// `post-install`, Argo CD `PostSync`.
    After,
}
