//! Everything but pods, nodes and claims: few objects that rarely change, lowered together when one does.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{RawObject, nodepool_hash};
use cluster::admission::BudgetBound;
use cluster::node::POOL;
use cluster::node_claim::TemplateHash;
use cluster::{Change, Declared, FieldPath, Kind, Name, ObjectKey, PodTemplate, WorkloadId};
use serde_json::Value;

use super::Mirror;
use crate::Resource;

impl Mirror {
    pub(super) fn object_there(&mut self, resource: Resource, value: &Arc<Value>, changes: &mut Vec<Change>) {
        let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let key = ObjectKey::new(resource.model(), text("/metadata/namespace"), text("/metadata/name"));
        let known = self.objects.insert(key.clone(), Arc::clone(value));
        if known.is_some_and(|known| means_the_same(resource, &known, value)) {
            return;
        }
        self.lower_again();
        // A pool that goes makes nothing any more; its claims are its claims until they are gone.
        if key.kind == Kind::NodePool && value.pointer("/metadata/deletionTimestamp").is_some() {
            self.cluster.arrived_objects.remove(&key);
            changes.push(Change::ObjectDeleted(key));
            return;
        }
        self.cluster.arrived_objects.insert(key.clone());
        changes.push(Change::ObjectArrived(key));
    }

    pub(super) fn object_gone(
        &mut self,
        resource: Resource,
        namespace: &Name,
        name: &Name,
        changes: &mut Vec<Change>,
    ) {
        let key = ObjectKey::new(resource.model(), namespace.clone(), name.clone());
        self.cluster.arrived_objects.remove(&key);
        if self.objects.remove(&key).is_none() {
            return;
        }
        self.daemons.remove(&key);
        self.lower_again();
        changes.push(Change::ObjectDeleted(key));
    }

    /// The object as it is in the API.
    pub fn object(&self, kind: Kind, name: &Name) -> Option<&Arc<Value>> {
        self.objects.get(&ObjectKey::new(kind, "", name.clone()))
    }

    /// The workload that made a pod.
    pub(super) fn workload_of(&self, namespace: &Name, owner: Option<&(Name, Name)>) -> Option<WorkloadId> {
        let (kind, name) = owner?;
        let key = ObjectKey::new(Kind::from(kind.as_str()), namespace.clone(), name.clone());
        let mut workloads = self.cluster.declared.workload_ids();
        workloads.find(|(_, workload)| workload.key == key).map(|(id, _)| id)
    }

    fn lower_again(&mut self) {
        let raw =
            |value: &Arc<Value>| RawObject { value: Arc::clone(value), root: FieldPath::root(), document: 0 };
        let objects: Vec<RawObject> = self.objects.values().map(raw).collect();
        let api::Lowered { mut declared, problems, .. } = api::lower(&objects, catalog::Catalog::embedded());
        let errors: Vec<api::Problem> =
            problems.into_iter().filter(|problem| problem.severity == api::Severity::Error).collect();
        self.note_unread("object", &errors);
        self.take_desired(&mut declared);
        self.take_hashes(&mut declared);
        self.take_daemons(&mut declared);
        declared.profile = self.cluster.declared.profile.clone();
        declared.karpenter = self.cluster.declared.karpenter.clone();
        self.cluster.arrived = vec![true; declared.workloads.len()];
        self.cluster.volumes.clone_from(&declared.volumes);
        self.cluster.volume_claims.clone_from(&declared.volume_claims);
        self.move_pools(&declared);
        self.cluster.declared = Arc::new(declared);
        self.move_workloads();
    }

    /// What a budget comes to was worked out by its own controller, which sees the scale of every owner.
    fn take_desired(&self, declared: &mut Declared) {
        for budget in &mut declared.disruption_budgets {
            let key =
                ObjectKey::new(Kind::PodDisruptionBudget, budget.namespace.clone(), budget.name.clone());
            let status = self.objects.get(&key).and_then(|value| value.get("status"));
            let desired = status.and_then(|status| status.get("desiredHealthy")).and_then(Value::as_u64);
            let blocks_all = matches!(
                budget.bound,
                BudgetBound::MaxUnavailable(0)
                    | BudgetBound::MaxUnavailablePercent(0)
                    | BudgetBound::MinAvailablePercent(100)
            );
            if let Some(desired) = desired.filter(|_| !blocks_all) {
                budget.bound = BudgetBound::MinAvailable(u32::try_from(desired).unwrap_or(u32::MAX));
            }
        }
    }

    /// The hash that a pool's template has now, whether or not it is written already.
    fn take_hashes(&self, declared: &mut Declared) {
        for pool in &mut declared.node_pools {
            let written = self.objects.get(&ObjectKey::new(Kind::NodePool, "", pool.name.clone()));
            let hash = written.map(|pool| nodepool_hash::hash(&pool["spec"]["template"]));
            let version = Name::from(nodepool_hash::VERSION);
            pool.template_hash = hash.map(|hash| TemplateHash { version, hash: hash.into() });
        }
    }

    /// What a daemon's pods ask for is what its newest one does: limit ranges and webhooks change it on the way
    /// (`pkg/controllers/state/cluster.go` `GetDaemonSetPod`).
    fn take_daemons(&self, declared: &mut Declared) {
        for workload in &mut declared.workloads {
            let Some((_, newest)) = self.daemons.get(&workload.key) else { continue };
            let asks = (&newest.containers, &newest.init_containers, &newest.overhead);
            if asks
                != (
                    &workload.template.containers,
                    &workload.template.init_containers,
                    &workload.template.overhead,
                )
            {
                workload.template = Arc::new(PodTemplate {
                    containers: newest.containers.clone(),
                    init_containers: newest.init_containers.clone(),
                    requests: newest.requests.clone(),
                    pod_level: newest.pod_level.clone(),
                    overhead: newest.overhead.clone(),
                    ..PodTemplate::clone(&workload.template)
                });
            }
        }
    }

    /// A daemon's pod has come: the daemon is what its newest one is.
    pub(super) fn daemon_came(
        &mut self,
        daemon: ObjectKey,
        created_unix_ms: i64,
        template: &Arc<PodTemplate>,
        changes: &mut Vec<Change>,
    ) {
        let known = self.daemons.get(&daemon);
        if known.is_some_and(|(at, known)| *at > created_unix_ms || known == template) {
            return;
        }
        let asked = known.map(|(_, known)| known.requests.clone());
        self.daemons.insert(daemon.clone(), (created_unix_ms, Arc::clone(template)));
        let declared = self.cluster.declared.workloads.iter().find(|workload| workload.key == daemon);
        let asked = asked.or_else(|| declared.map(|workload| workload.template.requests.clone()));
        if asked.is_some_and(|asked| asked != template.requests) {
            self.lower_again();
            changes.push(Change::ObjectArrived(daemon));
        }
    }

    /// Claims point at their pools by index.
    fn move_pools(&mut self, declared: &Declared) {
        let index: BTreeMap<&Name, u32> =
            declared.node_pools.iter().map(|pool| &pool.name).zip(0_u32..).collect();
        for claim in &mut self.cluster.claims {
            let pool = claim.labels.get(POOL);
            claim.pool = pool.and_then(|pool| index.get(pool)).copied();
        }
    }

    /// Pods point at their workloads by index.
    fn move_workloads(&mut self) {
        let ids: BTreeMap<ObjectKey, WorkloadId> =
            self.cluster.declared.workload_ids().map(|(id, workload)| (workload.key.clone(), id)).collect();
        for ((namespace, _), entry) in &self.pods {
            let key = entry.owner.as_ref().map(|(kind, name)| {
                ObjectKey::new(Kind::from(kind.as_str()), namespace.clone(), name.clone())
            });
            self.cluster.pods[entry.id.0 as usize].workload = key.and_then(|key| ids.get(&key)).copied();
        }
    }
}

/// Whether nothing that the model reads has changed: status is written all the time.
fn means_the_same(resource: Resource, old: &Value, new: &Value) -> bool {
    let read: &[&str] = match resource {
        Resource::PodDisruptionBudget => &["/spec", "/status/desiredHealthy"],
        Resource::PersistentVolume | Resource::PersistentVolumeClaim => &["/spec", "/status/phase"],
        Resource::StorageClass => return old == new,
        _ => &["/spec"],
    };
    ["/metadata/labels", "/metadata/annotations", "/metadata/deletionTimestamp"]
        .iter()
        .chain(read)
        .all(|path| old.pointer(path) == new.pointer(path))
}
