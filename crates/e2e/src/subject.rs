//! Who adds the nodes: plimsoll, or the real Karpenter by which the cases are proven. How each is got and started;
//! what they are expected to do is not known here.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::Client;

use crate::api::Kind;
use crate::control_plane::ControlPlane;
use crate::ports;
use crate::process::Recorded;
use crate::programs::Programs;
use crate::wait::{Seen, until_or};

/// A node autoscaler under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// `plimsoll controller`.
    Plimsoll,
    /// Karpenter with its KWOK provider, built from its Go module.
    Karpenter,
}

/// A subject's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// How it is called.
    There(PathBuf, Vec<String>),
    /// It does not exist, and why.
    Absent(String),
}

/// How long it may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Its settings beside paths and ports: those of Karpenter's own end-to-end tests (the Helm options in its `Makefile`
/// and its chart's defaults), by the names that both subjects know.
const SETTINGS: [(&str, &str); 13] = [
    ("SYSTEM_NAMESPACE", "kube-system"),
    ("LEADER_ELECTION_NAMESPACE", "kube-system"),
    ("KARPENTER_SERVICE", "karpenter"),
    ("KUBERNETES_MIN_VERSION", "1.19.0-0"),
    ("LOG_LEVEL", "debug"),
    ("ENABLE_PROFILING", "true"),
    ("CPU_REQUESTS", "1000"),
    ("MEMORY_LIMIT", "2147483648"),
    ("BATCH_MAX_DURATION", "10s"),
    ("BATCH_IDLE_DURATION", "1s"),
    ("PREFERENCE_POLICY", "Respect"),
    ("MIN_VALUES_POLICY", "Strict"),
    (
        "FEATURE_GATES",
        "StaticCapacity=true,SpotToSpotConsolidation=false,NodeRepair=true,CapacityBuffer=true",
    ),
];

/// The lease that both hold while they act.
const LEASE: &str = "karpenter-leader-election";

impl Subject {
    /// Its name: that of its process and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Plimsoll => "plimsoll",
            Subject::Karpenter => "karpenter",
        }
    }

    /// Builds its program; optimised when it is to be measured.
    pub fn program(self, programs: &Programs, optimised: bool, say: &dyn Fn(&str)) -> Result<Program> {
        match self {
            Subject::Karpenter => Ok(Program::There(programs.karpenter(say)?, Vec::new())),
            Subject::Plimsoll => {
                say("building plimsoll");
                let program = programs.plimsoll(optimised)?;
                let asked = Command::new(&program).args(["controller", "--help"]).output();
                if asked.with_context(|| format!("run {}", program.display()))?.status.success() {
                    return Ok(Program::There(program, vec!["controller".into()]));
                }
                Ok(Program::Absent("this plimsoll has no command `controller`".into()))
            }
        }
    }

    /// Starts it on a cluster that has the CRDs, and waits until it has the lease.
    pub async fn start(
        self,
        program: &std::path::Path,
        arguments: &[String],
        plane: &mut ControlPlane,
        client: &Client,
    ) -> Result<()> {
        let [metrics, health] = ports::free(std::process::id().wrapping_add(1))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(SETTINGS)
            .env("KUBECONFIG", plane.kubeconfig())
            .env("METRICS_PORT", metrics.to_string())
            .env("HEALTH_PROBE_PORT", health.to_string());
        plane.spawn(self.name(), command)?;
        let leases =
            Kind { api_version: "coordination.k8s.io/v1", kind: "Lease", namespace: Some("kube-system") };
        let leases = leases.api(client);
        let leads = async || {
            let lease = leases.get_opt(LEASE).await?;
            let holder = lease.as_ref().and_then(|lease| lease.data["spec"]["holderIdentity"].as_str());
            Ok(Seen::when(holder.is_some_and(|holder| !holder.is_empty()), || "nobody holds it".into()))
        };
        let what = format!("{} to hold the lease kube-system/{LEASE}", self.name());
        until_or(&what, Duration::from_secs(60), leads, || plane.complaint()).await
    }

    /// Its process on a control plane.
    pub fn process(self, plane: &ControlPlane) -> Result<&Recorded> {
        plane.process(self.name()).with_context(|| format!("{} does not run", self.name()))
    }

    /// Stops it, and leaves the control plane.
    pub fn stop(self, plane: &mut ControlPlane) {
        plane.stop_one(self.name(), GRACE);
    }
}
