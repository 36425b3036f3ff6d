//! Workloads with the API server's defaults, what is refused, and hooks.

use cluster::arrival::HookPhase;
use cluster::template::{DnsPolicy, PodVolume, RestartPolicy};
use cluster::workload::Shape;
use cluster::{Effect, Workload};

use crate::testing::{lowered, shown};

/// A Deployment whose pod spec is given.
fn deployment(spec: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: apps}}\nspec:\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      {spec}\n"
    )
}

fn only(text: &str) -> Workload {
    let mut lowered = lowered(text);
    assert_eq!(shown(&lowered.problems), "");
    lowered.declared.workloads.remove(0)
}

#[test]
fn a_bare_template_has_the_api_servers_defaults() {
    let workload = only(&deployment(
        "containers: [{name: a, image: a, readinessProbe: {initialDelaySeconds: 5, successThreshold: 2}}]",
    ));
    assert_eq!(
        workload.shape,
        Shape::Deployment { replicas: 1, recreate: false, max_surge: 1, max_unavailable: 0 }
    );
    let template = &workload.template;
    assert_eq!(
        (template.dns_policy, template.restart_policy),
        (DnsPolicy::ClusterFirst, RestartPolicy::Always)
    );
    assert_eq!((template.grace_period_ms, template.scheduler_name.as_str()), (30_000, "default-scheduler"));
    assert_eq!(
        (template.service_account.as_str(), template.priority, template.preempts),
        ("default", 0, true)
    );
    assert_eq!(template.ready_delay_ms, 15_000);
    assert!(template.containers[0].always_pull);
    let seconds: Vec<_> = template.tolerations.iter().map(|toleration| toleration.seconds).collect();
    assert_eq!(seconds, [Some(300), Some(300)]);
    assert_eq!(template.labels["pod-template-hash"].len(), 10);
    assert_eq!(template.requests.to_string(), "pods 1");
}

#[test]
fn daemon_sets_tolerate_what_their_controller_adds() {
    let text = deployment(
        "hostNetwork: true\n      containers: [{name: a, image: \"a:1\", ports: [{containerPort: 9100}]}]",
    )
    .replace("Deployment", "DaemonSet");
    let workload = only(&text);
    let unschedulable = workload
        .template
        .tolerations
        .iter()
        .filter(|toleration| toleration.effect == Some(Effect::NoSchedule));
    assert_eq!(unschedulable.count(), 5);
    assert!(workload.template.tolerations.iter().all(|toleration| toleration.seconds.is_none()));
    assert_eq!(workload.template.host_ports[0].port, 9100);
    assert!(!workload.template.containers[0].always_pull);
}

#[test]
fn stateful_sets_bring_claims_and_jobs_run_as_long_as_the_profile_says() {
    let text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  replicas: 3\n  selector: {matchLabels: {app: db}}\n  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: a, image: a}], volumes: [{name: c, persistentVolumeClaim: {claimName: shared}}]}}\n  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], storageClassName: gp2}}]\n---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec: {schedule: \"*/5 * * * *\", jobTemplate: {spec: {parallelism: 2, backoffLimit: 1, ttlSecondsAfterFinished: 10, template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}\n---\napiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nspec: {runtimes: [{kind: CronJob, namespace: \"*\", name: \"*\", duration: 90s}]}\n";
    let lowered = lowered(text);
    assert_eq!(shown(&lowered.problems), "");
    let of =
        |name: &str| lowered.declared.workloads.iter().find(|workload| workload.key.name == name).unwrap();
    assert_eq!(of("db").shape, Shape::StatefulSet { replicas: 3, parallel: false });
    let data = PodVolume::Template { name: "data".into(), storage_class: Some("gp2".into()), stateful: true };
    assert_eq!(of("db").template.volumes, [PodVolume::Claim("shared".into()), data]);
    let job = Shape::Job {
        completions: 2,
        parallelism: 2,
        backoff_limit: 1,
        ttl_ms: Some(10_000),
        duration_ms: 90_000,
    };
    assert_eq!(
        of("c").shape,
        Shape::CronJob { schedule: "*/5 * * * *".into(), suspended: false, job: Box::new(job) }
    );
}

#[test]
fn what_the_api_server_refuses_does_not_take_part() {
    for (spec, code, path) in [
        ("containers: []", "CONF104", "containers"),
        ("containers: [{name: a}]", "CONF104", "containers[0].image"),
        ("containers: [{name: a, image: a}, {name: a, image: a}]", "CONF102", "containers[1].name"),
        (
            "containers: [{name: a, image: a, resources: {requests: {cpu: 2}, limits: {cpu: 1}}}]",
            "CONF102",
            "containers[0].resources.requests.cpu",
        ),
        (
            "containers: [{name: a, image: a, resources: {requests: {cpu: -1}}}]",
            "CONF102",
            "containers[0].resources.requests.cpu",
        ),
        (
            "containers: [{name: a, image: a, resources: {requests: {memory: 1e30}}}]",
            "CONF102",
            "containers[0].resources.requests.memory",
        ),
        (
            "containers: [{name: a, image: a, resources: {requests: {memory: 1gb}}}]",
            "CONF102",
            "containers[0].resources.requests.memory",
        ),
        (
            "containers: [{name: a, image: a, resources: {requests: {nvidia.com/gpu: 1}}}]",
            "CONF102",
            "containers[0].resources.requests[\"nvidia.com/gpu\"]",
        ),
        ("restartPolicy: Never\n      containers: [{name: a, image: a}]", "CONF102", "restartPolicy"),
        ("dnsPolicy: clusterFirst\n      containers: [{name: a, image: a}]", "CONF102", "dnsPolicy"),
        (
            "tolerations: [{key: a, operator: exists}]\n      containers: [{name: a, image: a}]",
            "CONF102",
            "tolerations[0].operator",
        ),
        (
            "topologySpreadConstraints: [{maxSkew: 0, topologyKey: z, whenUnsatisfiable: DoNotSchedule}]\n      containers: [{name: a, image: a}]",
            "CONF102",
            "topologySpreadConstraints[0].maxSkew",
        ),
        (
            "containers: [{name: a, image: a, env: [{name: PORT, value: 8080}]}]",
            "CONF102",
            "containers[0].env[0].value",
        ),
        (
            "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {}}]}}\n      containers: [{name: a, image: a}]",
            "CONF104",
            "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
        ),
    ] {
        let lowered = lowered(&deployment(spec));
        let found: Vec<(&str, String)> =
            lowered.problems.iter().map(|p| (p.code, p.path.to_string())).collect();
        assert_eq!(found, [(code, format!("spec.template.spec.{path}"))], "{spec}");
        assert!(lowered.declared.workloads.is_empty(), "{spec}");
    }
}

#[test]
fn an_unknown_field_is_dropped_and_the_rest_is_judged() {
    let lowered = lowered(&deployment("hostnetwork: true\n      containers: [{name: a, image: a}]"));
    assert_eq!(
        shown(&lowered.problems),
        "Warning CONF101 [spec.template.spec.hostnetwork] unknown field \"spec.template.spec.hostnetwork\": the API server drops it\n"
    );
    assert_eq!(lowered.problems[0].help.as_deref(), Some("did you mean `hostNetwork`?"));
    assert!(!lowered.declared.workloads[0].template.host_network);
}

#[test]
fn removed_versions_and_absurd_counts_are_named() {
    let old = deployment("containers: [{name: a, image: a}]").replace("apps/v1", "extensions/v1beta1");
    assert_eq!(lowered(&old).problems[0].help.as_deref(), Some("write `apiVersion: apps/v1`"));
    let many = deployment("containers: [{name: a, image: a}]")
        .replace("spec:\n  selector", "spec:\n  replicas: 2000000000\n  selector");
    assert_eq!(lowered(&many).problems[0].code, "CONF114");
    let negative = many.replace("2000000000", "-1");
    assert_eq!(lowered(&negative).problems[0].code, "CONF102");
}

#[test]
fn an_unknown_priority_class_is_warned_of() {
    let spec = "priorityClassName: hihg\n      containers: [{name: a, image: a}]";
    let class =
        "---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 1000\n";
    let lowered = lowered(&format!("{}{class}", deployment(spec)));
    let problem = &lowered.problems[0];
    assert_eq!(
        (problem.code, problem.severity, problem.help.as_deref()),
        ("CONF108", crate::Severity::Warning, Some("did you mean `high`?"))
    );
    assert_eq!(lowered.declared.workloads[0].template.priority_class, "hihg");
    let critical =
        only(&deployment("priorityClassName: system-node-critical\n      containers: [{name: a, image: a}]"));
    assert_eq!(critical.template.priority, 2_000_001_000);
}

#[test]
fn limit_ranges_fill_in_and_refuse() {
    let range = "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: l, namespace: apps}\nspec: {limits: [{type: Container, default: {cpu: 500m}, defaultRequest: {cpu: 100m}, max: {cpu: 1}}]}\n";
    let filled = only(&format!("{}{range}", deployment("containers: [{name: a, image: a}]")));
    assert_eq!(filled.template.requests.cpu_millis, 100);
    assert_eq!(filled.template.containers[0].limits.cpu_millis, 500);
    let refused = lowered(&format!(
        "{}{range}",
        deployment("containers: [{name: a, image: a, resources: {limits: {cpu: 2}}}]")
    ));
    assert_eq!(shown(&refused.problems), "");
    let refusal = refused.declared.pod_refusals.values().flatten().next().unwrap();
    assert_eq!(refusal.message, "maximum cpu usage per Container is 1, but limit is 2");
    assert_eq!(refusal.object.as_ref().map(|at| at.path.0.as_str()), Some("/spec/limits/0"));
    assert_eq!(refusal.violations[0].location.path.0, "/spec/template/spec/containers/0/resources");
}

#[test]
fn hooks_of_other_phases_do_not_arrive() {
    let with = |annotations: &str| {
        deployment("containers: [{name: a, image: a}]")
            .replace("namespace: apps}", &format!("namespace: apps, annotations: {annotations}}}"))
    };
    let before = only(&with(
        "{helm.sh/hook: \"pre-install,pre-upgrade\", helm.sh/hook-weight: \"-5\", helm.sh/hook-delete-policy: hook-succeeded}",
    ));
    let hook = before.arrival.hook.unwrap();
    assert_eq!((hook.phase, hook.weight, hook.delete_on_success), (HookPhase::Before, -5, true));
    assert_eq!(
        only(&with("{argocd.argoproj.io/hook: PostSync, argocd.argoproj.io/sync-wave: \"3\"}")).arrival.wave,
        3
    );
    assert!(lowered(&with("{helm.sh/hook: test}")).declared.workloads.is_empty());
    assert!(lowered(&with("{helm.sh/hook: pre-delete}")).declared.workloads.is_empty());
}

#[test]
fn the_selector_must_select_the_template() {
    let text =
        deployment("containers: [{name: a, image: a}]").replace("labels: {app: web}", "labels: {app: api}");
    assert_eq!(lowered(&text).problems[0].code, "CONF110");
}

#[test]
fn match_label_keys_are_merged_into_affinity_terms() {
    let workload = only(&deployment(
        "containers: [{name: a, image: a}]\n      affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: z, labelSelector: {matchLabels: {app: web}}, matchLabelKeys: [pod-template-hash]}]}}",
    ));
    let term = &workload.template.pod_anti_affinity.required[0];
    assert_eq!(term.namespaces, ["apps"]);
    assert!(term.selector.as_ref().unwrap().matches(&workload.template.labels));
    assert_eq!(term.selector.as_ref().unwrap().requirements[1].key, "pod-template-hash");
}
