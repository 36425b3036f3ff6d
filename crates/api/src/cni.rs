//! Who hands out addresses, and what Karpenter is set to: read from the workloads that run them.

use std::collections::BTreeMap;

use cluster::network::Cni;
use cluster::profile::Provider;
use cluster::role::Program;
use cluster::{Declared, FieldPath, Kind, Name, Workload};
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
    for object in sources.objects.iter().filter(|object| object.key.kind == Kind::SecurityGroupPolicy) {
        read_policy(object, declared, problems);
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

/// A SecurityGroupPolicy selects pods, or pods by their service account, which is not modelled.
fn read_policy(object: &Object, declared: &mut Declared, problems: &mut Problems) {
    let reporter = &mut Reporter::new(problems, object);
    let path = FieldPath::of("/spec/podSelector");
    if let Some(value) = object.field(&path.0) {
        match reader::read(value).0 {
            Ok(selector) => {
                let selector = label_selector(&selector, &path, reporter);
                declared.security_group_policies.push((object.key.namespace.clone(), selector));
            }
            Err(error) => reporter.unreadable(&path, error),
        }
    } else if object.field("/spec/serviceAccountSelector").is_some() {
        declared.would_matter.push((
            object.place.at("/spec/serviceAccountSelector"),
            "pods that it selects get branch interfaces".into(),
        ));
    }
}
