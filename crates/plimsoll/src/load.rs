//! From the command line to loaded inputs: files, projects, overlays, patches.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sources::kustomize::Tools;
use sources::{Environment, Ignore, Inputs, Limits, Project, Reader, project};

use crate::args::InputArgs;
use crate::judge::Case;

/// What was loaded.
pub struct Loaded {
    /// Everything to judge: the environments of a project, or one case of what was named.
    pub cases: Vec<Case>,
    /// The project file's name and its suppressions, where there is one.
    pub project: Option<(String, Vec<Ignore>)>,
    /// Not all of the project is judged.
    pub partial: bool,
}

/// Loads what the command line names; without any name the project here, or the manifests here.
pub fn load(args: &InputArgs) -> anyhow::Result<Loaded> {
    let cwd = std::env::current_dir().context("the current directory cannot be read")?;
    let tools = Tools::find(std::env::var_os("PATH").as_deref());
    let named_nothing = args.paths.is_empty() && args.filename.is_empty() && args.kustomize.is_none();
    let project = match args.paths.as_slice() {
        [] if named_nothing => Project::find(&cwd, Path::new("")),
        [path] if args.filename.is_empty() && args.kustomize.is_none() => Project::open(&cwd, path),
        _ => None,
    };
    if let Some(project) = project {
        let cases = environments(&project, args, &cwd, &tools)?;
        let partial = cases.len() < project.environments.len();
        return Ok(Loaded { cases, project: Some(suppressions(&project, &cwd)), partial });
    }
    if let Some(project) = args.paths.iter().find(|path| cwd.join(path).join(project::FILE).is_file()) {
        bail!("{} is a project: it is judged alone, without other paths, -f or -k", project.display());
    }
    if let Some(environment) = args.environment.first() {
        bail!("-e {environment}: only a project has environments, and no {} was found", project::FILE);
    }
    let here = [PathBuf::from(".")];
    let paths = if named_nothing { &here[..] } else { &args.paths };
    if named_nothing && !has_manifests(&cwd) {
        bail!(
            "nothing to read: there is no {} and no manifest here; name a directory, or use -f FILE, -f - or -k DIR",
            project::FILE
        );
    }
    let cases = vec![Case { name: String::new(), inputs: named(paths, args, &cwd, &tools) }];
    let project = Project::find(&cwd, Path::new("")).map(|project| suppressions(&project, &cwd));
    Ok(Loaded { cases, project, partial: true })
}

fn suppressions(project: &Project, cwd: &Path) -> (String, Vec<Ignore>) {
    let file = project.root.join(project::FILE);
    let shown = file.strip_prefix(cwd).unwrap_or(&file);
    (shown.to_string_lossy().trim_start_matches("./").to_owned(), project.ignore.clone())
}

/// Whether a directory itself holds files that may be manifests.
fn has_manifests(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    let is_manifest =
        |path: &Path| matches!(path.extension().and_then(|end| end.to_str()), Some("yaml" | "yml" | "json"));
    entries.flatten().any(|entry| is_manifest(&entry.path()))
}

fn environments(project: &Project, args: &InputArgs, cwd: &Path, tools: &Tools) -> anyhow::Result<Vec<Case>> {
    for problem in &project.problems {
        anstream::eprintln!("{}:{}:{}: {}", problem.file, problem.line, problem.column, problem.message);
    }
    if project.problems.iter().any(|problem| problem.severity == api::Severity::Error) {
        bail!("the project file cannot be used");
    }
    let known = |name: &&String| project.environment(name).is_none();
    if let Some(unknown) = args.environment.iter().find(known) {
        let names: Vec<&str> =
            project.environments.iter().map(|environment| environment.name.as_str()).collect();
        bail!("there is no environment {unknown}; the project has: {}", names.join(", "));
    }
    let wanted = |environment: &&Environment| {
        args.environment.is_empty() || args.environment.contains(&environment.name)
    };
    let chosen = project.environments.iter().filter(wanted);
    Ok(chosen.map(|environment| environment_case(environment, args, cwd, tools)).collect())
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

fn named(paths: &[PathBuf], args: &InputArgs, cwd: &Path, tools: &Tools) -> Inputs {
    let mut stdin = std::io::stdin();
    let mut reader = Reader::new(cwd, Limits::default(), tools).with_stdin(&mut stdin);
    for path in paths {
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
    reader.finish()
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
