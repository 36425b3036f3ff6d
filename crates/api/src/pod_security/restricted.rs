//! The checks that the level `restricted` adds to those of `baseline`: what a pod has to give up in writing.
//!
//! Follows `k8s.io/pod-security-admission` v0.36 `policy/check_*.go`, one function a check.

use std::collections::BTreeSet;

use cluster::FieldPath;
use k8s_openapi::api::core::v1::Volume;

use super::Check;
use super::baseline::{allowed_seccomp, proc_mount, seccomp_found, seccomp_setters};
use super::subject::{Found, Place, Setters, Subject, containers, plural, pod_path, quoted};

/// The checks by their names, in the order of their names.
pub(super) const CHECKS: [(&str, Check); 7] = [
    ("allowPrivilegeEscalation", (8, escalation)),
    ("capabilities_restricted", (22, capabilities)),
    ("procMount_restricted", (35, proc_mount)),
    ("restrictedVolumes", (0, volumes)),
    ("runAsNonRoot", (0, run_as_non_root)),
    ("runAsUser", (23, run_as_user)),
    ("seccompProfile_restricted", (19, seccomp)),
];

fn escalation(pod: &Subject<'_>) -> Option<Found> {
    if pod.is_windows() {
        return None;
    }
    let mut bad = Setters::default();
    for (path, container, context) in pod.contexts() {
        let allowed = context.and_then(|context| context.allow_privilege_escalation);
        if allowed != Some(false) {
            bad.names.push(&container.name);
            let what =
                if allowed.is_some() { "privileges may grow" } else { "not ruled out: may gain privileges" };
            let instead = "write allowPrivilegeEscalation: false".to_owned();
            bad.at.push((path.child("allowPrivilegeEscalation"), what.to_owned(), instead));
        }
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", bad.shown()?);
    Some(Found { reason: "allowPrivilegeEscalation != false".to_owned(), detail, at: bad.at })
}

fn capabilities(pod: &Subject<'_>) -> Option<Found> {
    if pod.is_windows() {
        return None;
    }
    let (mut keeping, mut adding) = (Vec::new(), Vec::new());
    let mut added = BTreeSet::new();
    let mut at: Vec<Place> = Vec::new();
    for (path, container, context) in pod.contexts() {
        let path = path.child("capabilities");
        let own = context.and_then(|context| context.capabilities.as_ref());
        let dropped = own.and_then(|own| own.drop.as_ref());
        if !dropped.is_some_and(|dropped| dropped.iter().any(|name| name == "ALL")) {
            keeping.push(container.name.as_str());
            at.push((path.child("drop"), "keeps capabilities".to_owned(), "write drop: [ALL]".to_owned()));
        }
        let before = at.len();
        for (index, name) in own.and_then(|own| own.add.as_ref()).into_iter().flatten().enumerate() {
            if name != "NET_BIND_SERVICE" {
                added.insert(name.as_str());
                at.push((path.child("add").child(index), format!("adds {name}"), format!("remove {name}")));
            }
        }
        if at.len() > before {
            adding.push(container.name.as_str());
        }
    }
    let dropping = (!keeping.is_empty())
        .then(|| format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", containers(&keeping)));
    let adding = (!adding.is_empty()).then(|| {
        let added = quoted(added.iter().copied());
        format!("{} must not include {added} in securityContext.capabilities.add", containers(&adding))
    });
    let details: Vec<String> = dropping.into_iter().chain(adding).collect();
    (!details.is_empty()).then(|| Found {
        reason: "unrestricted capabilities".to_owned(),
        detail: details.join("; "),
        at,
    })
}

fn volumes(pod: &Subject<'_>) -> Option<Found> {
    let mut bad = Setters::default();
    for (index, volume) in pod.spec.volumes.iter().flatten().enumerate() {
        let Some(kind) = restricted_type(volume) else { continue };
        bad.names.push(&volume.name);
        bad.values.insert(kind.to_owned());
        let at = FieldPath::of("/volumes").child(index).child(kind);
        bad.at.push((at, format!("a {kind} volume"), "mount an emptyDir or a volume claim".to_owned()));
    }
    if bad.names.is_empty() {
        return None;
    }
    let uses = if bad.names.len() == 1 { "uses" } else { "use" };
    let detail = format!(
        "{} {} {uses} {} {}",
        plural(bad.names.len(), "volume"),
        quoted(bad.names.iter().copied()),
        plural(bad.values.len(), "restricted volume type"),
        bad.quoted()
    );
    Some(Found { reason: "restricted volume types".to_owned(), detail, at: bad.at })
}

/// The type of a volume that is not on the list of those allowed; one without a source is an emptyDir.
fn restricted_type(volume: &Volume) -> Option<&'static str> {
    let types = [
        ("hostPath", volume.host_path.is_some()),
        ("gcePersistentDisk", volume.gce_persistent_disk.is_some()),
        ("awsElasticBlockStore", volume.aws_elastic_block_store.is_some()),
        ("gitRepo", volume.git_repo.is_some()),
        ("nfs", volume.nfs.is_some()),
        ("iscsi", volume.iscsi.is_some()),
        ("glusterfs", volume.glusterfs.is_some()),
        ("rbd", volume.rbd.is_some()),
        ("flexVolume", volume.flex_volume.is_some()),
        ("cinder", volume.cinder.is_some()),
        ("cephfs", volume.cephfs.is_some()),
        ("flocker", volume.flocker.is_some()),
        ("fc", volume.fc.is_some()),
        ("azureFile", volume.azure_file.is_some()),
        ("vsphereVolume", volume.vsphere_volume.is_some()),
        ("quobyte", volume.quobyte.is_some()),
        ("azureDisk", volume.azure_disk.is_some()),
        ("photonPersistentDisk", volume.photon_persistent_disk.is_some()),
        ("portworxVolume", volume.portworx_volume.is_some()),
        ("scaleIO", volume.scale_io.is_some()),
        ("storageos", volume.storageos.is_some()),
    ];
    types.iter().find(|(_, set)| *set).map(|(name, _)| *name)
}

fn run_as_non_root(pod: &Subject<'_>) -> Option<Found> {
    if pod.has_own_users() {
        return None;
    }
    let of_pod = pod.pod_context().and_then(|context| context.run_as_non_root);
    let (mut bad, mut silent) =
        (Setters { pod: of_pod == Some(false), ..Setters::default() }, Setters::default());
    let place = |path: FieldPath, what: &str| (path, what.to_owned(), "write runAsNonRoot: true".to_owned());
    if bad.pod {
        bad.at.push(place(pod_path("runAsNonRoot"), "runAsNonRoot: false"));
    }
    for (path, container, context) in pod.contexts() {
        match context.and_then(|context| context.run_as_non_root) {
            Some(false) => {
                bad.names.push(&container.name);
                bad.at.push(place(path.child("runAsNonRoot"), "runAsNonRoot: false"));
            }
            None if of_pod != Some(true) => {
                silent.names.push(&container.name);
                silent.at.push(place(path.child("runAsNonRoot"), "may run as root"));
            }
            _ => {}
        }
    }
    let reason = "runAsNonRoot != true".to_owned();
    if let Some(named) = bad.shown() {
        let detail = format!("{named} must not set securityContext.runAsNonRoot=false");
        return Some(Found { reason, detail, at: bad.at });
    }
    let detail = format!("pod or {} must set securityContext.runAsNonRoot=true", silent.shown()?);
    Some(Found { reason, detail, at: silent.at })
}

fn run_as_user(pod: &Subject<'_>) -> Option<Found> {
    if pod.has_own_users() {
        return None;
    }
    let mut bad = Setters::default();
    let place = |path: FieldPath| (path, "runs as root".to_owned(), "write another user than 0".to_owned());
    if pod.pod_context().and_then(|context| context.run_as_user) == Some(0) {
        bad.pod = true;
        bad.at.push(place(pod_path("runAsUser")));
    }
    for (path, container, context) in pod.contexts() {
        if context.and_then(|context| context.run_as_user) == Some(0) {
            bad.names.push(&container.name);
            bad.at.push(place(path.child("runAsUser")));
        }
    }
    let detail = format!("{} must not set runAsUser=0", bad.shown()?);
    Some(Found { reason: "runAsUser=0".to_owned(), detail, at: bad.at })
}

fn seccomp(pod: &Subject<'_>) -> Option<Found> {
    if pod.is_windows() {
        return None;
    }
    if let Some(bad) = seccomp_setters(pod) {
        return seccomp_found(bad);
    }
    let own = pod.pod_context().and_then(|context| context.seccomp_profile.as_ref());
    if own.is_some_and(|profile| allowed_seccomp(&profile.type_)) {
        return None;
    }
    let mut silent = Setters::default();
    for (path, container, context) in pod.contexts() {
        if context.and_then(|context| context.seccomp_profile.as_ref()).is_none() {
            silent.names.push(&container.name);
            let instead = "write seccompProfile: {type: RuntimeDefault}".to_owned();
            silent.at.push((path.child("seccompProfile"), "no seccomp profile".to_owned(), instead));
        }
    }
    let detail = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
        silent.shown()?
    );
    Some(Found { reason: "seccompProfile".to_owned(), detail, at: silent.at })
}
