//! Add-ons that the profile brings: known names bring their usual pods, others a template of their own. What the
//! manifests define is never added twice.
//!
//! The embedded manifests (`addons/*.yaml`) are our own, with the replicas, requests, priorities, tolerations and
//! host networking of the upstream charts that their first line names. They are lowered through the same code as the
//! user's objects; every location in them is the profile's entry.

mod overrides;

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::profile::Provider;
use cluster::role::Program;
use cluster::{Declared, FieldPath, Kind, Name, ObjectKey, Workload};
use serde_json::{Value, json};

use crate::object::{Object, Place, RawObject, read_all};
use crate::problem::{Problems, Reporter};
use crate::profile::defaults::default_of;
use crate::profile::wire::WireAddon;
use crate::suggest::did_you_mean;
use crate::{code, yaml};

/// A known add-on.
#[derive(Clone, Copy, Debug)]
pub struct Addon {
    /// Its name, as EKS calls it where EKS has it.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// What it brings, as YAML.
    pub manifest: &'static str,
    /// Programs in it: manifests that have one of them have the add-on.
    programs: &'static [Program],
}

macro_rules! addon {
    ($name:literal, $aliases:expr, $programs:expr) => {
        Addon {
            name: $name,
            aliases: $aliases,
            manifest: include_str!(concat!("../addons/", $name, ".yaml")),
            programs: $programs,
        }
    };
}

/// Every known add-on, in name order.
pub const ADDONS: &[Addon] = &[
    addon!("argocd", &["argo-cd"], &[]),
    addon!(
        "aws-ebs-csi-driver",
        &["ebs-csi-driver", "ebs-csi"],
        &[Program::EbsCsiController, Program::EbsCsiNode]
    ),
    addon!("aws-efs-csi-driver", &["efs-csi-driver", "efs-csi"], &[]),
    addon!("aws-load-balancer-controller", &[], &[]),
    addon!("cilium", &[], &[Program::CiliumAgent]),
    addon!("cluster-autoscaler", &[], &[Program::ClusterAutoscaler]),
    addon!("coredns", &["kube-dns"], &[Program::ClusterDns]),
    addon!("eks-node-monitoring-agent", &[], &[]),
    addon!("eks-pod-identity-agent", &[], &[]),
    addon!("karpenter", &[], &[Program::Karpenter]),
    addon!("kube-proxy", &[], &[Program::KubeProxy]),
    addon!("metrics-server", &[], &[]),
    addon!("snapshot-controller", &[], &[]),
    addon!("vpc-cni", &["aws-node", "amazon-vpc-cni"], &[Program::VpcCni]),
];

/// The names of the known add-ons.
pub fn addon_names() -> Vec<&'static str> {
    ADDONS.iter().map(|addon| addon.name).collect()
}

/// The add-on with this name or alias.
pub fn addon(name: &str) -> Option<&'static Addon> {
    ADDONS.iter().find(|addon| addon.name == name || addon.aliases.contains(&name))
}

/// What an add-on brings: a line an object, then the manifest. For `explain addon NAME`.
pub fn describe(name: &str) -> Option<String> {
    let addon = addon(name)?;
    let mut text = format!("{}\n", addon.name);
    for object in addon.objects() {
        let field = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let replicas =
            object.pointer("/spec/replicas").map(|count| format!(" x {count}")).unwrap_or_default();
        let host = object.pointer("/spec/template/spec/hostNetwork") == Some(&Value::Bool(true));
        let host = if host { ", host network" } else { "" };
        let class = field("/spec/template/spec/priorityClassName");
        let class = if class.is_empty() { String::new() } else { format!(", {class}") };
        text.push_str(&format!("  {} {}{replicas}{class}{host}\n", field("/kind"), field("/metadata/name")));
    }
    text.push('\n');
    text.push_str(addon.manifest);
    Some(text)
}

impl Addon {
    /// Its objects; each has kind, name and body. Empty only if the embedded YAML were broken, which a test excludes.
    pub fn objects(&self) -> Vec<Value> {
        yaml::documents(self.manifest).unwrap_or_default()
    }
}

/// What decides which add-ons are brought.
pub(crate) struct Wanted<'a> {
    /// Add-ons as written.
    pub(crate) written: &'a [WireAddon],
    /// The input.
    pub(crate) objects: &'a [Object],
    /// The manifests' workloads.
    pub(crate) workloads: &'a [Workload],
    /// There are nodes at t=0.
    pub(crate) any_nodes: bool,
}

/// The objects that the profile brings, and the assumed ones (kube-proxy, the VPC CNI), which are noted as defaults.
pub(crate) fn bring(wanted: &Wanted<'_>, declared: &mut Declared, problems: &mut Problems) -> Vec<Object> {
    let profile = wanted.objects.iter().find(|object| object.key.kind == Kind::Cluster);
    let mut taken: BTreeSet<ObjectKey> = wanted.objects.iter().map(|object| object.key.clone()).collect();
    let mut programs: BTreeSet<Program> =
        wanted.workloads.iter().map(|workload| workload.template.role.program).collect();
    let mut brought = Vec::new();
    if let Some(profile) = profile {
        for (index, wire) in wanted.written.iter().enumerate() {
            let path = FieldPath::of("/spec/addons").child(index);
            let reporter = &mut Reporter::new(problems, profile);
            let values = written(wire, &path, &mut programs, reporter);
            brought.extend(objects(values, profile, &path, &mut taken));
        }
    }
    for (name, why) in assumed(wanted, declared, &programs, &brought) {
        let Some(addon) = addon(name) else { continue };
        let path = FieldPath::of("/spec/addons");
        let place = Place { base: declared.profile.location.at(&path.0), fixed: true };
        brought.extend(placed(addon.objects(), profile, &path, place, &mut taken));
        if let Some(default) = default_of(why) {
            declared.defaults.push((path, Name::from(format!("{name}: {}", default.value))));
        }
    }
    for (index, object) in (0u32..).zip(&mut brought) {
        object.index = index;
    }
    brought
}

/// The objects of one entry, overrides applied; none when the manifests have the add-on already.
fn written(
    wire: &WireAddon,
    path: &FieldPath,
    programs: &mut BTreeSet<Program>,
    reporter: &mut Reporter<'_>,
) -> Vec<Value> {
    if wire.name.is_empty() {
        let at = path.child("name");
        reporter.error(&at, code::MISSING_FIELD, format!("{at} is required"), "name the add-on");
        return Vec::new();
    }
    if let Some(values) = own_pods(wire, path, reporter) {
        return values;
    }
    let Some(addon) = addon(&wire.name) else {
        let at = path.child("name");
        let names = addon_names();
        let help = did_you_mean(&wire.name, names.iter().copied());
        let help = help.unwrap_or_else(|| {
            format!("give it `pods: {{count, template}}`; known names: {}", names.join(", "))
        });
        reporter.error(&at, code::UNKNOWN_ADDON, format!("{at}: {:?} is no known add-on", wire.name), help);
        return Vec::new();
    };
    if addon.programs.iter().any(|program| programs.contains(program)) {
        let at = path.child("name");
        reporter.note(
            &at,
            code::DUPLICATE_OBJECT,
            format!("{at}: the manifests have {} already; it is not added again", addon.name),
            "",
        );
        return Vec::new();
    }
    programs.extend(addon.programs);
    let mut values = addon.objects();
    overrides::apply(wire, &mut values, path, reporter);
    values
}

/// An add-on with a pod template of its own: a Deployment, or another kind where one is written.
fn own_pods(wire: &WireAddon, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<Vec<Value>> {
    let pods = wire.pods.as_ref()?;
    let kind = wire.kind.as_deref().unwrap_or("Deployment");
    if !matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet") {
        let at = path.child("kind");
        reporter.error(
            &at,
            code::BAD_VALUE,
            format!("{at}: {kind:?} is not one of Deployment, StatefulSet, DaemonSet"),
            "",
        );
        return Some(Vec::new());
    }
    let mut template = if pods.template.get("containers").is_some() {
        json!({"spec": pods.template})
    } else {
        pods.template.clone()
    };
    if template.pointer("/spec/containers").is_none() {
        let at = path.child("pods").child("template");
        reporter.error(
            &at,
            code::MISSING_FIELD,
            format!("{at}: a pod template with containers is required"),
            "",
        );
        return Some(Vec::new());
    }
    let labels = json!({"app.kubernetes.io/name": wire.name});
    overrides::merge(&mut template, &json!({"metadata": {"labels": labels}}));
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": wire.name, "namespace": wire.namespace.as_deref().unwrap_or("kube-system")},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    });
    if kind != "DaemonSet" {
        object["spec"]["replicas"] = json!(pods.count.or(wire.replicas).unwrap_or(1));
    }
    Some(vec![object])
}

/// kube-proxy unless something replaces it, and the VPC CNI where nothing else hands out addresses.
fn assumed(
    wanted: &Wanted<'_>,
    declared: &Declared,
    programs: &BTreeSet<Program>,
    brought: &[Object],
) -> Vec<(&'static str, &'static str)> {
    let of_aws = !declared.node_classes.is_empty();
    if !declared.profile.given && !wanted.any_nodes && !of_aws {
        return Vec::new();
    }
    let mut assumed = Vec::new();
    let cilium_config = wanted.objects.iter().chain(brought).find(|object| is_cilium_config(object));
    let replaced = cilium_config.is_some_and(|object| {
        let value = object.field("/data/kube-proxy-replacement").and_then(Value::as_str);
        matches!(value, Some("true" | "strict"))
    });
    if !programs.contains(&Program::KubeProxy) && !replaced {
        assumed.push(("kube-proxy", "/spec/addons/kube-proxy"));
    }
    let has_cni = programs.contains(&Program::VpcCni)
        || programs.contains(&Program::CiliumAgent)
        || cilium_config.is_some();
    let foreign = wanted.workloads.iter().any(crate::cni::is_foreign);
    if declared.profile.provider == Provider::Eks && !has_cni && !foreign {
        assumed.push(("vpc-cni", "/spec/addons/vpc-cni"));
    }
    assumed
}

/// `cilium-config`.
pub(crate) fn is_cilium_config(object: &Object) -> bool {
    object.key.kind == Kind::ConfigMap && object.key.name == "cilium-config"
}

fn objects(
    values: Vec<Value>,
    profile: &Object,
    path: &FieldPath,
    taken: &mut BTreeSet<ObjectKey>,
) -> Vec<Object> {
    let place = Place { base: profile.place.at(&path.0), fixed: true };
    placed(values, Some(profile), path, place, taken)
}

/// Objects out of values, said to be at `place`; those that the input has already are left out.
fn placed(
    values: Vec<Value>,
    profile: Option<&Object>,
    path: &FieldPath,
    place: Place,
    taken: &mut BTreeSet<ObjectKey>,
) -> Vec<Object> {
    let (document, root) =
        profile.map_or((0, FieldPath::root()), |object| (object.raw.document, object.raw.root.join(path)));
    let raws: Vec<RawObject> = values
        .into_iter()
        .map(|value| RawObject { value: Arc::new(value), root: root.clone(), document })
        .collect();
    let mut ignored = Problems::default();
    let objects = read_all(&raws, &mut ignored).into_iter();
    objects
        .filter(|object| taken.insert(object.key.clone()))
        .map(|object| Object { addon: true, place: place.clone(), ..object })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_manifest_is_accepted() {
        for addon in ADDONS {
            let text = format!(
                "apiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nspec: {{addons: [{{name: {}}}]}}\n",
                addon.name
            );
            let lowered = crate::testing::lowered(&text);
            assert_eq!(crate::testing::shown(&lowered.problems), "", "{}", addon.name);
            let programs: BTreeSet<Program> =
                lowered.declared.workloads.iter().map(|workload| workload.template.role.program).collect();
            for program in addon.programs {
                assert!(programs.contains(program), "{} should run {program}", addon.name);
            }
            assert!(!addon.objects().is_empty());
        }
        assert!(ADDONS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
