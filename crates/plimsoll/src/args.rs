//! The command line as it is typed. What the words mean is decided in the commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Boots a Kubernetes cluster in simulation and says whether it converges, why not, and what would help.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, propagate_version = true, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  plimsoll check                                      the project or the manifests here
  plimsoll check manifests --cluster cluster.yaml     a directory and a cluster profile
  plimsoll profile > cluster.yaml                     a cluster profile to start from
  helm template addons | plimsoll check -f - --cluster cluster.yaml
  plimsoll simulate . --with 'Deployment/apps/web:spec.replicas=30'
  plimsoll plan . --only 'shop/*'                      roll the Deployments of a namespace in waves that fit
  plimsoll explain IP101

Exit codes:
  0  converges; nothing at or above --fail-on
  1  findings at or above --fail-on
  2  usage, unreadable input, or nothing to judge
  3  a cluster or AWS could not be reached
  4  inconclusive";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judge manifests and a cluster profile: do they converge; if not, why, and what is the smallest change?
    Check(CheckArgs),
    /// Boot manifests with changes of your own, and say what happens. No search for remedies.
    Simulate(SimulateArgs),
    /// Plan a roll-out of many workloads in waves: how many can go at once, and what each wave needs.
    Plan(PlanArgs),
    /// Run a cluster: add nodes for pods that find none, and take nodes away that are not needed. Works on Karpenter's
    /// own objects, in its place.
    Controller(ControllerArgs),
    /// Explain a finding's code, or an add-on: `explain IP101`, `explain addon coredns`.
    Explain(ExplainArgs),
    /// Print a cluster profile to start from: what manifests do not say, with the usual values.
    Profile,
    /// Print the JSON Schema of `-o json`.
    Schema {
        /// Of which command.
        #[arg(value_enum, default_value_t = Documented::Report)]
        of: Documented,
    },
    /// Print a completion script.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the version.
    Version,
}

/// Where the input comes from.
#[derive(Args, Debug, Clone)]
pub struct InputArgs {
    /// Files or directories; a directory with `.plimsoll.yaml` is a project. Nothing: the project that the current
    /// directory is part of, or the manifests in it.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Files or directories of manifests; `-` is standard input. Repeatable.
    #[arg(short, long = "filename", value_name = "FILE", env = "PLIMSOLL_FILENAME")]
    pub filename: Vec<PathBuf>,
    /// Read directories of `-f` and their subdirectories.
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// A kustomize directory, built by your own `kustomize` or `kubectl`.
    #[arg(short = 'k', long, value_name = "DIR", env = "PLIMSOLL_KUSTOMIZE")]
    pub kustomize: Option<PathBuf>,
    /// The cluster profile, if it is not among the manifests.
    #[arg(long, visible_alias = "cluster-profile", value_name = "FILE", env = "PLIMSOLL_CLUSTER")]
    pub cluster: Option<PathBuf>,
    /// Only these environments of the project. Repeatable.
    #[arg(short, long = "environment", value_name = "NAME", env = "PLIMSOLL_ENVIRONMENT")]
    pub environment: Vec<String>,
    /// Seed of what the real system leaves to chance.
    #[arg(long, default_value_t = 0, env = "PLIMSOLL_SEED")]
    pub seed: u64,
    /// Threads for the search; the result does not depend on it. 0 is as many as there are.
    #[arg(long, default_value_t = 0, env = "PLIMSOLL_JOBS")]
    pub jobs: usize,
}

/// How the answer is given.
#[derive(Args, Debug, Clone)]
pub struct OutputArgs {
    /// `text`, `wide` (with the addresses of nodes and subnets), `json`, `sarif`, `junit`, `github` or `markdown`, each
    /// with an optional `=PATH`. Repeatable.
    #[arg(short, long = "output", value_name = "FORMAT[=PATH]", env = "PLIMSOLL_OUTPUT")]
    pub output: Vec<String>,
    /// From which severity on the exit code is 1.
    #[arg(long, value_enum, default_value_t = FailOn::Error, env = "PLIMSOLL_FAIL_ON")]
    pub fail_on: FailOn,
    /// Exit with 0 even if there are findings.
    #[arg(long, env = "PLIMSOLL_EXIT_ZERO")]
    pub exit_zero: bool,
    /// A former report of `-o json`: only what is not in it fails.
    #[arg(long, value_name = "FILE", env = "PLIMSOLL_BASELINE")]
    pub baseline: Option<PathBuf>,
    /// The day on which suppressions with `until` are looked at, as 2026-12-31; today when it is not said.
    #[arg(long, value_name = "DATE", env = "PLIMSOLL_TODAY")]
    pub today: Option<String>,
    /// Input without anything to judge is not an error.
    #[arg(long, env = "PLIMSOLL_ALLOW_EMPTY")]
    pub allow_empty: bool,
    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Color::Auto, env = "PLIMSOLL_COLOR")]
    pub color: Color,
    /// Only ASCII.
    #[arg(long, env = "PLIMSOLL_ASCII")]
    pub ascii: bool,
    /// Every note, every default, everything that was run. Repeatable.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No progress on standard error.
    #[arg(short, long)]
    pub quiet: bool,
    /// How long each part took, on standard error.
    #[arg(long)]
    pub timings: bool,
}

/// `controller`. Settings that Karpenter has too have its names.
#[derive(Args, Debug)]
pub struct ControllerArgs {
    /// Whose decisions are made.
    #[arg(long, value_enum, default_value_t = PolicyName::Plimsoll, env = "PLIMSOLL_POLICY")]
    pub policy: PolicyName,
    /// Changes nothing: says what it would do, beside what is done by whoever leads, and sums it up at the end. Needs
    /// no right but to list and watch, and no lease.
    #[arg(long, env = "PLIMSOLL_SHADOW")]
    pub shadow: bool,
    /// A plan is made when no further pod has come for this long.
    #[arg(long, value_name = "DURATION", default_value = "1s", env = "BATCH_IDLE_DURATION")]
    pub batch_idle_duration: String,
    /// A plan is made at the latest so long after the first pod.
    #[arg(long, value_name = "DURATION", default_value = "10s", env = "BATCH_MAX_DURATION")]
    pub batch_max_duration: String,
    /// What pods would rather have: `Respect` it, or `Ignore` it.
    #[arg(long, value_name = "POLICY", default_value = "Respect", env = "PREFERENCE_POLICY")]
    pub preference_policy: String,
    /// `minValues` that cannot be met: `Strict` refuses, `BestEffort` relaxes them.
    #[arg(long, value_name = "POLICY", default_value = "Strict", env = "MIN_VALUES_POLICY")]
    pub min_values_policy: String,
    /// `StaticCapacity`, `NodeRepair`, `NodeOverlay`, `CapacityBuffer`, `SpotToSpotConsolidation`,
    /// `ReservedCapacity`, each `=true` or `=false`, with commas between.
    #[arg(long, value_name = "GATES", default_value = "", env = "FEATURE_GATES")]
    pub feature_gates: String,
    /// Where the lease is by which one of several controllers leads.
    #[arg(long, value_name = "NAMESPACE", default_value = "kube-system", env = "LEADER_ELECTION_NAMESPACE")]
    pub leader_election_namespace: String,
    /// What this one calls itself in the lease; in a pod its name.
    #[arg(long, value_name = "NAME", default_value = "plimsoll", env = "HOSTNAME")]
    pub pod_name: String,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "LOG_LEVEL")]
    pub log_level: String,
    /// Where `/metrics` is served; 0 for nowhere.
    #[arg(long, value_name = "PORT", default_value_t = 8080, env = "METRICS_PORT")]
    pub metrics_port: u16,
    /// Where `/healthz` and `/readyz` are served; 0 for nowhere.
    #[arg(long, value_name = "PORT", default_value_t = 8081, env = "HEALTH_PROBE_PORT")]
    pub health_probe_port: u16,
    /// Writes what watches tell and what comes of it to a file, which `plimsoll simulate --replay FILE` explains
    /// offline. Nothing of Secrets, environment variables, commands and probes gets in.
    #[arg(long, value_name = "FILE", env = "PLIMSOLL_RECORD")]
    pub record: Option<PathBuf>,
    /// The recording ends when it has so many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30, env = "PLIMSOLL_RECORD_LIMIT")]
    pub record_limit: u64,
}

/// Whose decisions are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyName {
    /// Karpenter's, its blind spots included.
    Karpenter,
    /// plimsoll's own: addresses count, and the cheapest of several plans is taken.
    Plimsoll,
}

/// `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Where the input comes from.
    #[command(flatten)]
    pub input: InputArgs,
    /// How the answer is given.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Do not search for remedies.
    #[arg(long)]
    pub no_fix: bool,
}

/// `simulate`.
#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// Where the input comes from.
    #[command(flatten)]
    pub input: InputArgs,
    /// How the answer is given.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Changes: a patch file, or `KIND/[NAMESPACE/]NAME:path.to.field=value`. Repeatable.
    #[arg(long = "with", value_name = "PATCH")]
    pub with: Vec<String>,
    /// Whose decisions the provisioner makes: Karpenter's when it is not said, with what plimsoll's would come to
    /// beside them.
    #[arg(long, value_enum, env = "PLIMSOLL_POLICY")]
    pub policy: Option<Policy>,
    /// Why a pod went where it went, node by node: its name, or that of its workload, with its namespace or without.
    #[arg(long, value_name = "[NAMESPACE/]POD")]
    pub why: Option<String>,
    /// Plays a recording of `plimsoll controller --record` instead: what was decided and why, and whether it is decided
    /// again, byte for byte. With `-o json` for programs.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "filename", "kustomize", "with", "why", "policy"])]
    pub replay: Option<PathBuf>,
    /// Play plimsoll's controller on a cluster that goes wrong, made from `--seed`, rather than an input: API errors,
    /// watches that break, crashes, no capacity, zones and clocks. Exits with 1 when it does not come to rest.
    #[arg(long, conflicts_with_all = ["with", "why", "policy", "paths", "filename", "kustomize", "replay"])]
    pub faults: bool,
    /// So many seeds from `--seed` on rather than one; the first that fails is shrunk.
    #[arg(long, value_name = "N", requires = "faults")]
    pub count: Option<u64>,
    /// Only faults of these groups: api, watch, crash, cloud, zone, clock, pods.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', requires = "faults")]
    pub faults_of: Vec<FaultGroup>,
}

/// See [`SimulateArgs::faults_of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum FaultGroup {
    Api,
    Watch,
    Crash,
    Cloud,
    Zone,
    Clock,
    Pods,
}

/// `plan`.
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// Where the input comes from.
    #[command(flatten)]
    pub input: InputArgs,
    /// So many roll-outs a wave, instead of as many as fit.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub wave: Option<u16>,
    /// Roll only these Deployments; `*` stands for any text. Every one outside kube-system when it is not said.
    /// Repeatable.
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    pub only: Vec<String>,
    /// How the answer is given.
    #[arg(short, long, value_enum, default_value_t = PlanFormat::Text)]
    pub output: PlanFormat,
    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Color::Auto, env = "PLIMSOLL_COLOR")]
    pub color: Color,
    /// Only ASCII.
    #[arg(long, env = "PLIMSOLL_ASCII")]
    pub ascii: bool,
    /// Every roll-out by name.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No progress on standard error.
    #[arg(short, long)]
    pub quiet: bool,
}

/// See [`PlanArgs::output`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum PlanFormat {
    Text,
    Json,
}

/// Which document a schema is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Documented {
    /// `check` and `simulate`.
    Report,
    /// `plan`.
    Plan,
}

/// `explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// A code or its name; `addon NAME`; nothing lists all codes.
    pub what: Vec<String>,
}

/// See [`OutputArgs::fail_on`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum FailOn {
    Error,
    Warning,
    Never,
}

/// See [`SimulateArgs::policy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Policy {
    Karpenter,
    Plimsoll,
}

/// See [`OutputArgs::color`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Color {
    Auto,
    Always,
    Never,
}
