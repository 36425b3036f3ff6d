//! A control plane of the real programs on this machine: started, waited for, stopped. No root, no containers, only
//! the loopback address. What runs on the cluster afterwards is not known here.

mod flags;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kube::Client;

use crate::api::{self, Kind};
use crate::certificates::{Authority, Identity, SigningKeys};
use crate::process::{self, Started};
use crate::programs::Programs;
use crate::wait::{Seen, Watch, until_or};
use crate::{cluster, kubeconfig, ports};
use flags::{Files, Ports};

/// How long any step of the start may take: three times the whole start on two busy cores.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a program may take to end by itself. Nothing here is worth keeping: it is a store for tests.
const GRACE: Duration = Duration::from_secs(3);

/// The users of the API server, and their groups: kube-controller-manager and kube-scheduler have the roles that
/// every cluster has for them, the other two may do everything.
const USERS: [(&str, &str, Option<&str>); 4] = [
    ("admin", "admin", Some("system:masters")),
    ("kwok", "kwok", Some("system:masters")),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
];

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run directory: certificates, kubeconfigs, logs, records of processes, etcd's data. An earlier run in it
    /// is ended and removed.
    pub run: PathBuf,
    /// Calls a second of kube-scheduler; its own default if unsaid.
    pub scheduler_qps: Option<u32>,
    /// Calls a second of kube-controller-manager; its own default if unsaid.
    pub controller_manager_qps: Option<u32>,
}

impl Options {
    /// In this directory, everything else as upstream has it.
    pub fn of(run: &Path) -> Options {
        Options { run: run.to_owned(), scheduler_qps: None, controller_manager_qps: None }
    }
}

/// A control plane that runs; it is stopped when this value goes.
#[derive(Debug)]
pub struct ControlPlane {
    run: PathBuf,
    processes: Vec<Started>,
    stays: bool,
    /// How long the start took.
    pub took: Duration,
}

impl ControlPlane {
    /// Starts one and waits until pods can run on it: the API server is ready, the namespace `default` has its
    /// service account, the control-plane node is Ready. A program that dies meanwhile ends the wait.
    pub async fn start(options: &Options, programs: &Programs) -> Result<ControlPlane> {
        let watch = Watch::start();
        let run = fresh(&options.run)?;
        let files = Files::of(&run);
        let [api, etcd, etcd_peer, kubelet] = ports::free(std::process::id())?;
        let ports = Ports { api, etcd, etcd_peer, kubelet };
        write_identities(&files, ports)?;
        fs::write(files.stages(), include_str!("control_plane/stages.yaml"))?;

        let mut plane = ControlPlane { run, processes: Vec::new(), stays: false, took: Duration::ZERO };
        let start = |plane: &mut ControlPlane, name: &str, program: &str, flags: Vec<String>| {
            let mut command = Command::new(programs.path(program));
            command.args(flags);
            plane.spawn(name, command)
        };
        start(&mut plane, "etcd", "server", flags::etcd(&files, ports))?;
        start(&mut plane, "kube-apiserver", "kube-apiserver", flags::api_server(&files, ports))?;
        let client = plane.client().await?;
        plane.await_api(&client).await?;
        let flags = flags::controller_manager(&files, options.controller_manager_qps);
        start(&mut plane, "kube-controller-manager", "kube-controller-manager", flags)?;
        let flags = flags::scheduler(&files, options.scheduler_qps);
        start(&mut plane, "kube-scheduler", "kube-scheduler", flags)?;
        start(&mut plane, "kwok", "kwok", flags::kwok(&files, ports))?;
        for object in cluster::objects() {
            api::create(&client, &object).await?;
        }
        plane.await_node(&client).await?;
        plane.took = watch.elapsed();
        Ok(plane)
    }

    /// Starts a program that ends with the control plane, and before it.
    pub fn spawn(&mut self, name: &str, command: Command) -> Result<()> {
        self.processes.push(Started::new(name, command, &self.run)?);
        Ok(())
    }

    /// The process of a program.
    pub fn process(&self, name: &str) -> Option<&process::Recorded> {
        self.processes.iter().map(|started| &started.record).find(|record| record.name == name)
    }

    /// Kills one program, and starts it again after a pause.
    pub async fn kill(&mut self, name: &str, pause: Duration) -> Result<()> {
        let at = self.processes.iter().position(|started| started.record.name == name);
        let mut process = self.processes.remove(at.with_context(|| format!("{name} does not run"))?);
        process.kill()?;
        tokio::time::sleep(pause).await;
        self.processes.push(process.again(&self.run)?);
        Ok(())
    }

    /// Stops one program.
    pub fn stop_one(&mut self, name: &str, grace: Duration) {
        let run = self.run.clone();
        self.processes
            .iter_mut()
            .filter(|started| started.record.name == name)
            .for_each(|p| p.stop(&run, grace));
        self.processes.retain(|started| started.record.name != name);
    }

    /// A client that may do everything.
    pub async fn client(&self) -> Result<Client> {
        api::client(&self.kubeconfig()).await
    }

    /// The kubeconfig of a user who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        Files::of(&self.run).kubeconfig("admin")
    }

    /// Its run directory, with `logs` in it.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// Nothing, or which program has ended by itself, with the end of its log.
    pub fn complaint(&mut self) -> Option<String> {
        self.processes.iter_mut().find_map(Started::complaint)
    }

    /// Stops exactly what was started, what was started last first.
    pub fn stop(mut self) {
        self.end();
    }

    /// Lets everything run after this program has ended; [`down`] stops it.
    pub fn leave(mut self) {
        self.stays = true;
    }

    fn end(&mut self) {
        let run = self.run.clone();
        while let Some(mut process) = self.processes.pop() {
            process.stop(&run, GRACE);
        }
    }

    async fn await_api(&mut self, client: &Client) -> Result<()> {
        let ready = async || {
            let said = client.request_text(http::Request::get("/readyz").body(Vec::new())?).await?;
            Ok(Seen::when(said == "ok", || said))
        };
        until_or("the API server's /readyz", PATIENCE, ready, || self.complaint()).await
    }

    async fn await_node(&mut self, client: &Client) -> Result<()> {
        let accounts =
            Kind { api_version: "v1", kind: "ServiceAccount", namespace: Some("default") }.api(client);
        let nodes = Kind { api_version: "v1", kind: "Node", namespace: None }.api(client);
        let ready = async || {
            if accounts.get_opt("default").await?.is_none() {
                return Ok(Seen::NotYet("no service account `default`".into()));
            }
            let node = nodes.get(cluster::CONTROL_PLANE_NODE).await?;
            Ok(Seen::when(api::holds(&node, "Ready"), || {
                format!("the node is {:?}", api::condition(&node, "Ready"))
            }))
        };
        until_or("the control-plane node to be Ready", PATIENCE, ready, || self.complaint()).await
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if !self.stays {
            self.end();
        }
    }
}

/// Stops what an earlier run left in its directory; the names of what still ran.
pub fn down(run: &Path) -> Vec<String> {
    process::stop_all(&process::folder(run), GRACE)
}

/// An empty run directory, by its full path. One that exists must be of an earlier run, which is ended first.
fn fresh(run: &Path) -> Result<PathBuf> {
    if run.exists() {
        let is_ours = run.join("pki").is_dir() && run.join("logs").is_dir();
        let is_empty = fs::read_dir(run)?.next().is_none();
        if !is_ours && !is_empty {
            bail!("{} holds something else than an earlier run: name another directory", run.display());
        }
        down(run);
        fs::remove_dir_all(run).with_context(|| format!("remove {}", run.display()))?;
    }
    for folder in ["pki", "logs", "pids"] {
        fs::create_dir_all(run.join(folder)).with_context(|| format!("make {}", run.display()))?;
    }
    Ok(fs::canonicalize(run)?)
}

/// Makes and writes every certificate, key and kubeconfig.
fn write_identities(files: &Files, ports: Ports) -> Result<()> {
    let authority = Authority::new("e2e")?;
    fs::write(files.certificate("ca"), &authority.certificate)?;
    let write = |name: &str, identity: Identity| -> Result<()> {
        fs::write(files.certificate(name), identity.certificate)?;
        Ok(fs::write(files.key(name), identity.key)?)
    };
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    // The second address is the service `kubernetes`: the first of the range.
    let addresses = [loopback, IpAddr::from([10, 96, 0, 1])];
    write(
        "kube-apiserver",
        authority.server("kube-apiserver", &addresses, &["localhost", "kubernetes.default.svc"])?,
    )?;
    write("kubelet", authority.server("kubelet", &[loopback], &["localhost"])?)?;
    let tokens = SigningKeys::new()?;
    fs::write(files.key("service-account"), tokens.private)?;
    fs::write(files.public_key("service-account"), tokens.public)?;
    for (name, user, group) in USERS {
        write(name, authority.client(user, group)?)?;
        let (ca, certificate, key) = (files.certificate("ca"), files.certificate(name), files.key(name));
        fs::write(files.kubeconfig(name), kubeconfig::text(ports.api, name, &ca, &certificate, &key))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("e2e-plane-{name}-{}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        folder
    }

    #[test]
    fn only_an_earlier_run_is_removed() {
        let run = scratch("fresh");
        let full = fresh(&run).unwrap();
        fs::write(full.join("kubeconfig"), "old").unwrap();
        fresh(&run).unwrap();
        assert!(!full.join("kubeconfig").exists());
        fs::remove_dir_all(&run).unwrap();
        fs::create_dir_all(&run).unwrap();
        fresh(&run).unwrap();
        fs::remove_dir_all(&run).unwrap();
        fs::create_dir_all(run.join("pki")).unwrap();
        fs::write(run.join("thesis.txt"), "mine").unwrap();
        assert!(fresh(&run).unwrap_err().to_string().contains("something else"));
        assert!(run.join("thesis.txt").exists());
        fs::remove_dir_all(&run).unwrap();
    }

    #[test]
    fn every_file_that_a_flag_names_is_written() {
        let run = fresh(&scratch("files")).unwrap();
        let (files, ports) = (Files::of(&run), Ports { api: 1, etcd: 2, etcd_peer: 3, kubelet: 4 });
        write_identities(&files, ports).unwrap();
        fs::write(files.stages(), "").unwrap();
        let flags = [
            flags::api_server(&files, ports),
            flags::controller_manager(&files, None),
            flags::scheduler(&files, None),
            flags::kwok(&files, ports),
        ];
        let named = flags.iter().flatten().filter_map(|flag| flag.split_once("=/"));
        let named: Vec<PathBuf> = named.map(|(_, rest)| Path::new("/").join(rest)).collect();
        assert!(named.len() >= 12, "{named:?}");
        for file in named {
            assert!(file.is_file(), "{}", file.display());
        }
        fs::remove_dir_all(&run).unwrap();
    }

    #[test]
    fn the_stages_are_those_of_nodes_and_pods() {
        let stages: Vec<serde_json::Value> =
            serde_saphyr::from_multiple(include_str!("control_plane/stages.yaml")).unwrap();
        let of = |kind| stages.iter().filter(|stage| stage["spec"]["resourceRef"]["kind"] == kind).count();
        assert_eq!((of("Node"), of("Pod"), stages.len()), (1, 4, 5));
    }
}
