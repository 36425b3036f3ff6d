//! Pods and what the plugin of v1.36 answers for them.

use crate::testing::{lowered, shown};

fn refusal(level: &str, version: &str, pod: &str) -> String {
    let namespace = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: apps, labels: {{pod-security.kubernetes.io/enforce: {level}{version}}}}}\n---\n"
    );
    let pod =
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: one, namespace: apps}}\nspec: {{{pod}}}\n");
    let lowered = lowered(&format!("{namespace}{pod}"));
    assert_eq!(shown(&lowered.problems), "");
    let refusals = lowered.declared.pod_refusals.values().flatten();
    refusals.map(|refusal| refusal.message.to_string()).collect()
}

const PLAIN: &str = "containers: [{name: a, image: a}]";
const STRICT: &str = "securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: a, image: a, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]";

#[test]
fn the_message_is_the_plugins() {
    let pod = "hostNetwork: true, containers: [{name: a, image: a, ports: [{containerPort: 9100}]}], volumes: [{name: proc, hostPath: {path: /proc}}]";
    assert_eq!(
        refusal("baseline", "", pod),
        "violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true), hostPath volumes (volume \"proc\"), hostPort (container \"a\" uses hostPort 9100)"
    );
    assert_eq!(
        refusal("restricted", ", pod-security.kubernetes.io/enforce-version: v1.30", PLAIN),
        "violates PodSecurity \"restricted:v1.30\": allowPrivilegeEscalation != false (container \"a\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"a\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"a\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"a\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
    );
}

#[test]
fn what_a_level_allows_is_not_refused() {
    assert_eq!(refusal("baseline", "", PLAIN), "");
    assert_eq!(refusal("restricted", "", STRICT), "");
    assert_eq!(refusal("privileged", "", &format!("hostPID: true, {PLAIN}")), "");
    let warns =
        "privileged, pod-security.kubernetes.io/warn: restricted, pod-security.kubernetes.io/audit: baseline";
    assert_eq!(refusal(warns, "", &format!("hostPID: true, {PLAIN}")), "");
}

#[test]
fn every_check_of_baseline_is_made() {
    let container = |context: &str| {
        format!("containers: [{{name: a, image: a, securityContext: {{{context}}}}}, {{name: b, image: b}}]")
    };
    let cases = [
        (format!("hostIPC: true, {PLAIN}"), "host namespaces (hostIPC=true)"),
        (
            container("privileged: true"),
            "privileged (container \"a\" must not set securityContext.privileged=true)",
        ),
        (
            container("capabilities: {add: [NET_ADMIN, CHOWN]}"),
            "non-default capabilities (container \"a\" must not include \"NET_ADMIN\" in securityContext.capabilities.add)",
        ),
        (
            container("procMount: Unmasked"),
            "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")",
        ),
        (
            container("seLinuxOptions: {type: spc_t, user: u}"),
            "seLinuxOptions (container \"a\" set forbidden securityContext.seLinuxOptions: type \"spc_t\"; user may not be set)",
        ),
        (
            container("seccompProfile: {type: Unconfined}"),
            "seccompProfile (container \"a\" must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ),
        (
            container("appArmorProfile: {type: Unconfined}"),
            "forbidden AppArmor profile (container \"a\" must not set AppArmor profile type to \"Unconfined\")",
        ),
        (
            container("windowsOptions: {hostProcess: true}"),
            "hostProcess (container \"a\" must not set securityContext.windowsOptions.hostProcess=true)",
        ),
        (
            format!(
                "securityContext: {{sysctls: [{{name: kernel.msgmax, value: '1'}}, {{name: net.ipv4.tcp_rmem, value: '1'}}]}}, {PLAIN}"
            ),
            "forbidden sysctls (kernel.msgmax)",
        ),
    ];
    for (pod, found) in cases {
        assert_eq!(
            refusal("baseline", "", &pod),
            format!("violates PodSecurity \"baseline:latest\": {found}")
        );
    }
}

#[test]
fn an_older_version_and_windows_are_held_to_less() {
    let probe = "containers: [{name: a, image: a, livenessProbe: {httpGet: {host: example.org, port: 80}}}]";
    assert!(refusal("baseline", "", probe).contains("probe or lifecycle host"));
    assert_eq!(refusal("baseline", ", pod-security.kubernetes.io/enforce-version: v1.33", probe), "");
    let windows = format!("os: {{name: windows}}, securityContext: {{runAsNonRoot: true}}, {PLAIN}");
    assert_eq!(refusal("restricted", "", &windows), "");
    assert_ne!(refusal("restricted", ", pod-security.kubernetes.io/enforce-version: v1.24", &windows), "");
}

#[test]
fn a_level_that_does_not_exist_is_an_error() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: apps, labels: {pod-security.kubernetes.io/enforce: baselin}}\n";
    let problems = lowered(text).problems;
    assert_eq!(
        (problems[0].code, problems[0].help.as_deref()),
        ("CONF102", Some("did you mean `baseline`?"))
    );
}
