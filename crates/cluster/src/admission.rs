//! What the API server checks before a pod exists: webhooks, quotas, and the objects they refer to; and what
//! guards a pod against eviction.

use crate::arrival::Arrival;
use crate::labels::{LabelSelector, Labels};
use crate::location::Location;
use crate::{Name, Resources};

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// `metadata.name`.
    pub name: Name,
    /// `metadata.labels`, `kubernetes.io/metadata.name` included.
    pub labels: Labels,
}

/// A Service, as far as webhooks and DNS need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// `spec.selector`; `None` when absent (endpoints are made elsewhere).
    pub selector: Option<Labels>,
}

/// A SecurityGroupPolicy of the VPC resource controller: the pods that it selects get a branch interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroupPolicy {
    /// `metadata.namespace`: only pods of it are selected.
    pub namespace: Name,
    /// Where it is written.
    pub location: Location,
    /// `spec.podSelector`; `None` when absent.
    pub pods: Option<LabelSelector>,
    /// `spec.serviceAccountSelector`, over the labels of the pod's service account; `None` when absent.
    pub accounts: Option<LabelSelector>,
}

impl SecurityGroupPolicy {
    /// Whether it selects a pod of `namespace`: both selectors must hold where both are written
    /// (aws/amazon-vpc-resource-controller-k8s v1.8.2 `pkg/utils/helper.go` `filterPodSecurityGroups`).
    pub fn selects(&self, namespace: &str, pod: &Labels, account: &Labels) -> bool {
        let holds = |selector: &Option<LabelSelector>, labels: &Labels| {
            selector.as_ref().is_none_or(|selector| selector.matches(labels))
        };
        self.namespace == namespace && holds(&self.pods, pod) && holds(&self.accounts, account)
    }
}

/// One webhook of a Validating- or MutatingWebhookConfiguration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where it is written: the configuration, at `/webhooks/N`.
    pub location: Location,
    /// `webhooks[].name`.
    pub name: Name,
    /// When its configuration arrives.
    pub arrival: Arrival,
    /// `failurePolicy: Fail`.
    pub fails_closed: bool,
    /// Namespace and name of the Service that answers; `None` for a URL.
    pub service: Option<(Name, Name)>,
    /// What it is asked about.
    pub rules: Vec<WebhookRule>,
    /// `namespaceSelector`.
    pub namespace_selector: LabelSelector,
    /// `objectSelector`.
    pub object_selector: LabelSelector,
    /// `matchConditions` are there, which the model does not evaluate.
    pub has_match_conditions: bool,
}

/// One rule of a webhook; `*` is everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRule {
    /// `CREATE`, `UPDATE`, …
    pub operations: Vec<Name>,
    /// API groups.
    pub groups: Vec<Name>,
    /// Resources (`pods`, `deployments`, `pods/*`).
    pub resources: Vec<Name>,
}

/// A PriorityClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityClass {
    /// `metadata.name`.
    pub name: Name,
    /// `value`.
    pub value: i32,
    /// `globalDefault`.
    pub global_default: bool,
    /// `preemptionPolicy: PreemptLowerPriority`.
    pub preempts: bool,
}

/// A ResourceQuota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// `spec.hard` over requests and pods: only the resources named there.
    pub hard: Vec<(Name, i64)>,
    /// Priority classes that its scope selects; `None` is every pod.
    pub priority_classes: Option<Vec<Name>>,
}

impl Quota {
    /// The first limited resource that `used` plus `wanted` would pass, with its limit.
    pub fn refuses(&self, used: &Resources, wanted: &Resources) -> Option<(&Name, i64)> {
        self.hard
            .iter()
            .find(|(name, hard)| {
                wanted.get(name) > 0 && used.get(name).saturating_add(wanted.get(name)) > *hard
            })
            .map(|(name, hard)| (name, *hard))
    }
}

/// Why the API server refuses every pod of a workload for as long as the input stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRefusal {
    /// Which check refuses.
    pub by: Refuser,
    /// What the API server answers after `pods "…" is forbidden: `.
    pub message: Name,
    /// What asks for it: the namespace, the LimitRange, the quota; `None` where the pods alone decide.
    pub object: Option<Location>,
    /// What of the pods it refuses; never empty.
    pub violations: Vec<Violation>,
}

/// A check of the API server, in the order in which it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refuser {
    /// The service account is not there.
    ServiceAccount,
    /// The priority class is not there.
    Priority,
    /// The runtime class is not there.
    RuntimeClass,
    /// A LimitRange's bounds.
    LimitRanger,
    /// The level of Pod Security that the namespace enforces.
    PodSecurity,
    /// A quota over a resource that a container does not name.
    ResourceQuota,
}

/// A field of a pod that a check of the API server refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, or where it would have to be written.
    pub location: Location,
    /// What is wrong with it, in a few words.
    pub what: Name,
    /// What to write instead.
    pub instead: Name,
}

/// A PodDisruptionBudget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisruptionBudget {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// Which pods.
    pub selector: LabelSelector,
    /// How many must stay, or may go.
    pub bound: BudgetBound,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`.
    pub always_allow_unhealthy: bool,
}

/// `minAvailable` or `maxUnavailable`, a count or a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum BudgetBound {
    MinAvailable(u32),
    MinAvailablePercent(u32),
    MaxUnavailable(u32),
    MaxUnavailablePercent(u32),
}
