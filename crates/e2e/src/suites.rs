//! Karpenter's own regression suite, unmodified, with whoever adds the nodes in Karpenter's place: started in groups
//! side by side, each on a control plane of its own, since most of its time is spent waiting.
//!
//! sigs.k8s.io/karpenter v1.14.1 `test/suites/regression`. Its specs talk to the API server alone.

pub mod report;
pub mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt, stream};

use crate::control_plane::{ControlPlane, Options};
use crate::karpenter;
use crate::programs::Programs;
use crate::subject::{Program, Subject};
use report::Spec;

/// A group of specs that is run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// What it is asked for by.
    pub name: &'static str,
    /// The file of the suite, without its ending.
    file: &'static str,
    /// Only specs whose names match.
    focus: Option<&'static str>,
    /// No specs whose names match.
    skip: Option<&'static str>,
}

const fn whole(name: &'static str, file: &'static str) -> Group {
    Group { name, file, focus: None, skip: None }
}

/// The suite, the longest first; how long each takes with the real Karpenter is in its record. The two Chaos specs bind port
/// 8080 of the machine, so they are one group.
pub const GROUPS: [Group; 11] = [
    whole("nodeclaim", "nodeclaim_test"),
    Group {
        name: "drift-initialization",
        file: "drift_test",
        focus: Some("never initialized|PodDisruptionBudgets"),
        skip: None,
    },
    Group {
        name: "drift-registration",
        file: "drift_test",
        focus: Some("never registers"),
        skip: Some("never initialized|PodDisruptionBudgets"),
    },
    whole("integration", "integration_test"),
    whole("staticcapacity", "staticcapacity_test"),
    whole("capacitybuffer", "capacitybuffer_test"),
    whole("chaos", "chaos_test"),
    whole("termination", "termination_test"),
    Group {
        name: "drift",
        file: "drift_test",
        focus: None,
        skip: Some("never initialized|PodDisruptionBudgets|never registers"),
    },
    whole("perf", "perf_test"),
    whole("expiration", "expiration_test"),
];

/// The groups of these names; all if nothing is asked for.
///
/// # Errors
/// An unknown name.
pub fn chosen(asked: &[String]) -> Result<Vec<Group>> {
    if let Some(unknown) = asked.iter().find(|asked| !GROUPS.iter().any(|group| group.name == **asked)) {
        let names: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
        anyhow::bail!("no group {unknown}; there are {}", names.join(", "));
    }
    let wanted = |group: &&Group| asked.is_empty() || asked.iter().any(|asked| asked == group.name);
    Ok(GROUPS.iter().filter(wanted).copied().collect())
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who adds the nodes; nobody shows which specs prove nothing.
    pub subject: Option<Subject>,
    /// Which groups.
    pub groups: Vec<Group>,
    /// How many at a time.
    pub at_once: usize,
    /// Only specs whose names match this, of the groups.
    pub focus: Option<String>,
}

/// Runs the groups; each is told when it is over. All specs that were run, in the order of the groups.
///
/// # Errors
/// When a program cannot be had, or a group ends without a report.
pub async fn run(plan: &Plan, programs: &Programs, folder: &Path, say: fn(&str)) -> Result<Vec<Spec>> {
    programs.control_plane(&say)?;
    let suite = programs.suite("regression", &say)?;
    let program = match plan.subject {
        Some(subject) => Some((subject, subject.program(programs, false, &say)?)),
        None => None,
    };
    let one = |group: Group| {
        let (suite, program) = (&suite, &program);
        async move {
            let folder = folder.join(group.name);
            let specs = play(group, plan, suite, program.as_ref(), programs, &folder).await;
            let specs =
                specs.with_context(|| format!("group {}, logs in {}", group.name, folder.display()))?;
            say(&format!("{:21} {}", group.name, table::summary(&specs)));
            for spec in specs.iter().filter(|spec| !spec.passed()) {
                say(&format!(
                    "  FAILED {} / {}\n    {}",
                    spec.context,
                    spec.name,
                    spec.why.replace('\n', "\n    ")
                ));
            }
            anyhow::Ok(specs)
        }
    };
    let mut running = stream::iter(plan.groups.iter().copied().map(one)).buffered(plan.at_once.max(1));
    let mut all = Vec::new();
    while let Some(specs) = running.next().await {
        all.extend(specs?);
    }
    Ok(all)
}

/// How often it is looked whether a group is over.
const GLANCE: Duration = Duration::from_millis(500);

async fn play(
    group: Group,
    plan: &Plan,
    suite: &Suite,
    program: Option<&(Subject, Program)>,
    programs: &Programs,
    run: &Path,
) -> Result<Vec<Spec>> {
    let mut plane = ControlPlane::start(&Options::of(run), programs).await?;
    let client = plane.client().await?;
    karpenter::install(&client, &programs.karpenter_module()?).await?;
    if let Some((subject, Program::There(path, arguments))) = program {
        subject.start(path, arguments, &mut plane, &client).await?;
    }
    let output = plane.run().join("suite");
    fs::create_dir_all(&output)?;
    let report = output.join("report.json");
    let mut command = Command::new(&suite.program);
    command
        .current_dir(&suite.folder)
        .env("KUBECONFIG", plane.kubeconfig())
        .env("OUTPUT_DIR", &output)
        .args(["-test.timeout=3h", "--ginkgo.timeout=2h30m", "--ginkgo.v", "--ginkgo.no-color"])
        .arg(format!("--ginkgo.json-report={}", report.display()))
        .arg(format!("--ginkgo.focus-file={}", group.file));
    let focus = plan.focus.as_deref().or(group.focus);
    command.args(focus.map(|focus| format!("--ginkgo.focus={focus}")));
    command.args(group.skip.map(|skip| format!("--ginkgo.skip={skip}")));
    plane.spawn("suite", &mut command)?;
    let process = plane.process("suite").context("no record of the suite")?.clone();
    while process.runs() {
        tokio::time::sleep(GLANCE).await;
    }
    let specs = report::read(&report);
    plane.stop();
    specs
}

/// A suite of Karpenter's, built.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The test program.
    pub program: PathBuf,
    /// Its own folder in Karpenter's module: it is run there.
    pub folder: PathBuf,
}
