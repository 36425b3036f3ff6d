//! Pod templates: the whole of a pod's spec as the API server would store it.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/core/v1/defaults.go` (defaults) and `pkg/apis/core/validation`
//! (what is refused).

use cluster::template::{DnsPolicy, RestartPolicy};
use cluster::{FieldPath, Kind, Labels, Name, ObjectKey, PodTemplate, Resources};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::admission::{self, Admission, Priority};
use crate::affinity::{Subject, node_affinity, pod_affinity, topology_spread};
use crate::code;
use crate::container::{self, Surroundings};
use crate::object::Object;
use crate::problem::Reporter;
use crate::requests::{self, Part};
use crate::role::{self, Candidate};
use crate::runtime_class;
use crate::{device, host_port, pod_level, pod_volume, requirement, selector};

/// Where a template stands.
pub(crate) struct Owner<'a> {
    /// The object that it is written in.
    pub(crate) object: &'a Object,
    /// The template inside the object: `/spec/template`, or the root of a Pod.
    pub(crate) path: FieldPath,
    /// Labels that the owner's controller puts on the pods beside the template's own.
    pub(crate) added_labels: Labels,
    /// What `restartPolicy` may be.
    pub(crate) restart_policies: &'a [&'a str],
}

/// Lowers a template.
pub(crate) fn template(
    metadata: Option<&ObjectMeta>,
    spec: &core::PodSpec,
    owner: &Owner<'_>,
    admission: &Admission,
    reporter: &mut Reporter<'_>,
) -> PodTemplate {
    let object = owner.object;
    let path = owner.path.child("spec");
    let class = spec.runtime_class_name.as_deref().and_then(|name| admission.runtime_classes.get(name));
    let classed = class.filter(|_| !object.live).map(|class| runtime_class::apply(class, spec));
    let spec = classed.as_ref().unwrap_or(spec);
    let namespace = &object.key.namespace;
    let labels = labels(metadata, owner, reporter);
    let host_network = spec.host_network.unwrap_or(false);

    let Summed { containers, init_containers, requests, pod_level, overhead } =
        sum_containers(spec, &path, object, admission, reporter);
    let subject = Subject { namespace, labels: &labels, live: object.live };
    let affinity = affinities(spec, &subject, &path, reporter);
    let spread = spec.topology_spread_constraints.as_deref();
    let topology_spread =
        topology_spread(spread, &subject, &path.child("topologySpreadConstraints"), reporter);
    let tolerations = tolerations(spec, &requests, &path, object, admission, reporter);
    let priority = priority(spec, object, admission);
    let (volumes, mut needs_objects) = pod_volume::volumes(spec, namespace, &path, reporter);
    add_container_needs(spec, namespace, &mut needs_objects);
    PodTemplate {
        location: object.place.at(&owner.path.0),
        annotations: selector::labels(metadata.and_then(|meta| meta.annotations.as_ref())),
        role: role::role(spec, &Candidate { kind: &object.key.kind, namespace, labels: &labels }, admission),
        labels,
        containers,
        init_containers,
        requests,
        pod_level,
        overhead,
        host_network,
        host_ports: host_port::host_ports(spec, object.live, &path, reporter),
        dns_policy: dns_policy(spec, &path, reporter),
        node_name: written(&spec.node_name).map(Name::from),
        node_selector: selector::labels(spec.node_selector.as_ref()),
        required_node_affinity: affinity.0.0,
        preferred_node_affinity: affinity.0.1,
        pod_affinity: affinity.1,
        pod_anti_affinity: affinity.2,
        topology_spread,
        tolerations,
        priority_class: priority.0,
        priority: priority.1,
        preempts: priority.2,
        volumes,
        device_claims: device::pod_claims(spec, &path, reporter),
        needs_objects,
        service_account: service_account(spec),
        image_pull_secrets: each(&spec.image_pull_secrets, |secret| &secret.name),
        scheduling_gates: each(&spec.scheduling_gates, |gate| &gate.name),
        scheduler_name: written(&spec.scheduler_name).unwrap_or("default-scheduler").into(),
        grace_period_ms: seconds_to_ms(spec.termination_grace_period_seconds.unwrap_or(30)),
        restart_policy: restart_policy(spec, owner, &path, reporter),
        ready_delay_ms: ready_delay_ms(spec),
        active_deadline_ms: spec.active_deadline_seconds.map(seconds_to_ms),
    }
}

/// A text that is neither absent nor empty.
fn written(field: &Option<String>) -> Option<&str> {
    field.as_deref().filter(|text| !text.is_empty())
}

/// The names of a list's entries.
fn each<T>(list: &Option<Vec<T>>, name: impl Fn(&T) -> &String) -> Vec<Name> {
    list.iter().flatten().map(|entry| Name::from(name(entry).as_str())).collect()
}

/// The template's own labels, then those of its controller.
fn labels(metadata: Option<&ObjectMeta>, owner: &Owner<'_>, reporter: &mut Reporter<'_>) -> Labels {
    let mut labels = selector::labels(metadata.and_then(|meta| meta.labels.as_ref()));
    if !owner.object.live {
        check_labels(&labels, &owner.path.child("metadata").child("labels"), reporter);
    }
    labels.extend(owner.added_labels.clone());
    labels
}

/// Tolerations as written, of the DaemonSet controller, of admission.
fn tolerations(
    spec: &core::PodSpec,
    requests: &Resources,
    path: &FieldPath,
    object: &Object,
    admission: &Admission,
    reporter: &mut Reporter<'_>,
) -> Vec<cluster::Toleration> {
    let at = path.child("tolerations");
    let mut tolerations = selector::tolerations(spec.tolerations.as_deref(), &at, reporter);
    if object.key.kind == Kind::DaemonSet {
        admission::add_daemon_tolerations(&mut tolerations, spec.host_network.unwrap_or(false));
    }
    admission.add_tolerations(&mut tolerations, requests);
    tolerations
}

/// What containers refer to, sorted.
fn add_container_needs(spec: &core::PodSpec, namespace: &Name, needed: &mut Vec<ObjectKey>) {
    for wire in spec.init_containers.iter().flatten().chain(&spec.containers) {
        container::needed_objects(wire, namespace, needed);
    }
    needed.sort();
    needed.dedup();
}

/// Keys are qualified names, values label values.
fn check_labels(labels: &Labels, path: &FieldPath, reporter: &mut Reporter<'_>) {
    for (key, value) in labels {
        let wrong = match (requirement::is_qualified(key), requirement::is_label_value(value)) {
            (false, _) => format!("{key:?} is not a label key"),
            (true, false) => {
                format!("{value:?} is not a label value: at most 63 letters, digits, '-', '_' and '.'")
            }
            (true, true) => continue,
        };
        let at = path.child(key);
        reporter.error(&at, code::BAD_VALUE, format!("{at}: {wrong}"), "");
    }
}

fn seconds_to_ms(seconds: i64) -> i64 {
    seconds.max(0).saturating_mul(1000)
}

fn service_account(spec: &core::PodSpec) -> Name {
    let written = spec.service_account_name.as_deref().or(spec.service_account.as_deref());
    written.filter(|name| !name.is_empty()).unwrap_or("default").into()
}

/// What a pod's containers are and ask for.
struct Summed {
    containers: Vec<cluster::template::Container>,
    init_containers: Vec<cluster::template::Container>,
    /// The pod's effective requests; `pods` is 1.
    requests: Resources,
    pod_level: Vec<(Name, i64)>,
    overhead: Resources,
}

/// Reads both container lists and sums what they ask for.
fn sum_containers(
    spec: &core::PodSpec,
    path: &FieldPath,
    object: &Object,
    admission: &Admission,
    reporter: &mut Reporter<'_>,
) -> Summed {
    let surroundings = |init| Surroundings {
        place: &object.place,
        namespace: &object.key.namespace,
        admission,
        init,
        live: object.live,
    };
    if spec.containers.is_empty() {
        let at = path.child("containers");
        reporter.error(
            &at,
            code::MISSING_FIELD,
            format!("{at}: required value"),
            "a pod needs at least one container",
        );
    }
    let (containers, parts) =
        container::containers(&spec.containers, &path.child("containers"), &surroundings(false), reporter);
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    let (init_containers, init_parts) =
        container::containers(inits, &path.child("initContainers"), &surroundings(true), reporter);
    let overhead = container::named(spec.overhead.as_ref(), &path.child("overhead"), reporter);
    let sums = [&parts, &init_parts].map(Vec::as_slice);
    let pod_level = pod_level::pod_level(spec, sums, object.live, path, reporter);
    let total = requests::pod_requests(&parts, &init_parts, &pod_level, &overhead);
    if !object.live {
        check_pod_limits(&parts, &init_parts, object, admission, path, reporter);
    }
    let mut requests = total.resources();
    requests.pods = 1;
    let (pod_level, overhead) = (pod_level.0.into_iter().collect(), overhead.resources());
    Summed { containers, init_containers, requests, pod_level, overhead }
}

/// LimitRanges of type `Pod` look at the sum.
fn check_pod_limits(
    parts: &[Part],
    inits: &[Part],
    object: &Object,
    admission: &Admission,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) {
    let namespace = &object.key.namespace;
    if admission.limits(namespace, "Pod").next().is_none() {
        return;
    }
    let requests = requests::aggregate(parts, inits, |part| &part.requests);
    let limits = requests::aggregate(parts, inits, |part| &part.limits);
    if let Some((message, range)) = admission.limit_range_refusal(namespace, "Pod", &requests, &limits) {
        reporter.refuse_by_limit_range(message, range, object.place.at(&path.child("containers").0));
    }
}

type Affinities =
    (crate::affinity::NodeAffinity, cluster::template::PodAffinity, cluster::template::PodAffinity);

fn affinities(
    spec: &core::PodSpec,
    subject: &Subject<'_>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Affinities {
    let Some(wire) = &spec.affinity else { return Affinities::default() };
    let path = path.child("affinity");
    let (mut near, mut apart) = Default::default();
    if let Some(wire) = &wire.pod_affinity {
        let required = wire.required_during_scheduling_ignored_during_execution.as_deref();
        let preferred = wire.preferred_during_scheduling_ignored_during_execution.as_deref();
        near = pod_affinity(required, preferred, subject, &path.child("podAffinity"), reporter);
    }
    if let Some(wire) = &wire.pod_anti_affinity {
        let required = wire.required_during_scheduling_ignored_during_execution.as_deref();
        let preferred = wire.preferred_during_scheduling_ignored_during_execution.as_deref();
        apart = pod_affinity(required, preferred, subject, &path.child("podAntiAffinity"), reporter);
    }
    (node_affinity(wire.node_affinity.as_ref(), subject, &path.child("nodeAffinity"), reporter), near, apart)
}

/// The class's name, its value and whether the pod may preempt.
fn priority(spec: &core::PodSpec, object: &Object, admission: &Admission) -> (Name, i32, bool) {
    let named = spec.priority_class_name.as_deref();
    let never = spec.preemption_policy.as_deref() == Some("Never");
    match admission.priority(named) {
        Priority::Class(class) => (class.name.clone(), class.value, class.preempts && !never),
        Priority::None => (Name::default(), spec.priority.filter(|_| object.live).unwrap_or(0), !never),
        // Whether it exists all the same is told by `absent`.
        Priority::Missing => {
            (named.unwrap_or_default().into(), spec.priority.filter(|_| object.live).unwrap_or(0), !never)
        }
    }
}

fn dns_policy(spec: &core::PodSpec, path: &FieldPath, reporter: &mut Reporter<'_>) -> DnsPolicy {
    match spec.dns_policy.as_deref() {
        None | Some("" | "ClusterFirst") => DnsPolicy::ClusterFirst,
        Some("ClusterFirstWithHostNet") => DnsPolicy::ClusterFirstWithHostNet,
        Some("Default") => DnsPolicy::Default,
        Some("None") => DnsPolicy::None,
        Some(other) => {
            let known = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
            let at = path.child("dnsPolicy");
            let message = format!("{at}: {other:?} is not one of {}", known.join(", "));
            reporter.error(&at, code::BAD_VALUE, message, crate::suggest::did_you_mean(other, known));
            DnsPolicy::ClusterFirst
        }
    }
}

fn restart_policy(
    spec: &core::PodSpec,
    owner: &Owner<'_>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> RestartPolicy {
    let written = spec.restart_policy.as_deref().filter(|policy| !policy.is_empty()).unwrap_or("Always");
    if !owner.restart_policies.contains(&written) {
        let at = path.child("restartPolicy");
        let allowed = owner.restart_policies.join(" or ");
        let message = format!("{at}: {written:?} is not supported in a {}: {allowed}", owner.object.key.kind);
        reporter.error(
            &at,
            code::BAD_VALUE,
            message,
            format!("write `restartPolicy: {}`", owner.restart_policies[0]),
        );
    }
    match written {
        "OnFailure" => RestartPolicy::OnFailure,
        "Never" => RestartPolicy::Never,
        _ => RestartPolicy::Always,
    }
}

fn ready_delay_ms(spec: &core::PodSpec) -> i64 {
    let sidecars =
        spec.init_containers.iter().flatten().filter(|init| init.restart_policy.as_deref() == Some("Always"));
    spec.containers.iter().chain(sidecars).map(container::ready_delay_ms).max().unwrap_or(0)
}
