//! `plimsoll controller`: a runtime, a client, a log, and the end.

use anyhow::Context as _;
use cluster::declared::KarpenterSettings;
use kubernetes::controller::{self, Settings};
use kubernetes::lease::Lease;
use simulation::Provisioner;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::args::{ControllerArgs, PolicyName};

/// Karpenter's own: of the two only one leads, whichever is there first.
const LEASE: &str = "karpenter-leader-election";

/// Runs until it is told to end.
pub fn run(args: &ControllerArgs) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(format!("warn,kubernetes={}", args.log_level))
        .with_context(|| {
            format!("--log-level {:?}: write error, warn, info, debug or trace", args.log_level)
        })?;
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    let settings = Settings {
        provisioner: match args.policy {
            PolicyName::Karpenter => Provisioner::Karpenter,
            PolicyName::Plimsoll => Provisioner::Plimsoll,
        },
        run: run_name(now()).into(),
        karpenter: karpenter(args)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let client = kube::Client::try_default()
            .await
            .context("no way to an API server: set KUBECONFIG, or run it in a pod")?;
        let (tell, stop) = mpsc::channel(1);
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _ = tell.send(()).await;
        });
        let identity = format!("{}_{}", args.pod_name, settings.run);
        let lease = Lease::new(client.clone(), &args.leader_election_namespace, LEASE, &identity, now);
        controller::run(client, settings, lease, now, stop).await
    })
}

/// Settings that are Karpenter's as well, by its own names.
fn karpenter(args: &ControllerArgs) -> anyhow::Result<KarpenterSettings> {
    let settings = api::karpenter_settings(&[
        ("BATCH_IDLE_DURATION", &args.batch_idle_duration),
        ("BATCH_MAX_DURATION", &args.batch_max_duration),
        ("PREFERENCE_POLICY", &args.preference_policy),
        ("MIN_VALUES_POLICY", &args.min_values_policy),
        ("FEATURE_GATES", &args.feature_gates),
    ]);
    settings.map_err(|wrong| anyhow::anyhow!("--{wrong}"))
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A few letters that another run has not: claims are named with them.
fn run_name(now_unix_ms: i64) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut rest = now_unix_ms.unsigned_abs() / 100;
    let mut name = String::new();
    for _ in 0..6 {
        let letter = usize::try_from(rest % 27).unwrap_or(0);
        name.push(char::from(LETTERS[letter]));
        rest /= 27;
    }
    name
}
