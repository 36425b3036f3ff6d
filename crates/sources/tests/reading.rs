//! Files, directories, overlays and projects.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

use sources::kustomize::Tools;
use sources::{Inputs, Limits, Project, Reader};
use tempfile::TempDir;

fn pod(name: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n")
}

fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn read(root: &Path, tools: &Tools, ask: impl FnOnce(&mut Reader<'_>)) -> Inputs {
    let mut reader = Reader::new(root, Limits::default(), tools);
    ask(&mut reader);
    reader.finish()
}

/// The objects with their files, then the problems.
fn seen(inputs: &Inputs) -> Vec<String> {
    let objects = inputs.raw_objects().into_iter().map(|object| {
        let file = inputs.document_span(object.document, &object.root).unwrap().name;
        format!("{} in {file}", object.value["metadata"]["name"].as_str().unwrap())
    });
    let problems = inputs.problems.iter().map(|problem| {
        let name = inputs.problem_span(problem).unwrap().name;
        format!("{name}: {:?} {}: {}", problem.severity, problem.code, problem.message)
    });
    objects.chain(problems).collect()
}

#[test]
fn directories_are_read_in_name_order() {
    let (a, b, c, d) = (pod("a"), pod("b"), pod("c"), pod("d"));
    let root = tree(&[
        ("in/b.yml", &b),
        ("in/a.yaml", &a),
        ("in/c.json", r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}}"#),
        ("in/sub/d.yaml", &d),
        ("in/.hidden/x.yaml", &c),
        ("in/.x.yaml", &c),
        ("in/notes.txt", "text"),
        ("in/kustomization.yaml", "resources: [a.yaml]\n"),
    ]);
    let tools = Tools::default();
    let flat = read(root.path(), &tools, |reader| reader.filename("in", false));
    assert_eq!(seen(&flat), ["a in in/a.yaml", "b in in/b.yml", "c in in/c.json"]);
    let deep = read(root.path(), &tools, |reader| reader.filename("./in", true));
    assert_eq!(seen(&deep).last().unwrap(), "d in in/sub/d.yaml");
    let one = read(root.path(), &tools, |reader| reader.filename("in/.x.yaml", false));
    assert_eq!(seen(&one), ["c in in/.x.yaml"], "a file that is named is read, whatever its name");
}

#[test]
fn a_directory_with_nothing_but_directories_says_how_to_read_them() {
    let root = tree(&[
        ("plain/sub/a.yaml", &pod("a")),
        ("built/sub/b.yaml", &pod("b")),
        ("built/kustomization.yaml", "resources: [sub]\n"),
        ("own/c.yaml", &pod("c")),
        ("own/sub/d.yaml", &pod("d")),
        ("empty/sub/notes.txt", "text"),
    ]);
    let tools = Tools::default();
    let of = |name: &str, recursive| read(root.path(), &tools, |reader| reader.filename(name, recursive));
    assert_eq!(
        seen(&of("plain", false)),
        [
            "plain: Warning INPUT112: it has no manifests of its own, and those of its subdirectories (sub, …) are not read"
        ]
    );
    assert!(of("built", false).problems[0].help.as_ref().unwrap().contains("`-k built`"));
    assert_eq!(seen(&of("plain", true)), ["a in plain/sub/a.yaml"]);
    assert_eq!(seen(&of("own", false)), ["c in own/c.yaml"]);
    assert!(seen(&of("empty", false)).is_empty());
}

#[test]
fn a_file_that_is_named_twice_is_read_once() {
    let root = tree(&[("in/a.yaml", &pod("a")), ("in/cluster.yaml", &pod("b"))]);
    let inputs = read(root.path(), &Tools::default(), |reader| {
        reader.filename("in", true);
        reader.filename("./in/../in/cluster.yaml", false);
    });
    assert_eq!(seen(&inputs), ["a in in/a.yaml", "b in in/cluster.yaml"]);
}

#[test]
fn what_cannot_be_read_is_a_problem() {
    let root = tree(&[("a.yaml", &pod("a"))]);
    let tools = Tools::default();
    let mut stdin = "apiVersion: v1\nkind: Pod\nmetadata: {name: s}\n".as_bytes();
    let mut reader = Reader::new(root.path(), Limits::default(), &tools).with_stdin(&mut stdin);
    for what in ["nope.yaml", "-", "https://example.org/x.yaml", "a.yaml", "-"] {
        reader.filename(what, false);
    }
    assert_eq!(
        seen(&reader.finish()),
        [
            "s in stdin",
            "a in a.yaml",
            "nope.yaml: Error INPUT101: no such file or directory",
            "https://example.org/x.yaml: Error INPUT101: URLs are not read",
            "stdin: Error INPUT101: stdin can be read only once",
        ]
    );
}

#[test]
fn charts_and_overlays_are_not_read_raw() {
    let (a, b) = (pod("a"), pod("b"));
    let root = tree(&[
        ("chart/Chart.yaml", "name: c\n"),
        ("chart/templates/x.yaml", "{{ .Values.x }}"),
        ("overlay/kustomization.yaml", "resources: [../base]\npatches: [{path: p.yaml}]\n"),
        ("overlay/p.yaml", &a),
        (
            "base/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [b.yaml]\n",
        ),
        ("base/b.yaml", &b),
    ]);
    let inputs = read(root.path(), &Tools::default(), |reader| reader.path(Path::new("."), true));
    assert_eq!(
        seen(&inputs),
        [
            "b in base/b.yaml",
            "chart: Warning INPUT108: this is a Helm chart: its templates are not read",
            "overlay: Warning INPUT108: its kustomization changes what the files say (patches): they are not read",
        ]
    );
}

#[cfg(unix)]
#[test]
fn overlays_are_built_by_the_users_own_tool() {
    use std::os::unix::fs::PermissionsExt;
    let root = tree(&[
        (
            "bin/kustomize",
            "#!/bin/sh\ncase \"$2\" in\n*bad) echo \"Error: no kustomization\" >&2; exit 1;;\nesac\ncat \"$2/out.yaml\"\n",
        ),
        ("overlay/out.yaml", &pod("k")),
    ]);
    fs::set_permissions(root.path().join("bin/kustomize"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::join_paths([root.path().join("none"), root.path().join("bin")]).unwrap();
    let tools = Tools::find(Some(&path));
    assert_eq!(tools.kubectl, None);
    let inputs = read(root.path(), &tools, |reader| {
        reader.kustomize(Path::new("overlay"));
        reader.kustomize(Path::new("bad"));
    });
    assert_eq!(
        seen(&inputs),
        [
            "k in kustomize build overlay",
            "bad: Error INPUT107: `kustomize build bad` failed: Error: no kustomization",
        ]
    );
    let without = read(root.path(), &Tools::find(None), |reader| reader.kustomize(Path::new("overlay")));
    assert_eq!(
        seen(&without),
        ["overlay: Error INPUT107: neither kustomize nor kubectl is on the PATH to build this overlay"]
    );
}

const PROJECT: &str = "\
environments:
- name: dev
  files: [base, extra.yaml]
- name: prod
  files: [prod.yaml]
  kustomize: overlays/prod
  cluster: prod-cluster.yaml
cluster: cluster.yaml
ignore:
- {code: IP101, namespace: sandbox, reason: \"shared with nobody\", until: 2026-12-31}
";

#[test]
fn a_project_file_names_environments() {
    let cluster = "apiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nmetadata: {name: dev}\n";
    let root = tree(&[
        ("repo/.plimsoll.yaml", PROJECT),
        ("repo/base/deep/a.yaml", &pod("a")),
        ("repo/extra.yaml", &pod("e")),
        ("repo/cluster.yaml", cluster),
    ]);
    let project = Project::open(root.path(), Path::new("repo")).unwrap();
    assert_eq!(project.problems, []);
    let names: Vec<&str> = project.environments.iter().map(|environment| environment.name.as_str()).collect();
    assert_eq!(names, ["dev", "prod"]);
    assert_eq!(project.ignore[0].code, "IP101");
    assert_eq!((project.ignore[0].until.as_str(), project.ignore[0].line), ("2026-12-31", 10));
    let tools = Tools::default();
    let dev = read(root.path(), &tools, |reader| project.environment("dev").unwrap().read(reader, false));
    assert_eq!(
        seen(&dev),
        ["a in repo/base/deep/a.yaml", "e in repo/extra.yaml", "dev in repo/cluster.yaml"]
    );
    let prod = read(root.path(), &tools, |reader| project.environment("prod").unwrap().read(reader, false));
    assert_eq!(
        seen(&prod),
        [
            "repo/prod.yaml: Error INPUT101: no such file or directory",
            "repo/prod-cluster.yaml: Error INPUT101: no such file or directory",
        ]
    );
    assert!(Project::open(root.path(), Path::new(".")).is_none());
    let found = Project::find(root.path(), Path::new("repo/base/deep")).unwrap();
    assert_eq!(found.environments, project.environments);
}

#[test]
fn a_project_file_may_be_wrong() {
    let problems = |text: &str| -> Vec<String> {
        let project = Project::parse(Path::new("/x"), ".plimsoll.yaml", text);
        let show = |problem: &sources::project::ProjectProblem| {
            format!("{}:{} {:?} {}", problem.line, problem.column, problem.severity, problem.message)
        };
        project.problems.iter().map(show).collect()
    };
    assert_eq!(
        problems(
            "environments:\n- name: a\n  files: [x]\n  colour: red\n- name: a\n  file: y\nignore:\n- code: X\n"
        ),
        [
            "4:3 Warning the field `colour` is not known here",
            "6:3 Warning the field `file` is not known here",
            "8:3 Error an entry of `ignore` needs a `code` and a `reason`",
            "1:1 Error there are two environments called `a`",
            "1:1 Error the environment `a` has neither `files` nor `kustomize`",
        ]
    );
    assert_eq!(problems("files: [a]\n"), Vec::<String>::new());
    assert_eq!(problems("- a\n"), ["1:1 Error a project file is a map with `environments` or `files`"]);
    assert_eq!(problems("").len(), 1);
    assert_eq!(problems("a: [1\n").len(), 1);
    assert_eq!(problems("a: 1\na: 2\n"), ["2:1 Error the key `a` is written twice: on line 1 and on line 2"]);
}
