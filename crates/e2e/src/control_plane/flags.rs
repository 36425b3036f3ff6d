//! How each program of the control plane is called: its flags, from paths and ports. Nothing is started here.
//!
//! Kubernetes 1.36.3 (`cmd/kube-apiserver`, `cmd/kube-controller-manager`, `cmd/kube-scheduler`), etcd 3.6
//! (`server`), KWOK 0.8.0 (`cmd/kwok`).

use std::path::{Path, PathBuf};

/// Where everything of a run is.
#[derive(Clone, Debug)]
pub struct Files {
    run: PathBuf,
}

impl Files {
    /// Below a run directory.
    pub fn of(run: &Path) -> Files {
        Files { run: run.to_owned() }
    }

    /// A certificate, of the authority `ca` or of somebody.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.run.join("pki").join(format!("{name}.crt"))
    }

    /// A private key.
    pub fn key(&self, name: &str) -> PathBuf {
        self.run.join("pki").join(format!("{name}.key"))
    }

    /// A public key.
    pub fn public_key(&self, name: &str) -> PathBuf {
        self.run.join("pki").join(format!("{name}.pub"))
    }

    /// A user's kubeconfig; the administrator's is the one that people want.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        match user {
            "admin" => self.run.join("kubeconfig"),
            _ => self.run.join(format!("{user}.kubeconfig")),
        }
    }

    /// What KWOK's kubelets do.
    pub fn stages(&self) -> PathBuf {
        self.run.join("stages.yaml")
    }

    /// etcd's data.
    pub fn data(&self) -> PathBuf {
        self.run.join("etcd")
    }
}

/// Ports of 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// The API server's.
    pub api: u16,
    /// etcd's for clients.
    pub etcd: u16,
    /// etcd's for its peers, of which there are none.
    pub etcd_peer: u16,
    /// The one at which KWOK answers for all kubelets.
    pub kubelet: u16,
}

/// A flag with its value.
fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

/// A flag that names a file.
fn file(name: &str, path: &Path) -> String {
    flag(name, path.display())
}

/// etcd. It keeps no promise across a loss of power: it is a store for tests.
pub fn etcd(files: &Files, ports: Ports) -> Vec<String> {
    let (clients, peers) =
        (format!("http://127.0.0.1:{}", ports.etcd), format!("http://127.0.0.1:{}", ports.etcd_peer));
    vec![
        file("data-dir", &files.data()),
        "--unsafe-no-fsync".into(),
        flag("log-level", "warn"),
        flag("listen-client-urls", &clients),
        flag("advertise-client-urls", &clients),
        flag("listen-peer-urls", &peers),
        flag("initial-advertise-peer-urls", &peers),
        flag("initial-cluster", format!("default={peers}")),
    ]
}

/// kube-apiserver. It publishes no endpoint of itself: 127.0.0.1 is not a legal one.
pub fn api_server(files: &Files, ports: Ports) -> Vec<String> {
    vec![
        flag("etcd-servers", format!("http://127.0.0.1:{}", ports.etcd)),
        flag("bind-address", "127.0.0.1"),
        flag("advertise-address", "127.0.0.1"),
        flag("secure-port", ports.api),
        flag("endpoint-reconciler-type", "none"),
        file("tls-cert-file", &files.certificate("kube-apiserver")),
        file("tls-private-key-file", &files.key("kube-apiserver")),
        file("client-ca-file", &files.certificate("ca")),
        flag("authorization-mode", "RBAC"),
        flag("anonymous-auth", false),
        flag("allow-privileged", true),
        flag("service-cluster-ip-range", "10.96.0.0/16"),
        flag("service-account-issuer", "https://kubernetes.default.svc"),
        file("service-account-key-file", &files.public_key("service-account")),
        file("service-account-signing-key-file", &files.key("service-account")),
        flag("kubelet-preferred-address-types", "InternalIP"),
    ]
}

/// kube-controller-manager, and how many calls a second it may make.
pub fn controller_manager(files: &Files, qps: Option<u32>) -> Vec<String> {
    let mut flags = vec![
        file("kubeconfig", &files.kubeconfig("controller-manager")),
        flag("secure-port", 0),
        flag("leader-elect", false),
        "--use-service-account-credentials".into(),
        file("service-account-private-key-file", &files.key("service-account")),
        file("root-ca-file", &files.certificate("ca")),
    ];
    flags.extend(pace(qps));
    flags
}

/// kube-scheduler, and how many calls a second it may make.
pub fn scheduler(files: &Files, qps: Option<u32>) -> Vec<String> {
    let mut flags = vec![
        file("kubeconfig", &files.kubeconfig("scheduler")),
        flag("secure-port", 0),
        flag("leader-elect", false),
    ];
    flags.extend(pace(qps));
    flags
}

/// KWOK, in the place of the kubelet of every node that there is.
pub fn kwok(files: &Files, ports: Ports) -> Vec<String> {
    vec![
        file("kubeconfig", &files.kubeconfig("kwok")),
        file("config", &files.stages()),
        "--manage-all-nodes".into(),
        flag("node-ip", "127.0.0.1"),
        flag("node-port", ports.kubelet),
        flag("server-address", format!("127.0.0.1:{}", ports.kubelet)),
        flag("cidr", "10.244.0.0/16"),
        file("tls-cert-file", &files.certificate("kubelet")),
        file("tls-private-key-file", &files.key("kubelet")),
        flag("node-lease-duration-seconds", 40),
    ]
}

/// The flags of a client that is not to be slowed down by itself.
fn pace(qps: Option<u32>) -> Vec<String> {
    qps.map(|qps| vec![flag("kube-api-qps", qps), flag("kube-api-burst", qps.saturating_mul(2))])
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: Ports = Ports { api: 1, etcd: 2, etcd_peer: 3, kubelet: 4 };

    #[test]
    fn everything_listens_on_the_loopback_address_alone() {
        let files = Files::of(Path::new("/run"));
        let all = [etcd(&files, PORTS), api_server(&files, PORTS), kwok(&files, PORTS)].concat();
        for listens in ["listen-client-urls", "listen-peer-urls", "bind-address", "server-address"] {
            let flag = all.iter().find(|flag| flag.starts_with(&format!("--{listens}="))).unwrap();
            assert!(flag.contains("127.0.0.1"), "{flag}");
        }
        for silent in [controller_manager(&files, None), scheduler(&files, None)] {
            assert!(silent.contains(&"--secure-port=0".to_owned()));
        }
    }

    #[test]
    fn pace_is_set_only_on_request() {
        let files = Files::of(Path::new("/run"));
        assert!(!scheduler(&files, None).iter().any(|flag| flag.contains("qps")));
        for flags in [scheduler(&files, Some(1000)), controller_manager(&files, Some(1000))] {
            assert!(flags.ends_with(&["--kube-api-qps=1000".into(), "--kube-api-burst=2000".into()]));
        }
    }
}
