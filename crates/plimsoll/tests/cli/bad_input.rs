//! Whatever is handed over: a message with a place and what to write instead, the rest judged, never a panic.

use crate::process::Output;
use crate::{GOOD, folder, run};

/// What is said, wherever.
fn said(output: &Output) -> String {
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    format!("{}{}", output.stdout, output.stderr)
}

/// `all.yaml` good, `bad.yaml` with this text: the message comes with its place, and the rest is judged.
#[track_caller]
fn rest_is_judged(bad: &str, code: &str, place: &str, words: &str) {
    let folder = folder(&[("all.yaml", GOOD), ("bad.yaml", bad)]);
    let output = run(folder.path(), "check -f all.yaml -f bad.yaml --no-fix");
    let said = said(&output);
    assert!(said.contains(&format!("[{code}]")), "{said}");
    assert!(said.contains(&format!("--> bad.yaml:{place}")), "{said}");
    assert!(said.contains(words), "{said}");
    assert!(said.contains("converges: everything is running"), "the rest is judged: {said}");
}

/// Nothing else is there: exit 2, and no word of a verdict.
#[track_caller]
fn nothing_is_left(output: &Output, words: &str) {
    let said = said(output);
    assert_eq!(output.exit_code, 2, "{said}");
    assert!(said.contains(words), "{said}");
    assert!(!said.contains("converges: "), "nothing was judged: {said}");
}

#[test]
fn broken_yaml() {
    rest_is_judged("apiVersion: v1\nkind: [\n", "INPUT103", "2:", "");
    let folder = folder(&[("bad.yaml", "kind: [\n")]);
    nothing_is_left(&run(folder.path(), "check -f bad.yaml"), "nothing to judge was found");
}

#[test]
fn a_verdict_without_all_of_the_input_says_so() {
    let folder = folder(&[("all.yaml", GOOD)]);
    let output = run(folder.path(), "check -f all.yaml -f nope.yaml --no-fix");
    let said = said(&output);
    assert!(said.contains("converges: everything that could be read is running"), "{said}");
    assert!(said.contains("error[INPUT101]: no such file or directory"), "{said}");
    assert_eq!(output.exit_code, 1);
}

#[test]
fn unknown_fields_name_the_nearest_known_one() {
    let folder = folder(&[("all.yaml", &GOOD.replace("  replicas: 2", "  replcas: 2"))]);
    let output = run(folder.path(), "check -f all.yaml");
    let said = said(&output);
    assert!(
        said.contains("unknown field \"spec.replcas\"") && said.contains("did you mean `replicas`?"),
        "{said}"
    );
    assert!(said.contains("--> all.yaml:13:3"), "{said}");
}

#[test]
fn absurd_quantities() {
    for (amount, words) in [
        ("100zz", "is not a quantity"),
        ("-1", "is negative"),
        ("9e99", "is not a quantity"),
        ("99999999999999999999Gi", "is larger than a quantity can be"),
        ("1e-99999999999", "is not a quantity"),
    ] {
        let folder = folder(&[("all.yaml", &GOOD.replace("cpu: 100m", &format!("cpu: \"{amount}\"")))]);
        let output = run(folder.path(), "check -f all.yaml --no-fix");
        assert_eq!(output.exit_code, 1, "{amount}: {}", said(&output));
        assert!(said(&output).contains(words), "{amount}: {}", said(&output));
        assert!(said(&output).contains("--> all.yaml:"), "{amount}: {}", said(&output));
    }
}

#[test]
fn a_profile_of_wrong_types_names_every_field_and_the_rest_is_judged() {
    let wrong = GOOD
        .replace("  nodeGroups:", "  region: {a: b}\n  horizon: [1]\n  network: text\n  nodeGroups:")
        .replace("count: 2}", "count: 2}\n  - {name: more, instanceType: [m7i.large], count: two}\n  - 7");
    let folder = folder(&[("all.yaml", &wrong)]);
    let output = run(folder.path(), "check -f all.yaml --no-fix -v");
    let said = said(&output);
    assert_eq!(output.exit_code, 1, "{said}");
    let group = "spec.nodeGroups[1]";
    for (field, line) in [
        ("spec.region", 5),
        ("spec.horizon", 6),
        ("spec.network", 7),
        (&format!("{group}.instanceType"), 10),
        (&format!("{group}.count"), 10),
        ("spec.nodeGroups[2]", 11),
    ] {
        assert!(said.contains(&format!("error[CONF102]: {field}: expected")), "{field}: {said}");
        assert!(said.contains(&format!("--> all.yaml:{line}:")), "{field}: {said}");
    }
    assert!(!said.contains("not judged"), "the group that is right has its nodes: {said}");
}

#[test]
fn objects_of_wrong_types_are_refused_with_their_place() {
    let broken = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: broken}\nspec: [a, b]\n";
    rest_is_judged(broken, "CONF102", "4:", "spec");
    let labels = GOOD
        .split_once("---\n")
        .expect("two documents")
        .1
        .replace("name: web\n", "name: other\n")
        .replace("matchLabels: {app: web}", "matchLabels: [app]");
    rest_is_judged(&labels, "CONF102", "7:", "matchLabels");
}

#[test]
fn a_list_of_nothing_a_scalar_and_an_empty_file_are_no_objects() {
    for bad in ["- a\n- b\n", "just text\n", "42\n"] {
        rest_is_judged(bad, "INPUT106", "1:", "this is no Kubernetes object");
    }
    let folder = folder(&[("all.yaml", GOOD), ("bad.yaml", "# nothing\n---\n---\n")]);
    let output = run(folder.path(), "check -f all.yaml -f bad.yaml --no-fix");
    assert_eq!(output.exit_code, 0, "{}", said(&output));
}

#[test]
fn deep_nesting_and_alias_bombs() {
    let deep = format!("a: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    rest_is_judged(&deep, "INPUT105", "1:", "levels deep");
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, name) in ('a'..='k').zip('b'..='l') {
        let nine = vec![format!("*{before}"); 9].join(", ");
        bomb.push_str(&format!("{name}: &{name} [{nine}]\n"));
    }
    rest_is_judged(&bomb, "INPUT105", "", "write the values out, or split the file");
}

#[test]
fn owners_in_a_circle() {
    let pod = |name: &str, owner: &str| {
        format!(
            "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata:\n  name: {name}\n  ownerReferences:\n  - {{apiVersion: apps/v1, kind: ReplicaSet, name: {owner}, uid: x}}\nspec:\n  replicas: 1\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{name: a, image: a}}]}}\n"
        )
    };
    let text = format!("{GOOD}---\n{}---\n{}", pod("one", "two"), pod("two", "one"));
    let folder = folder(&[("all.yaml", &text)]);
    let output = run(folder.path(), "check -f all.yaml");
    assert!(said(&output).contains("everything is running"), "{}", said(&output));
}

#[test]
fn not_utf8_and_binary_files() {
    let folder = folder(&[("all.yaml", GOOD)]);
    std::fs::write(folder.path().join("bad.yaml"), b"kind: \xff\xfe\n").expect("a file");
    std::fs::write(folder.path().join("picture.png"), [0u8, 159, 146, 150]).expect("a file");
    let output = run(folder.path(), "check .");
    let said = said(&output);
    assert!(
        said.contains("[INPUT102]") && said.contains("--> bad.yaml") && said.contains("save it as UTF-8"),
        "{said}"
    );
    assert!(!said.contains("picture.png") && said.contains("everything is running"), "{said}");
}

#[test]
fn empty_directories_and_missing_files() {
    let folder = folder(&[]);
    nothing_is_left(&run(folder.path(), "check ."), "nothing to judge was found");
    nothing_is_left(&run(folder.path(), "check nowhere"), "no such file or directory");
    nothing_is_left(&run(folder.path(), "check"), "nothing to read");
    assert_eq!(run(folder.path(), "check . --allow-empty").exit_code, 0);
}

#[test]
fn no_profile_gives_one_to_start_from() {
    let manifests = GOOD.split_once("---\n").expect("two documents").1;
    let folder = folder(&[("web.yaml", manifests)]);
    let output = run(folder.path(), "check");
    nothing_is_left(&output, "plimsoll profile > cluster.yaml");
    let template = run(folder.path(), "profile").stdout;
    std::fs::write(folder.path().join("cluster.yaml"), template).expect("a file");
    let output = run(folder.path(), "check --cluster cluster.yaml -f web.yaml --fail-on warning");
    assert_eq!(output.exit_code, 0, "{}", said(&output));
    assert!(output.stdout.starts_with("converges: "), "{}", output.stdout);
}

#[test]
fn a_profile_without_node_groups_says_what_to_write() {
    let folder = folder(&[(
        "all.yaml",
        &GOOD.replace(
            "  nodeGroups:\n  - {name: system, instanceType: m7i.large, count: 2}\n",
            "  region: us-west-2\n",
        ),
    )]);
    let output = run(folder.path(), "check -f all.yaml");
    nothing_is_left(&output, "the profile has no `nodeGroups`");
    assert!(output.stdout.contains("--> all.yaml:4:"), "{}", output.stdout);
}

#[test]
fn two_profiles_are_one_too_many() {
    let profile = GOOD.split_once("---\n").expect("two documents").0;
    let folder = folder(&[("all.yaml", GOOD), ("second.yaml", profile)]);
    let output = run(folder.path(), "check -f all.yaml --cluster second.yaml");
    assert_eq!(output.exit_code, 1, "{}", said(&output));
    assert!(output.stdout.contains("--> second.yaml:"), "{}", output.stdout);
}

#[test]
fn environments_that_are_not_there() {
    let folder = folder(&[
        ("all.yaml", GOOD),
        (".plimsoll.yaml", "environments:\n- {name: dev, files: [all.yaml]}\n"),
    ]);
    let output = run(folder.path(), "check -e prod");
    nothing_is_left(&output, "there is no environment prod; the project has: dev");
    assert_eq!(run(folder.path(), "check -e dev").exit_code, 0);
    nothing_is_left(&run(folder.path(), "check -f all.yaml -e dev"), "only a project has environments");
}

#[test]
fn a_project_is_found_from_below() {
    let folder = folder(&[("all.yaml", GOOD), (".plimsoll.yaml", "files: [all.yaml]\n")]);
    let below = folder.path().join("apps");
    std::fs::create_dir(&below).expect("a folder");
    let output = run(&below, "check");
    assert_eq!(output.exit_code, 0, "{}", said(&output));
    assert!(output.stdout.starts_with("converges: "), "{}", output.stdout);
}

#[test]
fn a_boolean_where_a_text_belongs_is_said() {
    let settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {on: \"false\"}\n";
    let folder = folder(&[("all.yaml", GOOD), ("settings.yaml", settings)]);
    let unquoted =
        run(folder.path(), "simulate -f all.yaml -f settings.yaml --with ConfigMap/settings:data.on=true");
    let said = said(&unquoted);
    assert_eq!(unquoted.exit_code, 1, "{said}");
    assert!(said.contains("data.on") && said.contains("put the value in quotes"), "{said}");
    let quoted = run(
        folder.path(),
        "simulate -f all.yaml -f settings.yaml --with ConfigMap/settings:data.on=\"true\"",
    );
    assert_eq!(quoted.exit_code, 0, "{}", crate::bad_input::said(&quoted));
}
