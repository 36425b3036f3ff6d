//! Scale-ups with a stop-watch: how long until claims and pods are where they belong, what the nodes cost, and what
//! the subject spent on it. [`marks`] notes what happens when, [`table`] says it; here is what is played.

mod marks;
mod table;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;
use tokio::task::JoinSet;

pub use marks::Marks;
pub use table::{Row, table};

use crate::api::{self, Kind};
use crate::cluster;
use crate::control_plane::{ControlPlane, Options};
use crate::karpenter::{self, NODE_CLAIM, POOL_LABEL};
use crate::process::{Recorded, Stat};
use crate::programs::Programs;
use crate::subject::{Program, Subject};
use crate::wait::{Seen, Watch, until_or};

/// Calls a second of kube-scheduler and kube-controller-manager: they are not what is measured.
const UNHINDERED_QPS: u32 = 1_000;
/// Longer than any subject that is of use takes for a few thousand pods.
const PATIENCE: Duration = Duration::from_secs(600);
/// What every measured pod is labelled with, and only those.
const LABEL: (&str, &str) = ("e2e", "measured");
const NODE: Kind<'_> = Kind { api_version: "v1", kind: "Node", namespace: None };
const NAME: &str = "measured";
/// Requests that pods ask for in turn; five and six, so that thirty different pods come of them.
const CPU: [&str; 5] = ["100m", "250m", "500m", "1", "1500m"];
const MEMORY: [&str; 6] = ["100Mi", "256Mi", "512Mi", "1Gi", "2Gi", "4Gi"];
/// Calls in flight while pods are created.
const CREATORS: usize = 8;

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// The pods, all of them refused already; the watch starts when the pool is created.
    Backlog,
    /// The pool; the watch starts when the first pod is created.
    Burst,
}

impl Mode {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Backlog => "backlog",
            Mode::Burst => "burst",
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Who adds the nodes.
    pub subject: Subject,
    /// What comes first.
    pub mode: Mode,
    /// How many pods.
    pub pods: usize,
}

/// What is shared with the tasks that watch.
type Shared = Arc<Mutex<Marks>>;

/// Measures one scale-up on a control plane of its own.
pub async fn measure(plan: Plan, program: &Program, programs: &Programs, run: &Path) -> Result<Row> {
    let Program::There(path, arguments) = program else {
        anyhow::bail!("{} does not exist", plan.subject.name())
    };
    let options = Options {
        scheduler_qps: Some(UNHINDERED_QPS),
        controller_manager_qps: Some(UNHINDERED_QPS),
        ..Options::of(run)
    };
    let mut plane = ControlPlane::start(&options, programs).await?;
    let client = plane.client().await?;
    karpenter::install(&client, &programs.karpenter_module()?).await?;
    plan.subject.start(path, arguments, &mut plane, &client).await?;
    let row = scale_up(plan, &mut plane, &client).await?;
    plan.subject.stop(&mut plane);
    plane.stop();
    Ok(row)
}

async fn scale_up(plan: Plan, plane: &mut ControlPlane, client: &Client) -> Result<Row> {
    let process = plan.subject.process(plane)?.clone();
    let (watch, marks) = (Watch::start(), Shared::default());
    // They end with this function: a task that nobody waits for ends with its set.
    let mut tasks = JoinSet::new();
    tasks.spawn(watch_pods(client.clone(), watch, marks.clone()));
    tasks.spawn(watch_claims(client.clone(), watch, marks.clone()));
    match plan.mode {
        Mode::Backlog => {
            create_pods(client, plan.pods).await?;
            all(plan.pods, "pods to be refused", plane, &marks, |marks| marks.refused.len()).await?;
            // What was still under way is not to be on the subject's bill.
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        Mode::Burst => {
            create_pool(client).await?;
            // The subject gets to know its pool.
            tokio::time::sleep(Duration::from_secs(12)).await;
        }
    }
    reset_peak(&process)?;
    let (spent_before, start) = (cpu(&process)?, watch.elapsed());
    let created = match plan.mode {
        Mode::Backlog => create_pool(client).await.map(|()| Duration::ZERO)?,
        Mode::Burst => {
            create_pods(client, plan.pods).await.map(|()| watch.elapsed().saturating_sub(start))?
        }
    };
    all(plan.pods, "pods to be bound", plane, &marks, |marks| marks.bound.len()).await?;
    let spent = cpu(&process)?.saturating_sub(spent_before);
    all(plan.pods, "pods to run", plane, &marks, |marks| marks.running.len()).await?;
    let claims = lock(&marks).claims.len();
    all(claims, "claims to be initialized", plane, &marks, |marks| marks.initialized.len()).await?;
    let price = price(&api::list(client, NODE, POOL_LABEL).await?);
    let marks = lock(&marks);
    let since = |instant: Option<Duration>| instant.map(|instant| instant.saturating_sub(start));
    Ok(Row {
        subject: plan.subject.name(),
        mode: plan.mode.name(),
        pods: plan.pods,
        created,
        first_claim: since(marks.claims.values().min().copied()),
        last_claim: since(marks.claims.values().max().copied()),
        initialized: since(marks.initialized.values().max().copied()),
        bound: since(marks.bound.values().max().copied()),
        running: since(marks.running.values().max().copied()),
        claims: marks.claims.len(),
        micro_usd_per_hour: price,
        cpu: spent,
        peak_rss_kib: peak_kib(&process)?,
    })
}

/// Waits until as many are there as there are to be.
async fn all(
    wanted: usize,
    what: &str,
    plane: &mut ControlPlane,
    marks: &Shared,
    count: impl Fn(&Marks) -> usize,
) -> Result<()> {
    let look = async || {
        let there = count(&lock(marks));
        Ok(Seen::when(there >= wanted, || format!("{there} of {wanted}")))
    };
    until_or(&format!("{wanted} {what}"), PATIENCE, look, || plane.complaint()).await
}

async fn watch_pods(client: Client, watch: Watch, marks: Shared) {
    let pods: Api<Pod> = Api::namespaced(client, "default");
    let config = watcher::Config::default().labels(&format!("{}={}", LABEL.0, LABEL.1));
    let seen = watcher(pods, config).default_backoff().applied_objects();
    // What goes wrong is tried again by the watcher; what never comes right is missed by whoever waits for it.
    seen.for_each(async |pod| pod.iter().for_each(|pod| lock(&marks).see_pod(pod, watch.elapsed()))).await;
}

async fn watch_claims(client: Client, watch: Watch, marks: Shared) {
    let claims = NODE_CLAIM.api(&client);
    let seen = watcher(claims, watcher::Config::default()).default_backoff().applied_objects();
    seen.for_each(async |claim| {
        claim.iter().for_each(|claim| lock(&marks).see_claim(claim, watch.elapsed()))
    })
    .await;
}

fn lock(marks: &Shared) -> MutexGuard<'_, Marks> {
    marks.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn create_pods(client: &Client, count: usize) -> Result<()> {
    let (key, value) = LABEL;
    let labels = json!({ key: value });
    let pods = (0..count).map(|at| {
        cluster::pod(&format!("p{at:05}"), &labels, CPU[at % CPU.len()], MEMORY[at % MEMORY.len()])
    });
    let created = stream::iter(pods.map(Ok))
        .try_for_each_concurrent(CREATORS, async |pod| api::create(client, &pod).await.map(|_| ()));
    created.await
}

async fn create_pool(client: &Client) -> Result<()> {
    api::create(client, &karpenter::node_class(NAME)).await?;
    api::create(client, &karpenter::node_pool(NAME, NAME, ("instance-size", 32), "Never")).await?;
    Ok(())
}

/// CPU time that a process has taken.
fn cpu(process: &Recorded) -> Result<Duration> {
    let stat = Stat::of(process.pid).filter(|_| process.runs());
    let ticks = stat.with_context(|| format!("{} has ended", process.name))?.cpu_ticks;
    let a_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_millis(ticks.saturating_mul(1_000) / a_second))
}

/// Lets the kernel forget how much memory a process had at most (proc(5), `clear_refs`).
fn reset_peak(process: &Recorded) -> Result<()> {
    ensure!(process.runs(), "{} has ended", process.name);
    fs::write(format!("/proc/{}/clear_refs", process.pid), "5").context("forget the peak of memory")
}

/// How much memory a process had at most since then.
fn peak_kib(process: &Recorded) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.context("no VmHWM")?.parse().context("VmHWM")
}

/// What nodes cost together, by the label that the KWOK provider writes; nothing if one has none.
fn price(nodes: &[DynamicObject]) -> Option<u64> {
    let label = |node: &DynamicObject| {
        let labels = node.metadata.labels.as_ref()?;
        table::micro(labels.get("eks-node-viewer/instance-price")?)
    };
    nodes.iter().map(label).try_fold(0_u64, |sum, price| Some(sum.saturating_add(price?)))
}
