//! A pod as the checks of Pod Security look at it, and what they find. Decides nothing.

use std::collections::BTreeSet;

use cluster::{FieldPath, Labels};
use k8s_openapi::api::core::v1::{Container, PodSecurityContext, PodSpec, SecurityContext};

/// A pod under check.
pub(super) struct Subject<'a> {
    pub(super) spec: &'a PodSpec,
    pub(super) annotations: &'a Labels,
    /// The minor version of the checks.
    pub(super) minor: u32,
}

/// What a check found: its reason and detail in the plugin's words, and the fields, below the pod's spec, with what
/// is wrong there and what to write instead.
pub(super) struct Found {
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) at: Vec<Place>,
}

/// A field, what is wrong there, what to write instead.
pub(super) type Place = (FieldPath, String, String);

impl Found {
    /// `reason (detail)`.
    pub(super) fn shown(&self) -> String {
        if self.detail.is_empty() {
            self.reason.clone()
        } else {
            format!("{} ({})", self.reason, self.detail)
        }
    }
}

impl<'a> Subject<'a> {
    pub(super) fn new(spec: &'a PodSpec, annotations: &'a Labels, minor: u32) -> Subject<'a> {
        Subject { spec, annotations, minor }
    }

    /// Init containers, then containers, each with its path below the spec.
    pub(super) fn containers(&self) -> impl Iterator<Item = (FieldPath, &'a Container)> {
        let inits = self.spec.init_containers.iter().flatten().enumerate();
        let inits = inits.map(|(index, one)| (FieldPath::of("/initContainers").child(index), one));
        let main = self.spec.containers.iter().enumerate();
        inits.chain(main.map(|(index, one)| (FieldPath::of("/containers").child(index), one)))
    }

    /// The same with their security contexts.
    pub(super) fn contexts(
        &self,
    ) -> impl Iterator<Item = (FieldPath, &'a Container, Option<&'a SecurityContext>)> {
        self.containers()
            .map(|(path, one)| (path.child("securityContext"), one, one.security_context.as_ref()))
    }

    /// The pod's own security context.
    pub(super) fn pod_context(&self) -> Option<&'a PodSecurityContext> {
        self.spec.security_context.as_ref()
    }

    /// `spec.os.name: windows`, which checks of Linux settings have let through since v1.25.
    pub(super) fn is_windows(&self) -> bool {
        self.minor >= 25 && self.spec.os.as_ref().is_some_and(|os| os.name == "windows")
    }

    /// `hostUsers: false`: since v1.35 its root is nobody on the node.
    pub(super) fn has_own_users(&self) -> bool {
        self.minor >= 35 && self.spec.host_users == Some(false)
    }
}

/// A pod-wide field below `securityContext`.
pub(super) fn pod_path(field: &str) -> FieldPath {
    FieldPath::of("/securityContext").child(field)
}

/// `"a", "b"`.
pub(super) fn quoted<'t>(items: impl IntoIterator<Item = &'t str>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("{item:?}")).collect();
    items.join(", ")
}

/// `container "a"` / `containers "a", "b"`.
pub(super) fn containers(names: &[&str]) -> String {
    format!("{} {}", plural(names.len(), "container"), quoted(names.iter().copied()))
}

/// A noun in the number of what it counts.
pub(super) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

/// Who set a bad value, the pod and containers, and which values those are.
#[derive(Default)]
pub(super) struct Setters<'a> {
    pub(super) pod: bool,
    pub(super) names: Vec<&'a str>,
    pub(super) values: BTreeSet<String>,
    pub(super) at: Vec<Place>,
}

impl Setters<'_> {
    /// `pod and containers "a", "b"`; `None` when nobody did.
    pub(super) fn shown(&self) -> Option<String> {
        let named = (!self.names.is_empty()).then(|| containers(&self.names));
        match (self.pod, named) {
            (true, Some(named)) => Some(format!("pod and {named}")),
            (true, None) => Some("pod".to_owned()),
            (false, named) => named,
        }
    }

    /// The values, quoted.
    pub(super) fn quoted(&self) -> String {
        quoted(self.values.iter().map(String::as_str))
    }
}
