//! Volumes: a class for claims that have none, and nodes where the volumes are.

use std::collections::BTreeSet;

use cluster::profile::NodeGroup;
use cluster::{Location, Name, NodePool, SelectorOperator};
use findings::volumes::{Kept, Problem, kept, zones_of};
use serde_json::json;

use super::{Case, set};
use crate::remedy::Remedy;

const ZONE: &str = "topology.kubernetes.io/zone";
/// More classes than this would only crowd out others.
const MAX_CLASSES: usize = 2;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let stuck: BTreeSet<Kept> =
        case.waiting_pods().filter_map(|(pod, _)| kept(&case.told.run.cluster, pod)).collect();
    let mut remedies = classes(case, &stuck);
    let elsewhere = stuck.iter().filter_map(|kept| match &kept.problem {
        Problem::Elsewhere(name) => Some(zones_of(&case.told.run.cluster, name)),
        _ => None,
    });
    let zones: BTreeSet<Name> = elsewhere.flatten().collect();
    for zone in &zones {
        remedies.extend(case.declared.node_pools.iter().filter_map(|pool| pool_in(pool, zone)));
        let groups = case.declared.profile.node_groups.iter().filter(|group| group.node_pool.is_empty());
        remedies.extend(groups.filter_map(|group| group_in(case, group, zone)));
    }
    remedies
}

/// All claims without a class get the same one: first those that wait for their consumer.
fn classes(case: &Case<'_>, stuck: &BTreeSet<Kept>) -> Vec<Remedy> {
    let without =
        stuck.iter().filter(|kept| matches!(kept.problem, Problem::NoClass | Problem::ClassMissing(_)));
    let places: Vec<Location> = without.map(|kept| kept.location.at("/storageClassName")).collect();
    if places.is_empty() {
        return Vec::new();
    }
    let mut classes: Vec<_> = case.declared.storage_classes.iter().collect();
    classes.sort_by_key(|class| (!class.is_default, !class.wait_for_consumer));
    let remedy = |class: &cluster::storage::StorageClass| Remedy {
        id: "storage-class",
        title: format!("name StorageClass {} in the claims that have none", class.name),
        edits: places.iter().map(|place| set(place.clone(), json!(class.name))).collect(),
        operation: None,
        cost: 0,
    };
    classes.into_iter().take(MAX_CLASSES).map(remedy).collect()
}

/// A pool that leaves the zone out gets it.
fn pool_in(pool: &NodePool, zone: &Name) -> Option<Remedy> {
    let index = pool
        .requirements
        .iter()
        .position(|requirement| requirement.key == ZONE && requirement.operator == SelectorOperator::In)?;
    let mut values = pool.requirements[index].values.clone();
    if values.contains(zone) {
        return None;
    }
    values.push(zone.clone());
    let place = pool.location.at(&format!("/spec/template/spec/requirements/{index}/values"));
    Some(Remedy {
        id: "volume-zone",
        title: format!("let NodePool {} make nodes in {zone}, where the volume is", pool.name),
        edits: vec![set(place, json!(values))],
        operation: None,
        cost: 0,
    })
}

/// A group gets a subnet of the zone, and a node for it.
fn group_in(case: &Case<'_>, group: &NodeGroup, zone: &Name) -> Option<Remedy> {
    let subnets = &case.declared.profile.subnets;
    let subnet = (0u32..)
        .zip(subnets)
        .find(|(index, subnet)| subnet.zone == *zone && !group.subnets.contains(index))?;
    let all = group.subnets.iter().chain(std::iter::once(&subnet.0));
    let names: Vec<&Name> = all.filter_map(|index| Some(&subnets.get(*index as usize)?.name)).collect();
    let count = group.count.saturating_add(1).max(u32::try_from(names.len()).unwrap_or(u32::MAX));
    let mut edits = vec![
        set(group.location.at("/subnets"), json!(names)),
        set(group.location.at("/count"), json!(count)),
    ];
    if group.max < count {
        edits.push(set(group.location.at("/scaling/max"), json!(count)));
    }
    Some(Remedy {
        id: "volume-zone",
        title: format!(
            "run a node of group {} in {zone}, where the volume is: subnet {}",
            group.name, subnet.1.name
        ),
        edits,
        operation: None,
        cost: 2,
    })
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;
    use findings::Outcome;

    use crate::judge::{Options, Verdict, judge};

    /// The verdict, and what the first verified set is made of.
    fn best(text: &str) -> (Verdict, Vec<&'static str>) {
        let verdict = judge(&fixtures::inputs(text), Catalog::embedded(), Options::default());
        let first = verdict.search.verified().next().map(|attempt| attempt.set.clone()).unwrap_or_default();
        let ids = first.iter().map(|index| verdict.search.proposed[*index].id).collect();
        (verdict, ids)
    }

    /// A StatefulSet with a claim template; `claim` goes into the template's spec.
    fn with_claims(profile: &str, claim: &str, more: &str) -> String {
        format!(
            "
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {{name: test}}
spec:
  region: us-west-2
  {profile}
  addons: [{{name: vpc-cni}}, {{name: coredns}}, {{name: aws-ebs-csi-driver}}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db, namespace: apps}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: db, image: 'example/db:1'}}]}}
  volumeClaimTemplates:
  - metadata: {{name: data}}
    spec: {{accessModes: [ReadWriteOnce], {claim}resources: {{requests: {{storage: 1Gi}}}}}}
---
{more}
"
        )
    }

    #[test]
    fn claims_without_a_class_get_one_that_exists() {
        let groups =
            "kubernetesVersion: '1.33'\n  nodeGroups: [{name: system, instanceType: m6i.large, count: 2}]";
        let (verdict, best) = best(&with_claims(groups, "", ""));
        assert_eq!(verdict.outcome, Outcome::Misconfiguration);
        assert_eq!(best, ["storage-class"]);
    }

    #[test]
    fn a_volume_in_another_zone_gets_a_node_there() {
        let groups = "network:
    subnets:
    - {id: subnet-a, zone: us-west-2a, cidr: 10.0.0.0/22}
    - {id: subnet-c, zone: us-west-2c, cidr: 10.0.4.0/22}
  nodeGroups: [{name: system, instanceType: m6i.large, count: 2, subnets: [subnet-a]}]";
        let volume = "
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data-db-0, namespace: apps}, spec: {storageClassName: '', volumeName: old, accessModes: [ReadWriteOnce]}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: old}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  claimRef: {namespace: apps, name: data-db-0}
  csi: {driver: ebs.csi.aws.com, volumeHandle: vol-1}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: topology.kubernetes.io/zone, operator: In, values: [us-west-2c]}]}]}}
";
        let (_, best) = best(&with_claims(groups, "storageClassName: '', ", volume));
        assert_eq!(best, ["volume-zone"]);
    }
}
