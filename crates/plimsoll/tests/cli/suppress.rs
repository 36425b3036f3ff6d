//! Suppressions, `--baseline`, `--fail-on`, `--exit-zero`.

use serde_json::Value;

use crate::{GOOD, folder, run};

/// One node too small for the Deployment: `SCHED101`. `web`'s annotation is `ANNOTATION`.
fn stuck(annotation: &str) -> String {
    let stuck = GOOD.replace("cpu: 100m", "cpu: 100");
    stuck.replace("  name: web\nspec:", &format!("  name: web\n{annotation}\nspec:"))
}

/// A field that is not known: a warning, and it converges.
fn warned() -> String {
    GOOD.replace("  replicas: 2", "  replicas: 2\n  replcas: 3")
}

#[test]
fn an_annotation_hides_the_finding_but_never_the_verdict() {
    let text = stuck("  annotations: {plimsoll.dev/ignore.SCHED101: we know}");
    let folder = folder(&[("all.yaml", &text)]);
    let output = run(folder.path(), "check -f all.yaml --no-fix");
    assert_eq!(output.exit_code, 1, "{}", output.stdout);
    assert!(!output.stdout.contains("error[SCHED101]"), "{}", output.stdout);
    assert!(
        output.stdout.contains("1 finding is suppressed, but the verdict cannot be"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("0 errors, 0 warnings, 1 suppressed"), "{}", output.stdout);
}

#[test]
fn a_suppression_without_a_reason_or_a_use_is_a_warning() {
    for (annotation, message) in [
        ("plimsoll.dev/ignore.SCHED101: \"\"", "gives no reason"),
        ("plimsoll.dev/ignore.IP101: because", "nothing is left to suppress"),
        ("plimsoll.dev/ignore.IP999: because", "IP999 is not a code"),
    ] {
        let folder = folder(&[("all.yaml", &stuck(&format!("  annotations: {{{annotation}}}")))]);
        std::fs::write(folder.path().join(".plimsoll.yaml"), "files: [all.yaml]\n").expect("a project");
        let output = run(folder.path(), "check --no-fix");
        assert!(output.stdout.contains(message), "{annotation}: {}", output.stdout);
        assert!(output.stdout.contains("warning[INPUT120]"), "{}", output.stdout);
        assert!(output.stdout.contains("--> all.yaml:"), "{}", output.stdout);
        assert!(output.stdout.contains("1 error, 1 warning "), "{}", output.stdout);
    }
}

#[test]
fn the_project_file_suppresses_until_a_day() {
    let project = "files: [all.yaml]\nignore:\n- {code: CONF101, kind: Deployment, name: 'w*', reason: old chart, until: 2026-06-30}\n";
    let folder = folder(&[("all.yaml", &warned()), (".plimsoll.yaml", project)]);
    let exit = |words: &str| run(folder.path(), &format!("check --fail-on warning {words}")).exit_code;
    assert_eq!(exit("--today 2026-06-30"), 0);
    assert_eq!(exit("--today 2026-07-01"), 1);
    let ended = run(folder.path(), "check --today 2026-07-01").stdout;
    assert!(ended.contains("the suppression of CONF101 ended on 2026-06-30"), "{ended}");
    assert!(ended.contains("--> .plimsoll.yaml:3:1"), "{ended}");
    assert_eq!(run(folder.path(), "check --today tomorrow").exit_code, 2);
}

#[test]
fn only_what_the_baseline_does_not_know_fails() {
    let folder = folder(&[("all.yaml", &stuck(""))]);
    let known = run(folder.path(), "check -f all.yaml --no-fix -o json=known.json");
    assert_eq!(known.exit_code, 1);
    let same = run(folder.path(), "check -f all.yaml --no-fix --baseline known.json -o json");
    let report: Value = serde_json::from_str(&same.stdout).expect("JSON");
    assert_eq!(same.exit_code, 0, "{}", same.stdout);
    assert_eq!(report["clusters"][0]["findings"][0]["suppressed"]["by"], "baseline");
    assert_eq!(report["clusters"][0]["outcome"], "starvation", "the verdict stays what it is");
    let more = stuck("").replace("        image: nginx", "        image: nginx\n        imagee: x");
    std::fs::write(folder.path().join("all.yaml"), more).expect("a file");
    assert_eq!(run(folder.path(), "check -f all.yaml --no-fix --baseline known.json").exit_code, 0);
    let strict = "check -f all.yaml --no-fix --fail-on warning --baseline known.json";
    assert_eq!(run(folder.path(), strict).exit_code, 1, "a new warning fails where warnings fail");
}

#[test]
fn a_cluster_that_converged_in_the_baseline_fails_when_it_no_longer_does() {
    let folder = folder(&[("all.yaml", GOOD)]);
    assert_eq!(run(folder.path(), "check -f all.yaml -o json=known.json").exit_code, 0);
    std::fs::write(folder.path().join("all.yaml"), stuck("")).expect("a file");
    assert_eq!(run(folder.path(), "check -f all.yaml --no-fix --baseline known.json").exit_code, 1);
    let nonsense = run(folder.path(), "check -f all.yaml --baseline all.yaml");
    assert_eq!(nonsense.exit_code, 2);
    assert!(nonsense.stderr.contains("--baseline all.yaml: it is not JSON"), "{}", nonsense.stderr);
}

#[test]
fn fail_on_and_exit_zero_decide_the_exit_code_only() {
    let folder = folder(&[("stuck.yaml", &stuck("")), ("warned.yaml", &warned())]);
    let exit = |words: &str| run(folder.path(), &format!("check --no-fix -f {words}")).exit_code;
    assert_eq!(exit("warned.yaml"), 0);
    assert_eq!(exit("warned.yaml --fail-on warning"), 1);
    assert_eq!(exit("stuck.yaml"), 1);
    assert_eq!(exit("stuck.yaml --fail-on never"), 0);
    assert_eq!(exit("stuck.yaml --exit-zero"), 0);
    assert_eq!(exit("missing.yaml --exit-zero"), 2, "nothing judged is no success");
}
