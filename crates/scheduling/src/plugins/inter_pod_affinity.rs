//! `InterPodAffinity`: required terms filter, preferred ones score; what pods that are there want counts as well.
//!
//! Follows `plugins/interpodaffinity/{filtering,scoring,plugin}.go` with `hardPodAffinityWeight: 1`.

use std::collections::BTreeMap;

use cluster::template::PodAffinityTerm;
use cluster::{Cluster, LabelSelector, Labels, Name};

use crate::class::{ClassId, OwnedKind, OwnedTerm, Wishes};
use crate::counter::PodTerm;
use crate::domain::NO_DOMAIN;
use crate::event::Event;
use crate::hints::Waiter;
use crate::placements::Placements;
use crate::query::Query;
use crate::refusal::Refusal;

/// What a required affinity term of a pod that is there weighs for others.
const HARD_AFFINITY_WEIGHT: i64 = 1;
/// Since when terms are handed to `mergeAffinityTermNamespacesIfNotEmpty` by value, and keep their selector.
const COMPARES_WITHOUT_LABELS_SINCE: (u32, u32) = (1, 34);

fn resolve(term: &PodAffinityTerm, own: &Name) -> PodTerm {
    let everywhere = term.namespaces.is_empty() && term.namespace_selector.is_none();
    PodTerm {
        namespaces: if everywhere { vec![own.clone()] } else { term.namespaces.clone() },
        namespace_selector: term.namespace_selector.clone(),
        selector: term.selector.clone(),
        revision: None,
    }
}

/// A term of the pod to be placed. Upstream looks up the namespaces that it selects, and from v1.34 on also compares
/// its selector with no labels at all, whatever the namespace: "not this label" then selects every namespace.
fn resolve_incoming(term: &PodAffinityTerm, own: &Name, cluster: &Cluster) -> PodTerm {
    let mut resolved = resolve(term, own);
    let bare = |selector: &LabelSelector| selector.matches(&Labels::new());
    if cluster.declared.profile.kubernetes >= COMPARES_WITHOUT_LABELS_SINCE
        && resolved.namespace_selector.as_ref().is_some_and(bare)
    {
        resolved.namespace_selector = Some(LabelSelector::default());
    }
    resolved
}

/// Registers the terms that pods of a class carry with them.
pub(crate) fn own_terms(index: &mut Placements, cluster: &Cluster, id: u32) {
    let (template, namespace) = {
        let class = &index.classes[id as usize];
        (class.template.clone(), class.namespace.clone())
    };
    let (likes, dislikes) = (&template.pod_affinity, &template.pod_anti_affinity);
    let weighs = |weight: i64| move |term| (term, OwnedKind::Weighs(weight));
    let terms = dislikes
        .required
        .iter()
        .map(|term| (term, OwnedKind::Repels))
        .chain(likes.required.iter().map(weighs(HARD_AFFINITY_WEIGHT)))
        .chain(likes.preferred.iter().map(|(weight, term)| weighs(i64::from(*weight))(term)))
        .chain(dislikes.preferred.iter().map(|(weight, term)| weighs(-i64::from(*weight))(term)));
    // A term that is written twice weighs twice.
    let mut owned: BTreeMap<(PodTerm, u32), (bool, i64)> = BTreeMap::new();
    for (term, kind) in terms {
        let key = index.key(cluster, &term.topology_key);
        let (repels, weight) = owned.entry((resolve(term, &namespace), key)).or_default();
        *repels |= kind == OwnedKind::Repels;
        *weight += kind.weight();
    }
    for ((term, key), (repels, weight)) in owned {
        let kinds = [(repels, OwnedKind::Repels), (weight != 0, OwnedKind::Weighs(weight))];
        for (_, kind) in kinds.into_iter().filter(|(there, _)| *there) {
            index.own(cluster, id, OwnedTerm { term: term.clone(), key, kind });
        }
    }
}

/// Works out what a class wants of other pods.
pub(crate) fn wish(index: &mut Placements, cluster: &Cluster, id: ClassId, wishes: &mut Wishes) {
    let class = index.classes[id.0 as usize].clone();
    let (likes, dislikes) = (&class.template.pod_affinity, &class.template.pod_anti_affinity);
    let all: Vec<PodTerm> =
        likes.required.iter().map(|term| resolve_incoming(term, &class.namespace, cluster)).collect();
    if !all.is_empty() {
        wishes.likes_itself =
            all.iter().all(|term| term.matches(class.facts(), &cluster.declared.namespaces));
        let counter = index.counter(cluster, all, false);
        for term in &likes.required {
            let key = index.key(cluster, &term.topology_key);
            wishes.affinity.push((index.group(counter, key, None), key));
        }
    }
    let mut group = |term: &PodAffinityTerm| {
        let counter = index.counter(cluster, vec![resolve_incoming(term, &class.namespace, cluster)], false);
        let key = index.key(cluster, &term.topology_key);
        (index.group(counter, key, None), key)
    };
    wishes.anti_affinity = dislikes.required.iter().map(&mut group).collect();
    for (sign, terms) in [(1, &likes.preferred), (-1, &dislikes.preferred)] {
        for (weight, term) in terms {
            let (group, key) = group(term);
            wishes.preferred.push((sign * i64::from(*weight), group, key));
        }
    }
}

/// What of other pods' wishes concerns one attempt: groups with pods in them, and their keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Felt {
    /// Anti-affinity of pods that are there.
    pub repelled_by: Vec<(u32, u32)>,
    /// No pod anywhere matches the pod's own affinity.
    pub first_of_its_kind: bool,
}

impl Felt {
    pub fn new(index: &Placements, class: ClassId, wishes: &Wishes) -> Felt {
        let hit_by = &index.classes[class.0 as usize].hit_by;
        let repels = |(term, group): &(OwnedTerm, u32)| {
            term.kind == OwnedKind::Repels && index.groups[*group as usize].total > 0
        };
        Felt {
            repelled_by: hit_by
                .iter()
                .map(|id| &index.terms[*id as usize])
                .filter(|term| repels(term))
                .map(|(term, group)| (*group, term.key))
                .collect(),
            first_of_its_kind: wishes
                .affinity
                .iter()
                .all(|(group, _)| index.groups[*group as usize].total == 0),
        }
    }
}

/// Whether `PreFilter` finds nothing to look at: no term of the pod's own, and no pod that repels it.
pub(crate) fn is_skipped(index: &Placements, query: &Query) -> bool {
    query.wishes.affinity.is_empty()
        && query.wishes.anti_affinity.is_empty()
        && Felt::new(index, query.class, &query.wishes).repelled_by.is_empty()
}

/// The first kind of rule that refuses a node.
pub(crate) fn refuses(index: &Placements, wishes: &Wishes, felt: &Felt, node: usize) -> Option<Refusal> {
    if !satisfies_affinity(index, wishes, felt, node) {
        return Some(Refusal::PodAffinity);
    }
    let occupied = |(group, key): &(u32, u32)| {
        let domain = index.keys[*key as usize].of(node);
        domain != NO_DOMAIN && index.groups[*group as usize].count(domain) > 0
    };
    if wishes.anti_affinity.iter().any(occupied) {
        return Some(Refusal::PodAntiAffinity);
    }
    felt.repelled_by.iter().any(occupied).then_some(Refusal::ExistingAntiAffinity)
}

/// Every term needs a matching pod in the node's domain. The first of a group of pods that want each other may go
/// anywhere that has the keys.
fn satisfies_affinity(index: &Placements, wishes: &Wishes, felt: &Felt, node: usize) -> bool {
    let mut company = true;
    for (group, key) in &wishes.affinity {
        let domain = index.keys[*key as usize].of(node);
        if domain == NO_DOMAIN {
            return false;
        }
        company &= index.groups[*group as usize].count(domain) > 0;
    }
    company || felt.first_of_its_kind && wishes.likes_itself
}

/// Adds the weighted, normalized score of each node to `totals`.
pub(crate) fn score(
    index: &Placements,
    class: ClassId,
    wishes: &Wishes,
    nodes: &[u32],
    totals: &mut [i64],
    weight: i64,
) {
    let there = index.classes[class.0 as usize].hit_by.iter().map(|id| &index.terms[*id as usize]);
    let there = there.map(|(term, group)| (term.kind.weight(), *group, term.key));
    let pulls: Vec<(i64, u32, u32)> = wishes
        .preferred
        .iter()
        .copied()
        .chain(there)
        .filter(|(weight, group, _)| *weight != 0 && index.groups[*group as usize].total > 0)
        .collect();
    if pulls.is_empty() {
        return;
    }
    let pull = |node: u32| -> i64 {
        let one = |(weight, group, key): &(i64, u32, u32)| {
            weight
                * i64::from(index.groups[*group as usize].count(index.keys[*key as usize].of(node as usize)))
        };
        pulls.iter().map(one).sum()
    };
    let raw: Vec<i64> = nodes.iter().map(|node| pull(*node)).collect();
    let (least, most) = (raw.iter().min().copied().unwrap_or(0), raw.iter().max().copied().unwrap_or(0));
    if most == least {
        return;
    }
    for (total, raw) in totals.iter_mut().zip(raw) {
        *total += weight * share(raw - least, most - least);
    }
}

/// Upstream's float64 operations, cut off to an integer.
fn share(part: i64, whole: i64) -> i64 {
    (100.0 * (part as f64 / whole as f64)) as i64
}

/// A queueing hint: a pod that is wanted came, one that was in the way went, or a node came or moved to another
/// domain.
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    let namespaces = &waiter.cluster.declared.namespaces;
    let all = |terms: &[PodAffinityTerm], owner: &Name, pod: ClassId| {
        let facts = waiter.index.classes[pod.0 as usize].facts();
        !terms.is_empty() && terms.iter().all(|term| resolve(term, owner).matches(facts, namespaces))
    };
    let (template, namespace) = (waiter.template(), &waiter.class().namespace);
    let wishes = waiter.wishes();
    let now = |node: cluster::NodeId, key: u32| waiter.index.keys[key as usize].of(node.0 as usize);
    match event {
        Event::PodAdded(_, class) => all(&template.pod_affinity.required, namespace, *class),
        Event::PodDeleted { class, .. } => {
            let gone = &waiter.index.classes[class.0 as usize];
            all(&template.pod_anti_affinity.required, namespace, *class)
                || all(&gone.template.pod_anti_affinity.required, &gone.namespace, waiter.class_id)
        }
        Event::NodeAdded(node) => {
            !wishes.anti_affinity.is_empty()
                || wishes.affinity.iter().any(|(_, key)| now(*node, *key) != NO_DOMAIN)
        }
        Event::NodeUpdated(before) => {
            let was = |key: u32| before.domains.get(key as usize).copied().unwrap_or(NO_DOMAIN);
            let moved = |key: u32| was(key) != now(before.node, key);
            wishes.affinity.iter().any(|(_, key)| moved(*key) && now(before.node, *key) != NO_DOMAIN)
                || wishes.anti_affinity.iter().any(|(_, key)| moved(*key) && was(*key) != NO_DOMAIN)
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "inter_pod_affinity_test.rs"]
mod tests;
