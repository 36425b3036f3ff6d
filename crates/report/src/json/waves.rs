//! Wave plans, as JSON.

use findings::Outcome;
use schemars::JsonSchema;
use serde::Serialize;
use verdict::waves::Plan;
use verdict::waves::wave::Wave;

use super::ObjectRef;

/// The schema's own address; it changes with the version.
pub const SCHEMA_ID: &str = "https://plimsoll.dev/schema/v1alpha1/wave-plans.json";

/// What `plimsoll plan -o json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WavePlans {
    /// The version of this format.
    #[schemars(extend("const" = "plimsoll.dev/v1alpha1"))]
    pub api_version: &'static str,
    /// What it is.
    #[schemars(extend("const" = "WavePlans"))]
    pub kind: &'static str,
    /// One a cluster, in the order asked for.
    pub clusters: Vec<WavePlan>,
}

/// The plan of one cluster.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WavePlan {
    /// The environment; empty when there is only one.
    pub name: String,
    /// How the cluster comes up before; without `converges` there is no plan.
    pub before: String,
    /// Whether every wave gets through without a new pod that waits for an old one to go.
    pub fits: bool,
    /// What is rolled.
    pub rolled: Vec<ObjectRef>,
    /// Everything at once; absent when nothing is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<AtOnceReport>,
    /// The waves, up to the first that never completes.
    pub waves: Vec<WaveReport>,
    /// How many runs it took.
    pub runs: u32,
}

/// Everything at once.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AtOnceReport {
    /// What came of it.
    #[serde(flatten)]
    pub wave: WaveReport,
    /// Nodes that the provisioner would have made, without the pools' limits.
    pub nodes_without_limits: u32,
}

/// A wave.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaveReport {
    /// What is rolled.
    pub workloads: Vec<ObjectRef>,
    /// When it begins, in milliseconds of virtual time.
    pub starts_ms: i64,
    /// How long it takes until everything is ready, in milliseconds.
    pub took_ms: i64,
    /// Nodes.
    pub nodes: Level,
    /// Pods on nodes.
    pub pods: Level,
    /// Pods with an address of their own.
    pub addresses: Level,
    /// New pods that had to wait for old ones to go.
    pub waited: Vec<String>,
    /// Whether everything is ready in the end.
    pub completes: bool,
}

/// How much there is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Level {
    /// Before the wave.
    pub before: u32,
    /// At the most while it goes on.
    pub most: u32,
}

/// The JSON Schema of [`WavePlans`].
pub fn schema() -> serde_json::Value {
    super::schema_of::<WavePlans>(SCHEMA_ID, "plimsoll wave plans")
}

/// The plans as JSON, with a line break at the end.
pub fn render(plans: &[(&str, &Plan)]) -> String {
    let clusters = plans.iter().map(|(name, plan)| of(name, plan)).collect();
    let all = WavePlans { api_version: "plimsoll.dev/v1alpha1", kind: "WavePlans", clusters };
    super::pretty(&all)
}

fn of(name: &str, plan: &Plan) -> WavePlan {
    WavePlan {
        name: name.to_owned(),
        before: plan.before.to_string(),
        fits: plan.fits() && plan.before == Outcome::Converges,
        rolled: plan.rolled.iter().map(ObjectRef::from).collect(),
        at_once: plan.at_once.as_ref().map(|at_once| AtOnceReport {
            wave: wave(&at_once.wave),
            nodes_without_limits: at_once.nodes_without_limits,
        }),
        waves: plan.waves.iter().map(wave).collect(),
        runs: plan.runs,
    }
}

fn wave(wave: &Wave) -> WaveReport {
    let level = |(before, most)| Level { before, most };
    WaveReport {
        workloads: wave.workloads.iter().map(ObjectRef::from).collect(),
        starts_ms: wave.starts.0,
        took_ms: wave.took_ms,
        nodes: level(wave.nodes),
        pods: level(wave.pods),
        addresses: level(wave.addresses),
        waited: wave.waited.iter().map(ToString::to_string).collect(),
        completes: wave.completes,
    }
}
