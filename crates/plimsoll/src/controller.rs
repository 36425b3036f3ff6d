//! `plimsoll controller`: a runtime, a client, a log, and the end.

use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::thread::JoinHandle;

use anyhow::Context as _;
use cluster::declared::KarpenterSettings;
use kubernetes::controller::{self, Host, Recording, Settings};
use kubernetes::lease::Lease;
use kubernetes::metrics::process::Process;
use kubernetes::record::Tape;
use rustix::time::{ClockId, clock_gettime};
use simulation::Provisioner;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::args::{ControllerArgs, PolicyName};

/// Karpenter's own: of the two only one leads, whichever is there first.
const LEASE: &str = "karpenter-leader-election";

/// Runs until it is told to end.
pub fn run(args: &ControllerArgs) -> anyhow::Result<()> {
    STARTED.get_or_init(now);
    let filter = tracing_subscriber::EnvFilter::try_new(format!("warn,kubernetes={}", args.log_level))
        .with_context(|| {
            format!("--log-level {:?}: write error, warn, info, debug or trace", args.log_level)
        })?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let settings = Settings {
        provisioner: match args.policy {
            PolicyName::Karpenter => Provisioner::Karpenter,
            PolicyName::Plimsoll => Provisioner::Plimsoll,
        },
        run: run_name(now()).into(),
        karpenter: karpenter(args)?,
    };
    let recording =
        args.record.as_deref().map(|path| begin(path, &settings, args.record_limit)).transpose()?;
    let (recording, writer) = recording.unzip();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(async {
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
        let host =
            Host { now, process, metrics_port: args.metrics_port, health_port: args.health_probe_port };
        controller::run(client, settings, lease, host, recording, stop).await
    });
    // The last lines of the recording.
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    outcome
}

/// Handfuls of lines that wait to be written.
const UNWRITTEN: usize = 4_096;

/// Begins a recording: a thread of its own writes it.
fn begin(path: &Path, settings: &Settings, limit_bytes: u64) -> anyhow::Result<(Recording, JoinHandle<()>)> {
    let file = std::fs::File::create(path).with_context(|| format!("--record {}", path.display()))?;
    let (sink, lines) = std::sync::mpsc::sync_channel::<Vec<String>>(UNWRITTEN);
    let writer = std::thread::spawn(move || {
        let mut file = std::io::BufWriter::new(file);
        for lines in lines {
            let written = lines.iter().try_for_each(|line| writeln!(file, "{line}"));
            if let Err(error) = written.and_then(|()| file.flush()) {
                tracing::error!(%error, "the recording cannot be written; it ends here");
                return;
            }
        }
    });
    Ok((Recording { tape: Tape::new(settings, now(), limit_bytes), sink }, writer))
}

/// When the program began.
static STARTED: OnceLock<i64> = OnceLock::new();

/// What the system says of this process.
fn process() -> Process {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let process = Process {
        cpu_ms: cpu.tv_sec.saturating_mul(1_000).saturating_add(cpu.tv_nsec / 1_000_000),
        started_unix_ms: *STARTED.get_or_init(now),
        version: env!("CARGO_PKG_VERSION"),
        ..Process::default()
    };
    process.with_status(&status)
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
