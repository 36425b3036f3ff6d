//! Who hands out addresses, and what Karpenter is set to: read from the workloads that run them.

use std::collections::BTreeMap;

use cluster::admission::SecurityGroupPolicy;
use cluster::network::Cni;
use cluster::profile::Provider;
use cluster::role::Program;
use cluster::{Declared, FieldPath, Kind, LabelSelector, Name, ObjectKey, Workload};
use k8s_openapi::api::core::v1::PodSpec;
use serde_json::Value;

use crate::environment::{ConfigMaps, Environment};
use crate::object::Object;
use crate::problem::{Problems, Reporter};
use crate::role::{Candidate, program};
use crate::selector::label_selector;
use crate::{addons, cilium, code, karpenter_settings, reader, vpc_cni};

/// What is read from.
pub(crate) struct Sources<'a> {
    /// Every object, the add-ons' included.
    pub(crate) objects: &'a [&'a Object],
    /// ConfigMaps.
    pub(crate) config_maps: &'a ConfigMaps,
    /// Ranges that the provider fixes.
    pub(crate) ranges: Option<Cni>,
}

/// Image repositories of CNIs whose addresses are not modelled.
const FOREIGN: &[&str] = &[
    "calico/node",
    "flannel",
    "flanneld",
    "antrea-agent-ubuntu",
    "antrea-ubuntu",
    "weave-kube",
    "kube-router",
    "kube-ovn",
    "ovn-kube",
    "kindnetd",
];

/// Whether the workload is a CNI that is not modelled.
pub(crate) fn is_foreign(workload: &Workload) -> bool {
    workload.key.kind == Kind::DaemonSet
        && workload.template.containers.iter().any(|container| {
            let (repository, _, _) = crate::role::split_image(&container.image);
            FOREIGN.iter().any(|name| repository == *name || repository.ends_with(&format!("/{name}")))
        })
}

/// Fills in the CNI, Karpenter's settings and the security group policies.
pub(crate) fn read(
    sources: &Sources<'_>,
    workloads: &[Workload],
    declared: &mut Declared,
    problems: &mut Problems,
) {
    let find = |wanted: Program| workloads.iter().find(|workload| workload.template.role.program == wanted);
    if let Some(workload) = find(Program::Karpenter)
        && let Some((object, environment)) = environment(workload, Program::Karpenter, sources)
    {
        declared.karpenter = karpenter_settings::settings(&environment, &mut Reporter::new(problems, object));
    }
    let vpc_cni = find(Program::VpcCni).filter(|workload| !is_switched_off(workload));
    let cilium_config = sources.objects.iter().copied().find(|object| addons::is_cilium_config(object));
    let cilium = find(Program::CiliumAgent);
    let own = cilium_config.and_then(|object| read_cilium(object, sources, problems));
    let version = |workload: Option<&Workload>| {
        workload.map(|workload| workload.template.role.version.clone()).unwrap_or_default()
    };
    (declared.cni, declared.cni_version) = match (own, vpc_cni, &sources.ranges) {
        (Some(cni), ..) => (cni, version(cilium)),
        (None, Some(workload), _) => {
            (read_vpc_cni(workload, sources, problems).unwrap_or(Cni::Unlimited), version(Some(workload)))
        }
        (None, None, Some(ranges)) => (ranges.clone(), Name::default()),
        (None, None, None) => (Cni::Unlimited, version(cilium)),
    };
    check_mixture(declared, cilium.is_some() && cilium_config.is_none(), sources, problems);
    // The webhook that reads them is part of EKS.
    let of_eks = declared.profile.provider == Provider::Eks;
    let policies = sources.objects.iter().filter(|object| object.key.kind == Kind::SecurityGroupPolicy);
    for object in policies.filter(|_| of_eks) {
        read_policy(object, workloads, declared, problems);
    }
}

/// The object of a workload and the settings of its program's container.
fn environment<'o>(
    workload: &Workload,
    wanted: Program,
    sources: &Sources<'o>,
) -> Option<(&'o Object, Environment)> {
    let object = sources.objects.iter().copied().find(|object| object.key == workload.key)?;
    let pointer = if workload.key.kind == Kind::Pod { "/spec" } else { "/spec/template/spec" };
    let spec: PodSpec = reader::read(object.field(pointer)?).0.ok()?;
    let labels = &workload.template.labels;
    let candidate = Candidate { kind: &workload.key.kind, namespace: &workload.key.namespace, labels };
    let (index, container) =
        spec.containers.iter().enumerate().find(|(_, container)| program(container, &candidate) == wanted)?;
    let path = FieldPath::of(pointer).child("containers").child(index).child("env");
    Some((object, Environment::of(container, &workload.key.namespace, sources.config_maps, path)))
}

/// `aws-node` that no node's labels can satisfy: how Cilium's documentation turns it off.
fn is_switched_off(workload: &Workload) -> bool {
    workload
        .template
        .node_selector
        .iter()
        .any(|(key, _)| key.starts_with("io.cilium/") || key == "no-such-node" || key == "non-existing")
}

fn read_vpc_cni(workload: &Workload, sources: &Sources<'_>, problems: &mut Problems) -> Option<Cni> {
    let configs = eni_configs(sources);
    let (object, environment) = environment(workload, Program::VpcCni, sources)?;
    let location = object.place.at(&environment.path.0);
    let reporter = &mut Reporter::new(problems, object);
    let settings = vpc_cni::settings(&environment, location, &configs, reporter);
    if settings.custom_networking && configs.is_empty() {
        let message =
            "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG is true, and there is no ENIConfig: pods get no addresses";
        reporter.warning(
            &environment.path,
            code::UNKNOWN_REFERENCE,
            message,
            "add an ENIConfig for each zone",
        );
    }
    Some(Cni::VpcCni(settings))
}

/// ENIConfigs: name and subnet.
fn eni_configs(sources: &Sources<'_>) -> BTreeMap<Name, Name> {
    let configs = sources.objects.iter().filter(|object| object.key.kind == Kind::EniConfig);
    let subnet = |object: &Object| object.field("/spec/subnet").and_then(Value::as_str).map(Name::from);
    configs.filter_map(|object| Some((object.key.name.clone(), subnet(object)?))).collect()
}

/// What Cilium allocates; `None` where another CNI does.
fn read_cilium(object: &Object, sources: &Sources<'_>, problems: &mut Problems) -> Option<Cni> {
    let data = object.field("/data").and_then(Value::as_object);
    let pairs = data
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((Name::from(key.as_str()), Name::from(value.as_str()?))));
    let config: cilium::Settings = pairs.collect();
    let custom = config.contains_key("read-cni-conf").then(|| custom_configuration(sources)).flatten();
    let location = object.place.at("/data");
    match cilium::allocation(&config, custom.as_ref(), location, &mut Reporter::new(problems, object)) {
        cilium::Allocation::Own(cni) => Some(cni),
        cilium::Allocation::Other => None,
    }
}

/// The CNI configuration of `cni.configMap`: the part of the Cilium plug-in.
fn custom_configuration(sources: &Sources<'_>) -> Option<Value> {
    let text = sources.config_maps.values().find_map(|data| data.get("cni-config"))?;
    let value: Value = serde_json::from_str(text).ok()?;
    let plugins = value.get("plugins").and_then(Value::as_array);
    let own =
        plugins.and_then(|plugins| plugins.iter().find(|plugin| plugin["type"] == "cilium-cni").cloned());
    Some(own.unwrap_or(value))
}

/// Mixtures that do not work, and CNIs that are not modelled.
fn check_mixture(declared: &mut Declared, unset: bool, sources: &Sources<'_>, problems: &mut Problems) {
    let operator = sources
        .objects
        .iter()
        .copied()
        .find(|object| object.key.kind == Kind::Deployment && object.key.name == "cilium-operator");
    if let (Cni::CiliumEni(_), Some(object)) = (&declared.cni, operator) {
        let pointer = "/spec/template/spec/containers/0/image";
        let image = object.field(pointer).and_then(Value::as_str).unwrap_or_default();
        if image.contains("operator-generic") || image.contains("operator-azure") {
            let path = FieldPath::of(pointer);
            let message =
                format!("{path}: {image} does not allocate ENI addresses; `ipam: eni` needs operator-aws");
            Reporter::new(problems, object).warning(
                &path,
                code::BAD_VALUE,
                message,
                "use the image operator-aws",
            );
        }
    }
    if unset {
        let why = "Cilium runs and cilium-config is not in the input: every pod gets an address";
        declared.would_matter.push((declared.profile.location.clone(), why.into()));
    }
    if declared.cni == Cni::Unlimited && declared.profile.provider == Provider::Eks && declared.profile.given
    {
        let why = "the CNI is not modelled: every pod gets an address";
        declared.would_matter.push((declared.profile.location.clone(), why.into()));
    }
}

/// A SecurityGroupPolicy. One without a selector, or without groups, selects nothing.
fn read_policy(object: &Object, workloads: &[Workload], declared: &mut Declared, problems: &mut Problems) {
    let reporter = &mut Reporter::new(problems, object);
    let groups = object.field("/spec/securityGroups/groupIds").and_then(Value::as_array);
    let pods = read_selector(object, "/spec/podSelector", reporter);
    let accounts = read_selector(object, "/spec/serviceAccountSelector", reporter);
    if groups.is_none_or(Vec::is_empty) || (pods.is_none() && accounts.is_none()) {
        let path = FieldPath::of("/spec");
        let message = "the SecurityGroupPolicy selects nothing: it needs a podSelector or a serviceAccountSelector, \
                       and securityGroups.groupIds";
        return reporter.warning(&path, code::MISSING_FIELD, message, "");
    }
    let namespace = object.key.namespace.clone();
    if accounts.as_ref().is_some_and(|selector| !selector.requirements.is_empty()) {
        note_unknown_accounts(object, &namespace, workloads, declared);
    }
    let location = object.place.at("");
    declared.security_group_policies.push(SecurityGroupPolicy { namespace, location, pods, accounts });
}

fn read_selector(object: &Object, pointer: &str, reporter: &mut Reporter<'_>) -> Option<LabelSelector> {
    let path = FieldPath::of(pointer);
    match reader::read(object.field(pointer)?).0 {
        Ok(selector) => Some(label_selector(&selector, &path, reporter)),
        Err(error) => {
            reporter.unreadable(&path, error);
            None
        }
    }
}

/// Service accounts of workloads that are not in the input: nobody knows their labels. `default` has none.
fn note_unknown_accounts(object: &Object, namespace: &Name, workloads: &[Workload], declared: &mut Declared) {
    let unknown =
        workloads.iter().filter(|workload| workload.key.namespace == *namespace).find_map(|workload| {
            let name = &workload.template.service_account;
            let key = ObjectKey::new(Kind::ServiceAccount, namespace.clone(), name.clone());
            (*name != "default" && !declared.objects.contains_key(&key)).then_some(key)
        });
    if let Some(key) = unknown {
        let why = format!("it selects by labels of {key}, which is not in the input");
        declared.would_matter.push((object.place.at("/spec/serviceAccountSelector"), why.into()));
    }
}
