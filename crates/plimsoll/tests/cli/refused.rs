//! Pods that the API server refuses are missing pods: the headline, the exit code and the place say so.

use crate::{GOOD, folder, run};

/// `check` of the good Deployment beside `more`, with one of its lines replaced.
fn checked(more: &str, replace: (&str, &str)) -> (u8, String) {
    let text = GOOD.replace(replace.0, replace.1);
    let folder = folder(&[("all.yaml", &text), ("more.yaml", more)]);
    let output = run(folder.path(), "check -f all.yaml -f more.yaml --no-fix");
    (u8::try_from(output.exit_code).unwrap_or(u8::MAX), format!("{}{}", output.stdout, output.stderr))
}

const SAME: (&str, &str) = ("", "");

/// The namespace of the good Deployment.
fn namespace(level: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: default, labels: {{pod-security.kubernetes.io/{level}}}}}\n"
    )
}

#[test]
fn pods_that_violate_the_level_of_their_namespace_are_missing() {
    let (exit, said) = checked(&namespace("enforce: restricted"), SAME);
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("misconfiguration: 2 pods are not running"), "{said}");
    assert!(
        said.contains("error[ADM102]") && said.contains("violates PodSecurity \"restricted:latest\""),
        "{said}"
    );
    assert!(said.contains("--> all.yaml:"), "{said}");
    let (exit, said) = checked(&namespace("warn: restricted"), SAME);
    assert_eq!(exit, 0, "{said}");
}

#[test]
fn pods_outside_of_a_limit_range_are_missing() {
    let range = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: small, namespace: default}\nspec: {limits: [{type: Container, max: {cpu: 50m}}]}\n";
    let (exit, said) = checked(range, SAME);
    assert_eq!(exit, 1, "{said}");
    assert!(
        said.contains("misconfiguration: 2 pods are not running") && said.contains("error[ADM103]"),
        "{said}"
    );
    assert!(said.contains("maximum cpu usage per Container is 50m, but"), "{said}");
}

#[test]
fn what_may_exist_elsewhere_is_a_warning_and_no_more() {
    let named = ("      containers:", "      serviceAccountName: web\n      containers:");
    let (exit, said) = checked(&namespace("audit: baseline"), named);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("warning[CONF115]") && said.contains("ServiceAccount default/web"), "{said}");
    assert!(said.contains("converges: everything is running"), "{said}");
}

#[test]
fn the_codes_are_explained() {
    let folder = folder(&[]);
    for code in ["ADM102", "ADM103", "VOL103", "VOL104", "VOL105"] {
        let output = run(folder.path(), &format!("explain {code}"));
        assert_eq!(output.exit_code, 0, "{}", output.stderr);
        assert!(output.stdout.contains(code) && output.stdout.contains("References"), "{}", output.stdout);
    }
}
