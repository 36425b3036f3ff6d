//! From the command line to loaded inputs: files, projects, overlays, patches.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sources::kustomize::Tools;
use sources::{Environment, Inputs, Limits, Patch, Project, Reader};

use crate::args::InputArgs;
use crate::judge::Case;

/// Everything to judge: the environments of a project, or one case of what was named.
pub fn cases(args: &InputArgs) -> anyhow::Result<Vec<Case>> {
    let cwd = std::env::current_dir().context("the current directory cannot be read")?;
    let tools = Tools::find(std::env::var_os("PATH").as_deref());
    let project = args.paths.iter().find_map(|path| Project::open(&cwd, path));
    match project {
        Some(project) if args.kustomize.is_none() && args.filename.is_empty() => {
            environments(&project, args, &cwd, &tools)
        }
        _ => Ok(vec![Case { name: String::new(), inputs: named(args, &cwd, &tools)? }]),
    }
}

fn environments(project: &Project, args: &InputArgs, cwd: &Path, tools: &Tools) -> anyhow::Result<Vec<Case>> {
    for problem in &project.problems {
        anstream::eprintln!("{}:{}:{}: {}", problem.file, problem.line, problem.column, problem.message);
    }
    if project.problems.iter().any(|problem| problem.severity == api::Severity::Error) {
        bail!("the project file cannot be used");
    }
    let wanted = |environment: &&Environment| args.environment.is_empty() || args.environment.contains(&environment.name);
    let chosen: Vec<&Environment> = project.environments.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = project.environments.iter().map(|environment| environment.name.as_str()).collect();
        bail!("no such environment; the project has: {}", names.join(", "));
    }
    Ok(chosen.into_iter().map(|environment| environment_case(environment, args, cwd, tools)).collect())
}

fn environment_case(environment: &Environment, args: &InputArgs, cwd: &Path, tools: &Tools) -> Case {
    let mut reader = Reader::new(cwd, Limits::default(), tools);
    for path in &environment.files {
        reader.path(path, true);
    }
    if environment.files.is_empty()
        && let Some(overlay) = &environment.kustomize
    {
        reader.kustomize(overlay);
    }
    if let Some(cluster) = args.cluster.as_ref().or(environment.cluster.as_ref()) {
        reader.path(cluster, false);
    }
    Case { name: environment.name.clone(), inputs: reader.finish() }
}

fn named(args: &InputArgs, cwd: &Path, tools: &Tools) -> anyhow::Result<Inputs> {
    if args.paths.is_empty() && args.filename.is_empty() && args.kustomize.is_none() {
        bail!("nothing to read: name a directory, or use -f FILE, -f - or -k DIR");
    }
    let mut stdin = std::io::stdin();
    let mut reader = Reader::new(cwd, Limits::default(), tools).with_stdin(&mut stdin);
    for path in &args.paths {
        reader.path(path, true);
    }
    for file in &args.filename {
        reader.filename(&file.to_string_lossy(), args.recursive);
    }
    if let Some(overlay) = &args.kustomize {
        reader.kustomize(overlay);
    }
    if let Some(cluster) = &args.cluster {
        reader.path(cluster, false);
    }
    Ok(reader.finish())
}

/// Every case with the user's own changes (`--with`).
pub fn patched(cases: Vec<Case>, with: &[String]) -> anyhow::Result<Vec<Case>> {
    cases
        .into_iter()
        .map(|case| {
            let mut inputs = case.inputs;
            for change in with {
                let patch = read_patch(change)?;
                inputs = inputs.patched(&patch);
            }
            Ok(Case { name: case.name, inputs })
        })
        .collect()
}

fn read_patch(change: &str) -> anyhow::Result<Patch> {
    let path = PathBuf::from(change);
    if path.is_file() {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {change}"))?;
        Ok(Patch::parse(change, &text))
    } else {
        Ok(Patch::parse_argument(change))
    }
}

/// Runs `work` on as many threads as asked for; 0 is as many as there are.
pub fn in_pool<T: Send>(jobs: usize, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build().context("threads cannot be started")?;
    Ok(pool.install(work))
}
