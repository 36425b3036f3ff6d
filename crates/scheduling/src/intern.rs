//! Finding or making the index's parts: classes, rules, shapes, topology keys, counters, groups, owned terms.
//!
//! Each is made once, when the first pod that needs it turns up, and brought up to date from then on.

use std::sync::Arc;

use cluster::{Cluster, Name, Pod, PodId, PodTemplate, WorkloadId};

use crate::class::{Class, ClassId, OwnedTerm};
use crate::counter::{Counted, Counter, PodTerm};
use crate::domain::{Group, Inclusion, TopologyKey};
use crate::glance::Glances;
use crate::placements::{Placements, len};
use crate::plugins::default_preemption::Tries;
use crate::query::Incoming;
use crate::room::{Column, Request, Row};
use crate::rule::{Rule, RuleKey};
use crate::score::Shape;

impl Placements {
    /// The class of a pod.
    pub fn class_of(&mut self, cluster: &Cluster, pod: &Pod) -> ClassId {
        let owner = pod.workload.map(|workload| (workload, pod.revision));
        let known =
            self.recorded(pod.id).filter(|class| self.is_of(*class, &pod.namespace, &pod.template, owner));
        known.unwrap_or_else(|| self.class(cluster, &pod.namespace, &pod.template, owner))
    }

    /// The class of a pod that has a record, without a search.
    pub(crate) fn known_class(&self, pod: &Incoming) -> Option<ClassId> {
        let recorded = self.recorded(pod.id?);
        recorded.filter(|class| self.is_of(*class, &pod.namespace, &pod.template, pod.owner))
    }

    fn recorded(&self, pod: PodId) -> Option<ClassId> {
        let tenant = self.tenants.get(pod.0 as usize).and_then(Option::as_ref);
        tenant.map(|tenant| ClassId(tenant.class))
    }

    fn is_of(
        &self,
        class: ClassId,
        namespace: &Name,
        template: &Arc<PodTemplate>,
        owner: Option<(WorkloadId, u32)>,
    ) -> bool {
        let class = &self.classes[class.0 as usize];
        Arc::ptr_eq(&class.template, template) && class.owner == owner && class.namespace == *namespace
    }

    /// The class of pods with this namespace, template and owner.
    pub fn class(
        &mut self,
        cluster: &Cluster,
        namespace: &Name,
        template: &Arc<PodTemplate>,
        owner: Option<(WorkloadId, u32)>,
    ) -> ClassId {
        let known = |id: &&u32| &self.classes[**id as usize].template;
        let key = (namespace.clone(), owner);
        let ids = self.class_ids.get(&key).map_or(&[][..], Vec::as_slice);
        let shared = ids.iter().find(|id| Arc::ptr_eq(known(id), template));
        if let Some(id) = shared.or_else(|| ids.iter().find(|id| known(id) == template)) {
            return ClassId(*id);
        }
        let id = len(&self.classes);
        let request = Request::of(template, |name| column(&mut self.columns, name, &mut self.rows, cluster));
        let shape = self.shape(&request);
        let class = Class {
            namespace: namespace.clone(),
            template: template.clone(),
            owner,
            rules: [None; 2],
            request: Arc::new(request),
            shape,
            counters: Vec::new(),
            hit_by: Vec::new(),
            wishes: None,
            refused: None,
            glances: Glances::default(),
            tries: Tries::default(),
        };
        self.classes.push(class);
        self.class_ids.entry(key).or_default().push(id);
        self.join_counters(cluster, id);
        crate::plugins::inter_pod_affinity::own_terms(self, cluster, id);
        ClassId(id)
    }

    /// Finds the counters and owned terms that there are already and that match a new class.
    fn join_counters(&mut self, cluster: &Cluster, id: u32) {
        let namespaces = &cluster.declared.namespaces;
        let class = &self.classes[id as usize];
        let matches = |counter: &Counter| match &counter.counted {
            Counted::Matching { terms, .. } => {
                terms.iter().all(|term| term.matches(class.facts(), namespaces))
            }
            Counted::Owning(_) => false,
        };
        let counters =
            (0..).zip(&self.counters).filter(|(_, counter)| matches(counter)).map(|(id, _)| id).collect();
        let hits = |term: &OwnedTerm| term.term.matches(class.facts(), namespaces);
        let hit_by = (0..).zip(&self.terms).filter(|(_, (term, _))| hits(term)).map(|(id, _)| id).collect();
        let class = &mut self.classes[id as usize];
        (class.counters, class.hit_by) = (counters, hit_by);
    }

    /// The rule of a class.
    pub(crate) fn rule(&mut self, cluster: &Cluster, class: ClassId, pinned: bool) -> u32 {
        let slot = usize::from(pinned);
        if let Some(rule) = self.classes[class.0 as usize].rules[slot] {
            return rule;
        }
        let key = RuleKey::of(&self.classes[class.0 as usize].template, pinned);
        let id = self.rule_ids.get(&key).copied().unwrap_or_else(|| {
            let id = len(&self.rules);
            let cells = cluster.nodes.iter().map(|node| key.cell(node)).collect();
            self.rule_ids.insert(key.clone(), id);
            self.rules.push(Rule { key, cells });
            id
        });
        self.classes[class.0 as usize].rules[slot] = Some(id);
        id
    }

    fn shape(&mut self, request: &Request) -> u32 {
        let next = len(&self.shapes);
        let id = *self.shape_ids.entry(request.clone()).or_insert(next);
        if id == next {
            self.shapes.push(Shape::new(request));
        }
        id
    }

    /// The topology key with this name.
    pub(crate) fn key(&mut self, cluster: &Cluster, name: &Name) -> u32 {
        if let Some(id) = self.key_ids.get(name) {
            return *id;
        }
        let id = len(&self.keys);
        let mut key = TopologyKey::new(name.clone());
        for node in &cluster.nodes {
            key.set(node.id.0 as usize, node.labels.get(name));
        }
        self.key_ids.insert(name.clone(), id);
        self.keys.push(key);
        id
    }

    /// The counter of pods that all `terms` match.
    pub(crate) fn counter(&mut self, cluster: &Cluster, terms: Vec<PodTerm>, living: bool) -> u32 {
        let counted = Counted::Matching { terms, living };
        if let Some(id) = self.counter_ids.get(&counted) {
            return *id;
        }
        let id = len(&self.counters);
        let namespaces = &cluster.declared.namespaces;
        let mut members = vec![false; self.classes.len()];
        if let Counted::Matching { terms, .. } = &counted {
            for (class, member) in self.classes.iter_mut().zip(&mut members) {
                *member = terms.iter().all(|term| term.matches(class.facts(), namespaces));
                if *member {
                    class.counters.push(id);
                }
            }
        }
        let mut counter = Counter::new(counted.clone());
        for tenant in self.tenants.iter().flatten() {
            if let Some(node) =
                tenant.node.filter(|_| members[tenant.class as usize] && !(living && tenant.terminating))
            {
                counter.change(node as usize, true);
            }
        }
        self.counters.push(counter);
        self.counter_ids.insert(counted, id);
        id
    }

    /// The group of a counter over a key.
    pub(crate) fn group(&mut self, counter: u32, key: u32, inclusion: Option<Inclusion>) -> u32 {
        let name = (counter, key, inclusion.clone());
        if let Some(id) = self.group_ids.get(&name) {
            return *id;
        }
        let id = len(&self.groups);
        let mut group = Group::new(counter, key, inclusion);
        for node in 0..self.rows.len() {
            if let Some(domain) = self.domain_in(&group, node) {
                group.include(domain, self.counters[counter as usize].on(node));
            }
        }
        self.groups.push(group);
        self.group_ids.insert(name, id);
        self.counters[counter as usize].groups.push(id);
        id
    }

    /// The owned term, with the group of its owners; the class owns it from now on.
    pub(crate) fn own(&mut self, cluster: &Cluster, class: u32, owned: OwnedTerm) {
        let id = self.term_ids.get(&owned).copied().unwrap_or_else(|| {
            let (id, counter) = (len(&self.terms), len(&self.counters));
            self.counters.push(Counter::new(Counted::Owning(id)));
            let group = self.group(counter, owned.key, None);
            let namespaces = &cluster.declared.namespaces;
            for class in &mut self.classes {
                if owned.term.matches(class.facts(), namespaces) {
                    class.hit_by.push(id);
                }
            }
            self.term_ids.insert(owned.clone(), id);
            self.terms.push((owned, group));
            id
        });
        let counter = self.groups[self.terms[id as usize].1 as usize].counter;
        let counters = &mut self.classes[class as usize].counters;
        if !counters.contains(&counter) {
            counters.push(counter);
        }
    }
}

fn column(columns: &mut Vec<Column>, name: &Name, rows: &mut [Row], cluster: &Cluster) -> u32 {
    let known = columns.iter().position(|column| column.name == *name);
    let place = known.unwrap_or_else(|| {
        let mut column = Column::new(name.clone());
        column.grow(rows.len());
        for (allocatable, node) in column.allocatable.iter_mut().zip(&cluster.nodes) {
            *allocatable = node.allocatable.get(name);
        }
        columns.push(column);
        columns.len() - 1
    });
    u32::try_from(place).unwrap_or(u32::MAX)
}
