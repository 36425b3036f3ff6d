//! From the command line to loaded inputs: files, projects, overlays, patches.

use std::path::Path;

use anyhow::{Context, bail};
use sources::kustomize::Tools;
use sources::{Environment, Inputs, Limits, Project, Reader};

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
    let wanted = |environment: &&Environment| {
        args.environment.is_empty() || args.environment.contains(&environment.name)
    };
    let chosen: Vec<&Environment> = project.environments.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> =
            project.environments.iter().map(|environment| environment.name.as_str()).collect();
        bail!("no such environment; the project has: {}", names.join(", "));
    }
    Ok(chosen.into_iter().map(|environment| environment_case(environment, args, cwd, tools)).collect())
}

fn environment_case(environment: &Environment, args: &InputArgs, cwd: &Path, tools: &Tools) -> Case {
    let mut environment = environment.clone();
    if args.cluster.is_some() {
        environment.cluster.clone_from(&args.cluster);
    }
    let mut reader = Reader::new(cwd, Limits::default(), tools);
    environment.read(&mut reader, false);
    Case { name: environment.name, inputs: reader.finish() }
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

/// Every case with the user's own changes (`--with`): patch files, or `KIND/[NAMESPACE/]NAME:path=value`.
pub fn patched(cases: Vec<Case>, with: &[String]) -> anyhow::Result<Vec<Case>> {
    let mut texts = Vec::new();
    for change in with {
        let text = if Path::new(change).is_file() {
            std::fs::read_to_string(change).with_context(|| format!("cannot read {change}"))?
        } else {
            change.clone()
        };
        texts.push((change, text));
    }
    let apply = |case: Case| {
        let patch_all = |inputs: Inputs, (name, text): &(&String, String)| {
            let patch = inputs.patch(name, text);
            inputs.with(&patch)
        };
        Case { name: case.name, inputs: texts.iter().fold(case.inputs, patch_all) }
    };
    Ok(cases.into_iter().map(apply).collect())
}

/// Runs `work` on as many threads as asked for; 0 is as many as there are.
pub fn in_pool<T: Send>(jobs: usize, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(jobs).build().context("threads cannot be started")?;
    Ok(pool.install(work))
}
