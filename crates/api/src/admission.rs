//! What admission changes or refuses: priority, LimitRange defaults and bounds, default tolerations.
//!
//! Follows `kubernetes/kubernetes` v1.36 `plugin/pkg/admission/{priority,limitranger,defaulttolerationseconds,
//! extendedresourcetoleration}`. Webhooks are judged in a run, not here.

use std::collections::{BTreeMap, BTreeSet};

use cluster::admission::PriorityClass;
use cluster::resources::format_amount;
use cluster::{Effect, Location, Name, ObjectKey, Resources, Toleration};
use k8s_openapi::api::node::v1::RuntimeClass;

use crate::amounts::is_extended;

/// What admission needs to know of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// Priority classes by name, the two system classes included.
    pub(crate) classes: BTreeMap<Name, PriorityClass>,
    /// LimitRanges by namespace.
    pub(crate) limit_ranges: BTreeMap<Name, Vec<Limits>>,
    /// The admission plugin ExtendedResourceToleration is on, as on EKS.
    pub(crate) extended_resource_toleration: bool,
    /// RuntimeClasses by name.
    pub(crate) runtime_classes: BTreeMap<Name, RuntimeClass>,
    /// ConfigMaps whose data logs in to a registry: scripts of token refreshers.
    pub(crate) login_scripts: BTreeSet<ObjectKey>,
    /// Selectors of the Services that cluster DNS answers behind (`kube-system/kube-dns`), by namespace.
    pub(crate) dns_selectors: Vec<(Name, cluster::Labels)>,
}

/// One item of a LimitRange, its own defaults applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// `Container`, `Pod` or `PersistentVolumeClaim`.
    pub(crate) kind: Name,
    /// `default`: limits that a container without gets.
    pub(crate) default: Vec<(Name, i64)>,
    /// `defaultRequest`.
    pub(crate) default_request: Vec<(Name, i64)>,
    /// `min`.
    pub(crate) min: Vec<(Name, i64)>,
    /// `max`.
    pub(crate) max: Vec<(Name, i64)>,
    /// `maxLimitRequestRatio`, in thousandths.
    pub(crate) max_ratio_milli: Vec<(Name, i64)>,
    /// Where it is written.
    pub(crate) location: Option<Location>,
}

/// The classes that every cluster has (`pkg/apis/scheduling` `SystemPriorityClasses`).
pub(crate) fn system_classes() -> BTreeMap<Name, PriorityClass> {
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)]
        .into_iter()
        .map(|(name, value)| {
            let name = Name::from(name);
            (name.clone(), PriorityClass { name, value, global_default: false, preempts: true })
        })
        .collect()
}

/// The class that a pod gets, and whether the one it names exists.
pub(crate) enum Priority<'a> {
    /// This class.
    Class(&'a PriorityClass),
    /// None is named and there is no global default: priority 0.
    None,
    /// The class that is named does not exist.
    Missing,
}

impl Admission {
    /// By the priority plugin: the named class, else the global default of the lowest value.
    pub(crate) fn priority(&self, class: Option<&str>) -> Priority<'_> {
        match class.filter(|class| !class.is_empty()) {
            Some(class) => self.classes.get(class).map_or(Priority::Missing, Priority::Class),
            None => {
                let defaults = self.classes.values().filter(|class| class.global_default);
                defaults.min_by_key(|class| class.value).map_or(Priority::None, Priority::Class)
            }
        }
    }

    /// Limits of a type that hold in a namespace.
    pub(crate) fn limits<'a>(&'a self, namespace: &str, kind: &'a str) -> impl Iterator<Item = &'a Limits> {
        self.limit_ranges.get(namespace).into_iter().flatten().filter(move |limits| limits.kind == kind)
    }

    /// Fills in a container's limits and requests where nothing is named, by `mergeContainerResources`.
    pub(crate) fn default_container(&self, namespace: &str, requests: &mut Named, limits: &mut Named) {
        for range in self.limits(namespace, "Container") {
            for (name, amount) in &range.default {
                limits.set_if_absent(name, *amount);
            }
            for (name, amount) in &range.default_request {
                requests.set_if_absent(name, *amount);
            }
        }
    }

    /// Why a LimitRange refuses a container or a pod with these requests and limits, in the plugin's words, and
    /// where its bound is written.
    pub(crate) fn limit_range_refusal(
        &self,
        namespace: &str,
        kind: &str,
        requests: &Named,
        limits: &Named,
    ) -> Option<(String, Option<Location>)> {
        let mut ranges = self.limits(namespace, kind);
        ranges.find_map(|range| Some((range.refusal(requests, limits)?, range.location.clone())))
    }

    /// Tolerations that admission adds.
    pub(crate) fn add_tolerations(&self, tolerations: &mut Vec<Toleration>, requests: &Resources) {
        let mut resources: Vec<&Name> =
            requests.extended.iter().filter(|(_, amount)| *amount > 0).map(|(name, _)| name).collect();
        resources.retain(|name| self.extended_resource_toleration && is_extended(name));
        for name in resources {
            let added = exists(name, Effect::NoSchedule, None);
            if !tolerations.contains(&added) {
                tolerations.push(added);
            }
        }
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let covered = tolerations.iter().any(|toleration| {
                (toleration.key == key || toleration.key.is_empty())
                    && matches!(toleration.effect, None | Some(Effect::NoExecute))
            });
            if !covered {
                tolerations.push(exists(key, Effect::NoExecute, Some(300)));
            }
        }
    }
}

/// Tolerations that the DaemonSet controller adds (`pkg/controller/daemon/util` `AddOrUpdateDaemonPodTolerations`).
pub(crate) fn add_daemon_tolerations(tolerations: &mut Vec<Toleration>, host_network: bool) {
    const ADDED: [(&str, Effect); 6] = [
        ("node.kubernetes.io/not-ready", Effect::NoExecute),
        ("node.kubernetes.io/unreachable", Effect::NoExecute),
        ("node.kubernetes.io/disk-pressure", Effect::NoSchedule),
        ("node.kubernetes.io/memory-pressure", Effect::NoSchedule),
        ("node.kubernetes.io/pid-pressure", Effect::NoSchedule),
        ("node.kubernetes.io/unschedulable", Effect::NoSchedule),
    ];
    let network = host_network.then_some(("node.kubernetes.io/network-unavailable", Effect::NoSchedule));
    for (key, effect) in ADDED.into_iter().chain(network) {
        let added = exists(key, effect, None);
        tolerations.retain(|toleration| {
            !(toleration.key == key && toleration.effect == Some(effect) && toleration.exists)
        });
        tolerations.push(added);
    }
}

fn exists(key: &str, effect: Effect, seconds: Option<i64>) -> Toleration {
    Toleration { key: key.into(), exists: true, value: Name::default(), effect: Some(effect), seconds }
}

/// Amounts by name where zero and absent differ, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named(pub(crate) BTreeMap<Name, i64>);

impl Named {
    /// Out of pairs.
    pub(crate) fn new(pairs: Vec<(Name, i64)>) -> Named {
        Named(pairs.into_iter().collect())
    }

    /// The amount, where it is named.
    pub(crate) fn get(&self, name: &str) -> Option<i64> {
        self.0.get(name).copied()
    }

    /// Sets what is not named yet.
    pub(crate) fn set_if_absent(&mut self, name: &Name, amount: i64) {
        self.0.entry(name.clone()).or_insert(amount);
    }

    /// Adds `other`, name by name.
    pub(crate) fn add(&mut self, other: &Named) {
        for (name, amount) in &other.0 {
            let sum = self.0.entry(name.clone()).or_insert(0);
            *sum = sum.saturating_add(*amount);
        }
    }

    /// The larger of both, name by name.
    pub(crate) fn raise_to(&mut self, other: &Named) {
        for (name, amount) in &other.0 {
            let larger = self.0.entry(name.clone()).or_insert(*amount);
            *larger = (*larger).max(*amount);
        }
    }

    /// As resources.
    pub(crate) fn resources(&self) -> Resources {
        let mut resources = Resources::ZERO;
        for (name, amount) in &self.0 {
            resources.set(name, *amount);
        }
        resources
    }
}

impl Limits {
    /// Defaults inside a LimitRange (`pkg/apis/core/v1` `SetDefaults_LimitRangeItem`): containers only.
    pub(crate) fn with_defaults(mut self) -> Limits {
        if self.kind != "Container" {
            return self;
        }
        fill(&mut self.default, &self.max);
        fill(&mut self.default_request, &self.default);
        fill(&mut self.default_request, &self.min);
        self
    }

    fn refusal(&self, requests: &Named, limits: &Named) -> Option<String> {
        let (kind, text) = (&self.kind, |name: &Name, amount| format_amount(name, amount));
        for (name, min) in &self.min {
            let what = format!("minimum {name} usage per {kind} is {}", text(name, *min));
            match (requests.get(name), limits.get(name)) {
                (None, _) => return Some(format!("{what}.  No request is specified")),
                (Some(request), _) if request < *min => {
                    return Some(format!("{what}, but request is {}", text(name, request)));
                }
                (_, Some(limit)) if limit < *min => {
                    return Some(format!("{what}, but limit is {}", text(name, limit)));
                }
                _ => {}
            }
        }
        for (name, max) in &self.max {
            let what = format!("maximum {name} usage per {kind} is {}", text(name, *max));
            match (requests.get(name), limits.get(name)) {
                (_, None) => return Some(format!("{what}.  No limit is specified")),
                (_, Some(limit)) if limit > *max => {
                    return Some(format!("{what}, but limit is {}", text(name, limit)));
                }
                (Some(request), _) if request > *max => {
                    return Some(format!("{what}, but request is {}", text(name, request)));
                }
                _ => {}
            }
        }
        self.ratio_refusal(requests, limits)
    }

    /// By `limitRequestRatioConstraint`.
    fn ratio_refusal(&self, requests: &Named, limits: &Named) -> Option<String> {
        self.max_ratio_milli.iter().find_map(|(name, most_milli)| {
            let (kind, most) = (&self.kind, format_amount("cpu", *most_milli));
            let what = format!("{name} max limit to request ratio per {kind} is {most}, but");
            let Some(request) = requests.get(name).filter(|request| *request > 0) else {
                return Some(format!("{what} no request is specified or request is 0"));
            };
            let Some(limit) = limits.get(name).filter(|limit| *limit > 0) else {
                return Some(format!("{what} no limit is specified or limit is 0"));
            };
            let (request, limit) = (i128::from(request), i128::from(limit));
            let passes = limit * 1000 > i128::from(*most_milli) * request;
            let millionths = (limit * 2_000_000 + request) / (request * 2);
            let (whole, fraction) = (millionths / 1_000_000, millionths % 1_000_000);
            passes.then(|| format!("{what} provided ratio is {whole}.{fraction:06}"))
        })
    }
}

fn fill(into: &mut Vec<(Name, i64)>, from: &[(Name, i64)]) {
    for (name, amount) in from {
        if !into.iter().any(|(named, _)| named == name) {
            into.push((name.clone(), *amount));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(kind: &str) -> Limits {
        Limits { kind: kind.into(), ..Limits::default() }
    }

    #[test]
    fn limit_range_defaults_flow_from_max_to_default_to_request() {
        let mut limits = range("Container");
        limits.max = vec![("cpu".into(), 2000)];
        limits.min = vec![("memory".into(), 64)];
        let limits = limits.with_defaults();
        assert_eq!(limits.default, [(Name::from("cpu"), 2000)]);
        assert_eq!(limits.default_request, [(Name::from("cpu"), 2000), (Name::from("memory"), 64)]);
    }

    #[test]
    fn a_request_below_the_minimum_is_refused() {
        let mut admission = Admission::default();
        let limits = Limits { min: vec![("cpu".into(), 100)], ..range("Container") };
        admission.limit_ranges.insert("apps".into(), vec![limits]);
        let requests = Named::new(vec![("cpu".into(), 50)]);
        let refusal = admission.limit_range_refusal("apps", "Container", &requests, &Named::default());
        let message = refusal.map(|(message, _)| message);
        assert_eq!(message.as_deref(), Some("minimum cpu usage per Container is 100m, but request is 50m"));
        assert_eq!(admission.limit_range_refusal("other", "Container", &requests, &Named::default()), None);
    }

    #[test]
    fn limits_too_far_above_requests_are_refused() {
        let range = Limits { max_ratio_milli: vec![("cpu".into(), 2_000)], ..range("Container") };
        let named = |amount: i64| Named::new(vec![("cpu".into(), amount)]);
        let refusal = |request: i64, limit: i64| range.refusal(&named(request), &named(limit));
        assert_eq!(refusal(500, 1000), None);
        assert_eq!(
            refusal(300, 1000).as_deref(),
            Some("cpu max limit to request ratio per Container is 2, but provided ratio is 3.333333")
        );
        let no_limit = range.refusal(&named(300), &Named::default());
        assert_eq!(
            no_limit.as_deref(),
            Some(
                "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0"
            )
        );
        let no_request = range.refusal(&Named::default(), &named(300));
        assert!(no_request.is_some_and(|text| text.ends_with("no request is specified or request is 0")));
    }

    #[test]
    fn not_ready_and_unreachable_are_tolerated_for_five_minutes_unless_written() {
        let mut tolerations = vec![Toleration::everything()];
        Admission::default().add_tolerations(&mut tolerations, &Resources::ZERO);
        assert_eq!(tolerations.len(), 1);
        let mut tolerations = Vec::new();
        Admission::default().add_tolerations(&mut tolerations, &Resources::ZERO);
        assert_eq!(tolerations.iter().map(|t| t.seconds).collect::<Vec<_>>(), [Some(300), Some(300)]);
    }

    #[test]
    fn the_lowest_global_default_wins() {
        let class = |name: &str, value| PriorityClass {
            name: name.into(),
            value,
            global_default: true,
            preempts: true,
        };
        let mut admission = Admission { classes: system_classes(), ..Admission::default() };
        assert!(matches!(admission.priority(None), Priority::None));
        admission.classes.insert("a".into(), class("a", 10));
        admission.classes.insert("b".into(), class("b", 5));
        assert!(matches!(admission.priority(None), Priority::Class(class) if class.value == 5));
        assert!(matches!(admission.priority(Some("gone")), Priority::Missing));
    }
}
