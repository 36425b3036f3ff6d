//! The checks of the level `baseline`: what lets a pod reach into its node.
//!
//! Follows `k8s.io/pod-security-admission` v0.36 `policy/check_*.go`, one function a check.

use cluster::FieldPath;
use k8s_openapi::api::core::v1::{LifecycleHandler, Probe, SELinuxOptions};

use super::Check;
use super::subject::{Found, Setters, Subject, containers, plural, pod_path, quoted};

/// The checks by their names, in the order of their names: the order in which the plugin reports them.
pub(super) const CHECKS: [(&str, Check); 12] = [
    ("appArmorProfile", (0, app_armor)),
    ("capabilities_baseline", (0, capabilities)),
    ("hostNamespaces", (0, host_namespaces)),
    ("hostPathVolumes", (0, host_path_volumes)),
    ("hostPorts", (0, host_ports)),
    ("hostProbesAndHostLifecycle", (34, host_probes)),
    ("privileged", (0, privileged)),
    ("procMount", (0, proc_mount_of_host_users)),
    ("seLinuxOptions", (0, se_linux)),
    ("seccompProfile_baseline", (19, seccomp)),
    ("sysctls", (0, sysctls)),
    ("windowsHostProcess", (0, host_process)),
];

const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Sysctls that are safe, each with the minor version of the checks that first lets it through.
const SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

fn app_armor(pod: &Subject<'_>) -> Option<Found> {
    let allowed = |kind: &str| matches!(kind, "RuntimeDefault" | "Localhost");
    let mut bad = Setters::default();
    let mut see = |path: FieldPath, kind: &str| {
        bad.values.insert(kind.to_owned());
        bad.at.push((path, format!("AppArmor {kind}"), "write RuntimeDefault or Localhost".to_owned()));
    };
    let own = pod.pod_context().and_then(|context| context.app_armor_profile.as_ref());
    let own = own.filter(|profile| !allowed(&profile.type_));
    if let Some(profile) = own {
        see(pod_path("appArmorProfile").child("type"), &profile.type_);
    }
    let mut names = Vec::new();
    for (path, container, context) in pod.contexts() {
        let profile = context.and_then(|context| context.app_armor_profile.as_ref());
        if let Some(profile) = profile.filter(|profile| !allowed(&profile.type_)) {
            names.push(container.name.as_str());
            see(path.child("appArmorProfile").child("type"), &profile.type_);
        }
    }
    (bad.pod, bad.names) = (own.is_some(), names);
    let annotations: Vec<String> = pod
        .annotations
        .iter()
        .filter(|(key, value)| {
            let fine = value.is_empty() || *value == "runtime/default" || value.starts_with("localhost/");
            key.starts_with(APP_ARMOR_ANNOTATION) && !fine
        })
        .map(|(key, value)| format!("{key}={:?}", value.as_str()))
        .collect();
    let mut setters: Vec<String> = bad.shown().into_iter().collect();
    if !annotations.is_empty() {
        setters.push(plural(annotations.len(), "annotation"));
        let what = "AppArmor profile in an annotation".to_owned();
        bad.at.push((FieldPath::root(), what, "remove the annotation".to_owned()));
    }
    let values: Vec<&str> = bad.values.iter().chain(&annotations).map(String::as_str).collect();
    (!setters.is_empty()).then(|| Found {
        reason: plural(values.len(), "forbidden AppArmor profile"),
        detail: format!("{} must not set AppArmor profile type to {}", setters.join(" and "), quoted(values)),
        at: bad.at,
    })
}

fn capabilities(pod: &Subject<'_>) -> Option<Found> {
    let mut bad = Setters::default();
    for (path, container, context) in pod.contexts() {
        let added =
            context.and_then(|context| context.capabilities.as_ref()).and_then(|own| own.add.as_ref());
        let before = bad.at.len();
        for (index, name) in added.into_iter().flatten().enumerate() {
            if !CAPABILITIES.contains(&name.as_str()) {
                bad.values.insert(name.clone());
                let at = path.child("capabilities").child("add").child(index);
                bad.at.push((at, format!("adds {name}"), format!("remove {name}")));
            }
        }
        if bad.at.len() > before {
            bad.names.push(&container.name);
        }
    }
    let named = bad.shown()?;
    let detail = format!("{named} must not include {} in securityContext.capabilities.add", bad.quoted());
    Some(Found { reason: "non-default capabilities".to_owned(), detail, at: bad.at })
}

fn host_namespaces(pod: &Subject<'_>) -> Option<Found> {
    let fields = [
        ("hostNetwork", pod.spec.host_network),
        ("hostPID", pod.spec.host_pid),
        ("hostIPC", pod.spec.host_ipc),
    ];
    let set: Vec<&str> = fields.iter().filter(|(_, set)| *set == Some(true)).map(|(name, _)| *name).collect();
    let place =
        |name: &&str| (FieldPath::root().child(name), format!("{name}: true"), format!("remove {name}"));
    (!set.is_empty()).then(|| Found {
        reason: "host namespaces".to_owned(),
        detail: set.iter().map(|name| format!("{name}=true")).collect::<Vec<_>>().join(", "),
        at: set.iter().map(place).collect(),
    })
}

fn host_path_volumes(pod: &Subject<'_>) -> Option<Found> {
    let volumes = pod.spec.volumes.iter().flatten().enumerate();
    let bad: Vec<_> = volumes.filter(|(_, volume)| volume.host_path.is_some()).collect();
    let place = |index: &usize| {
        let at = FieldPath::of("/volumes").child(index).child("hostPath");
        (at, "a directory of the node".to_owned(), "mount an emptyDir or a volume claim".to_owned())
    };
    (!bad.is_empty()).then(|| Found {
        reason: "hostPath volumes".to_owned(),
        detail: format!(
            "{} {}",
            plural(bad.len(), "volume"),
            quoted(bad.iter().map(|(_, volume)| volume.name.as_str()))
        ),
        at: bad.iter().map(|(index, _)| place(index)).collect(),
    })
}

/// On the host network every port is one of the node, by the API server's defaults.
fn host_ports(pod: &Subject<'_>) -> Option<Found> {
    let on_host = pod.spec.host_network == Some(true);
    let mut bad = Setters::default();
    for (path, container) in pod.containers() {
        let before = bad.at.len();
        for (index, port) in container.ports.iter().flatten().enumerate() {
            let number = match port.host_port.unwrap_or(0) {
                0 if on_host => port.container_port,
                number => number,
            };
            if number != 0 {
                bad.values.insert(number.to_string());
                let at = path.child("ports").child(index).child("hostPort");
                bad.at.push((at, format!("port {number} of the node"), "remove hostPort".to_owned()));
            }
        }
        if bad.at.len() > before {
            bad.names.push(&container.name);
        }
    }
    let named = bad.shown()?;
    let uses = if bad.names.len() == 1 { "uses" } else { "use" };
    let ports: Vec<&str> = bad.values.iter().map(String::as_str).collect();
    let detail = format!("{named} {uses} {} {}", plural(ports.len(), "hostPort"), ports.join(", "));
    Some(Found { reason: "hostPort".to_owned(), detail, at: bad.at })
}

fn host_probes(pod: &Subject<'_>) -> Option<Found> {
    let mut bad = Setters::default();
    for (path, container) in pod.containers() {
        let lifecycle = container.lifecycle.as_ref();
        let handlers = [
            ("livenessProbe", container.liveness_probe.as_ref().and_then(probe_host)),
            ("readinessProbe", container.readiness_probe.as_ref().and_then(probe_host)),
            ("startupProbe", container.startup_probe.as_ref().and_then(probe_host)),
            ("lifecycle", lifecycle.and_then(|own| own.post_start.as_ref()).and_then(handler_host)),
            ("lifecycle", lifecycle.and_then(|own| own.pre_stop.as_ref()).and_then(handler_host)),
        ];
        let before = bad.at.len();
        for (field, host) in handlers.into_iter().filter_map(|(field, host)| Some((field, host?))) {
            bad.values.insert(host.to_owned());
            bad.at.push((path.child(field), format!("asks host {host}"), "remove host".to_owned()));
        }
        if bad.at.len() > before {
            bad.names.push(&container.name);
        }
    }
    // The plugin sorts the containers of this check.
    bad.names.sort_unstable();
    let named = bad.shown()?;
    let uses = if bad.names.len() == 1 { "uses" } else { "use" };
    let hosts = plural(bad.values.len(), "probe or lifecycle host");
    let detail = format!("{named} {uses} {hosts} {}", bad.quoted());
    Some(Found { reason: "probe or lifecycle host".to_owned(), detail, at: bad.at })
}

fn written(host: Option<&String>) -> Option<&str> {
    host.map(String::as_str).filter(|host| !host.is_empty())
}

fn probe_host(probe: &Probe) -> Option<&str> {
    let http = probe.http_get.as_ref().and_then(|get| written(get.host.as_ref()));
    http.or_else(|| probe.tcp_socket.as_ref().and_then(|socket| written(socket.host.as_ref())))
}

fn handler_host(handler: &LifecycleHandler) -> Option<&str> {
    let http = handler.http_get.as_ref().and_then(|get| written(get.host.as_ref()));
    http.or_else(|| handler.tcp_socket.as_ref().and_then(|socket| written(socket.host.as_ref())))
}

fn privileged(pod: &Subject<'_>) -> Option<Found> {
    let bad = pod.contexts().filter(|(.., context)| context.and_then(|own| own.privileged) == Some(true));
    let bad: Vec<_> = bad.map(|(path, container, _)| (path, container.name.as_str())).collect();
    let names: Vec<&str> = bad.iter().map(|(_, name)| *name).collect();
    let place = |path: &FieldPath| {
        let instead = "remove it; add the capabilities that are needed".to_owned();
        (path.child("privileged"), "privileged: true".to_owned(), instead)
    };
    (!bad.is_empty()).then(|| Found {
        reason: "privileged".to_owned(),
        detail: format!("{} must not set securityContext.privileged=true", containers(&names)),
        at: bad.iter().map(|(path, _)| place(path)).collect(),
    })
}

fn proc_mount_of_host_users(pod: &Subject<'_>) -> Option<Found> {
    if pod.has_own_users() { None } else { proc_mount(pod) }
}

/// Any `procMount` but `Default`.
pub(super) fn proc_mount(pod: &Subject<'_>) -> Option<Found> {
    let mut bad = Setters::default();
    for (path, container, context) in pod.contexts() {
        let mount = context.and_then(|context| context.proc_mount.as_deref());
        if let Some(mount) = mount.filter(|mount| *mount != "Default") {
            bad.names.push(&container.name);
            bad.values.insert(mount.to_owned());
            bad.at.push((path.child("procMount"), format!("procMount: {mount}"), "remove it".to_owned()));
        }
    }
    let named = bad.shown()?;
    let detail = format!("{named} must not set securityContext.procMount to {}", bad.quoted());
    Some(Found { reason: "procMount".to_owned(), detail, at: bad.at })
}

fn se_linux(pod: &Subject<'_>) -> Option<Found> {
    let (mut bad, mut user, mut role) = (Setters::default(), false, false);
    let minor = pod.minor;
    let allowed = |kind: &str| {
        matches!(kind, "" | "container_t" | "container_init_t" | "container_kvm_t")
            || kind == "container_engine_t" && minor >= 31
    };
    let text = |field: &Option<String>| field.as_deref().unwrap_or_default().to_owned();
    let mut see = |path: FieldPath, options: &SELinuxOptions, bad: &mut Setters<'_>| {
        let before = bad.at.len();
        let kind = text(&options.type_);
        if !allowed(&kind) {
            bad.values.insert(kind);
            bad.at.push((path.child("type"), "a forbidden SELinux type".to_owned(), "remove it".to_owned()));
        }
        for (field, value, set) in [("user", &options.user, &mut user), ("role", &options.role, &mut role)] {
            if !text(value).is_empty() {
                *set = true;
                bad.at.push((path.child(field), format!("SELinux {field}"), "remove it".to_owned()));
            }
        }
        bad.at.len() > before
    };
    if let Some(options) = pod.pod_context().and_then(|context| context.se_linux_options.as_ref()) {
        bad.pod = see(pod_path("seLinuxOptions"), options, &mut bad);
    }
    for (path, container, context) in pod.contexts() {
        let options = context.and_then(|context| context.se_linux_options.as_ref());
        if options.is_some_and(|options| see(path.child("seLinuxOptions"), options, &mut bad)) {
            bad.names.push(&container.name);
        }
    }
    let named = bad.shown()?;
    let types =
        (!bad.values.is_empty()).then(|| format!("{} {}", plural(bad.values.len(), "type"), bad.quoted()));
    let user = user.then(|| "user may not be set".to_owned());
    let role = role.then(|| "role may not be set".to_owned());
    let data: Vec<String> = types.into_iter().chain(user).chain(role).collect();
    let detail = format!("{named} set forbidden securityContext.seLinuxOptions: {}", data.join("; "));
    Some(Found { reason: "seLinuxOptions".to_owned(), detail, at: bad.at })
}

fn seccomp(pod: &Subject<'_>) -> Option<Found> {
    seccomp_setters(pod).and_then(seccomp_found)
}

/// Who sets a seccomp profile that no level allows.
pub(super) fn seccomp_setters<'a>(pod: &Subject<'a>) -> Option<Setters<'a>> {
    let mut bad = Setters::default();
    let place = |path: FieldPath, kind: &str| {
        (path, format!("seccomp {kind}"), "write RuntimeDefault or Localhost".to_owned())
    };
    let own = pod.pod_context().and_then(|context| context.seccomp_profile.as_ref());
    if let Some(profile) = own.filter(|profile| !allowed_seccomp(&profile.type_)) {
        bad.pod = true;
        bad.values.insert(profile.type_.clone());
        bad.at.push(place(pod_path("seccompProfile").child("type"), &profile.type_));
    }
    for (path, container, context) in pod.contexts() {
        let profile = context.and_then(|context| context.seccomp_profile.as_ref());
        if let Some(profile) = profile.filter(|profile| !allowed_seccomp(&profile.type_)) {
            bad.names.push(&container.name);
            bad.values.insert(profile.type_.clone());
            bad.at.push(place(path.child("seccompProfile").child("type"), &profile.type_));
        }
    }
    (bad.pod || !bad.names.is_empty()).then_some(bad)
}

/// Whether a seccomp profile's type is one that levels allow.
pub(super) fn allowed_seccomp(kind: &str) -> bool {
    matches!(kind, "RuntimeDefault" | "Localhost")
}

/// The finding of those who set one.
pub(super) fn seccomp_found(bad: Setters<'_>) -> Option<Found> {
    let named = bad.shown()?;
    let detail = format!("{named} must not set securityContext.seccompProfile.type to {}", bad.quoted());
    Some(Found { reason: "seccompProfile".to_owned(), detail, at: bad.at })
}

fn sysctls(pod: &Subject<'_>) -> Option<Found> {
    let allowed = |name: &str| SYSCTLS.iter().any(|(safe, since)| *safe == name && *since <= pod.minor);
    let set = pod.pod_context().and_then(|context| context.sysctls.as_ref());
    let bad: Vec<_> =
        set.into_iter().flatten().enumerate().filter(|(_, sysctl)| !allowed(&sysctl.name)).collect();
    let names: Vec<&str> = bad.iter().map(|(_, sysctl)| sysctl.name.as_str()).collect();
    let place = |index: &usize| {
        (pod_path("sysctls").child(index), "a sysctl that is not safe".to_owned(), "remove it".to_owned())
    };
    (!bad.is_empty()).then(|| Found {
        reason: "forbidden sysctls".to_owned(),
        detail: names.join(", "),
        at: bad.iter().map(|(index, _)| place(index)).collect(),
    })
}

fn host_process(pod: &Subject<'_>) -> Option<Found> {
    let mut bad = Setters::default();
    let place = |path: FieldPath| {
        (
            path.child("windowsOptions").child("hostProcess"),
            "hostProcess: true".to_owned(),
            "remove it".to_owned(),
        )
    };
    let own = pod.pod_context().and_then(|context| context.windows_options.as_ref());
    if own.and_then(|options| options.host_process) == Some(true) {
        bad.pod = true;
        bad.at.push(place(FieldPath::of("/securityContext")));
    }
    for (path, container, context) in pod.contexts() {
        let options = context.and_then(|context| context.windows_options.as_ref());
        if options.and_then(|options| options.host_process) == Some(true) {
            bad.names.push(&container.name);
            bad.at.push(place(path));
        }
    }
    let named = bad.shown()?;
    let detail = format!("{named} must not set securityContext.windowsOptions.hostProcess=true");
    Some(Found { reason: "hostProcess".to_owned(), detail, at: bad.at })
}
