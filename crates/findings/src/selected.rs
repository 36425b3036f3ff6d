//! What the selectors of an EC2NodeClass find in the profile; where it is nothing, what they probably meant.
//!
//! Follows `aws/karpenter-provider-aws` v1.14 `pkg/providers/{subnet,securitygroup}`: any term may match, everything in
//! a term must.

use std::collections::{BTreeMap, BTreeSet};

use cluster::node_class::SelectorTerm;
use cluster::{Declared, Labels, Name, NodeClass};

/// What an EC2NodeClass selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// `subnetSelectorTerms`.
    Subnets,
    /// `securityGroupSelectorTerms`.
    SecurityGroups,
}

/// Proposals at the most.
const MAX: usize = 3;

impl Selected {
    /// Both, in the order in which Karpenter looks at them.
    pub const ALL: [Selected; 2] = [Selected::Subnets, Selected::SecurityGroups];

    /// The field of `spec`.
    pub fn field(self) -> &'static str {
        match self {
            Selected::Subnets => "subnetSelectorTerms",
            Selected::SecurityGroups => "securityGroupSelectorTerms",
        }
    }

    /// `subnets`, `security groups`.
    pub fn noun(self) -> &'static str {
        match self {
            Selected::Subnets => "subnets",
            Selected::SecurityGroups => "security groups",
        }
    }

    /// The terms that are written.
    pub fn written(self, class: &NodeClass) -> &[SelectorTerm] {
        match self {
            Selected::Subnets => &class.subnets,
            Selected::SecurityGroups => &class.security_groups,
        }
    }

    /// Ids and tags of what there is; empty where nothing is known.
    fn known(self, declared: &Declared) -> Vec<(&Name, &Labels)> {
        let profile = &declared.profile;
        match self {
            Selected::Subnets => profile.subnets.iter().map(|subnet| (&subnet.name, &subnet.tags)).collect(),
            Selected::SecurityGroups => profile.security_groups.iter().map(|(id, tags)| (id, tags)).collect(),
        }
    }

    /// Whether the profile knows what there is and the class selects none of it.
    pub fn is_empty(self, declared: &Declared, class: &NodeClass) -> bool {
        let known = self.known(declared);
        let written = self.written(class);
        !known.is_empty() && !known.iter().any(|thing| written.iter().any(|term| finds(term, thing)))
    }

    /// The tags that there are, as `key=value`, the most frequent first.
    pub fn tags(self, declared: &Declared) -> Vec<(Name, Name)> {
        let mut counted: BTreeMap<(&Name, &Name), usize> = BTreeMap::new();
        for (_, tags) in self.known(declared) {
            tags.iter().for_each(|tag| *counted.entry(tag).or_default() += 1);
        }
        let mut tags: Vec<_> = counted.into_iter().collect();
        // A name tells one from the others: the last thing to select by.
        tags.sort_by_key(|((key, _), count)| (*key == "Name", std::cmp::Reverse(*count)));
        tags.into_iter().map(|((key, value), _)| (key.clone(), value.clone())).collect()
    }

    /// Terms in place of the written ones that select something, the nearest first; empty where those written do.
    pub fn nearest(self, declared: &Declared, class: &NodeClass) -> Vec<SelectorTerm> {
        if !self.is_empty(declared, class) {
            return Vec::new();
        }
        let (known, tags) = (self.known(declared), self.tags(declared));
        let mut terms: Vec<SelectorTerm> = Vec::new();
        for written in self.written(class) {
            terms.extend(
                corrected(written, &tags)
                    .into_iter()
                    .filter(|term| known.iter().any(|thing| finds(term, thing))),
            );
        }
        if terms.is_empty() {
            let by_tag = |(key, value): &(Name, Name)| SelectorTerm {
                tags: [(key.clone(), value.clone())].into_iter().collect(),
                ..SelectorTerm::default()
            };
            terms.extend(tags.iter().map(by_tag));
        }
        let mut seen = BTreeSet::new();
        terms.retain(|term| seen.insert(said(term)));
        terms.truncate(MAX);
        terms
    }
}

/// The term with one tag's value replaced by another that there is.
fn corrected(written: &SelectorTerm, tags: &[(Name, Name)]) -> Vec<SelectorTerm> {
    let replaced = tags.iter().filter(|(key, value)| written.tags.get(key).is_some_and(|own| own != value));
    let with = |(key, value): &(Name, Name)| {
        let mut term = written.clone();
        term.tags.insert(key.clone(), value.clone());
        term
    };
    replaced.map(with).collect()
}

fn finds(term: &SelectorTerm, (id, tags): &(&Name, &Labels)) -> bool {
    term.matches(id, tags.get("Name").map_or("", Name::as_str), tags)
}

/// `karpenter.sh/discovery=prod and tier=private`: a term in words.
pub fn said(term: &SelectorTerm) -> String {
    let tags = term.tags.iter().map(|(key, value)| format!("{key}={value}"));
    let id = term.id.iter().map(|id| format!("id {id}"));
    let name = term.name.iter().map(|name| format!("name {name}"));
    tags.chain(id).chain(name).collect::<Vec<_>>().join(" and ")
}
