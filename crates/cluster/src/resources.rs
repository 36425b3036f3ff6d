//! Amounts of what a node has and a pod asks for.

use std::fmt;

use crate::Name;
use crate::quantity::{format_bytes, format_cpu};

/// Resource amounts as integers. Zero and absent are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resources {
    /// CPU in thousandths of a core.
    pub cpu_millis: i64,
    /// Memory in bytes.
    pub memory_bytes: i64,
    /// Ephemeral storage in bytes.
    pub ephemeral_bytes: i64,
    /// Pods: what a node can hold, or how many are asked for.
    pub pods: i64,
    /// Extended resources (`nvidia.com/gpu`, `vpc.amazonaws.com/pod-eni`, huge pages), sorted by name.
    pub extended: Vec<(Name, i64)>,
}

impl Resources {
    /// Nothing.
    pub const ZERO: Resources =
        Resources { cpu_millis: 0, memory_bytes: 0, ephemeral_bytes: 0, pods: 0, extended: Vec::new() };

    /// The amount of a named resource: `cpu` in millis, `memory` and `ephemeral-storage` in bytes.
    pub fn get(&self, name: &str) -> i64 {
        match name {
            "cpu" => self.cpu_millis,
            "memory" => self.memory_bytes,
            "ephemeral-storage" => self.ephemeral_bytes,
            "pods" => self.pods,
            _ => self.extended.iter().find(|(key, _)| key == name).map_or(0, |(_, amount)| *amount),
        }
    }

    /// Sets the amount of a named resource, in the units of [`Resources::get`].
    pub fn set(&mut self, name: &str, amount: i64) {
        match name {
            "cpu" => self.cpu_millis = amount,
            "memory" => self.memory_bytes = amount,
            "ephemeral-storage" => self.ephemeral_bytes = amount,
            "pods" => self.pods = amount,
            _ => match self.extended.binary_search_by(|(key, _)| key.as_str().cmp(name)) {
                Ok(index) => self.extended[index].1 = amount,
                Err(index) => self.extended.insert(index, (name.into(), amount)),
            },
        }
    }

    /// Every named amount that is not zero, in the fixed order cpu, memory, ephemeral-storage, pods, others.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        [
            ("cpu", self.cpu_millis),
            ("memory", self.memory_bytes),
            ("ephemeral-storage", self.ephemeral_bytes),
            ("pods", self.pods),
        ]
        .into_iter()
        .chain(self.extended.iter().map(|(name, amount)| (name.as_str(), *amount)))
        .filter(|(_, amount)| *amount != 0)
    }

    /// Adds `other`; saturates.
    pub fn add(&mut self, other: &Resources) {
        self.merge(other, i64::saturating_add);
    }

    /// Subtracts `other`; may go below zero.
    pub fn subtract(&mut self, other: &Resources) {
        self.merge(other, i64::saturating_sub);
    }

    /// The larger of both, amount by amount.
    pub fn raise_to(&mut self, other: &Resources) {
        self.merge(other, i64::max);
    }

    /// `self + other`.
    #[must_use]
    pub fn plus(&self, other: &Resources) -> Resources {
        let mut sum = self.clone();
        sum.add(other);
        sum
    }

    /// `self - other`.
    #[must_use]
    pub fn minus(&self, other: &Resources) -> Resources {
        let mut difference = self.clone();
        difference.subtract(other);
        difference
    }

    /// The first named resource of which `self` asks for more than `room` has; what is not asked for does not
    /// count, as in kube-scheduler's `NodeResourcesFit`.
    pub fn exceeds(&self, room: &Resources) -> Option<&str> {
        self.iter().find(|(name, amount)| *amount > room.get(name)).map(|(name, _)| name)
    }

    fn merge(&mut self, other: &Resources, combine: fn(i64, i64) -> i64) {
        self.cpu_millis = combine(self.cpu_millis, other.cpu_millis);
        self.memory_bytes = combine(self.memory_bytes, other.memory_bytes);
        self.ephemeral_bytes = combine(self.ephemeral_bytes, other.ephemeral_bytes);
        self.pods = combine(self.pods, other.pods);
        for (name, amount) in &other.extended {
            let mine = self.get(name);
            self.set(name, combine(mine, *amount));
        }
    }
}

/// One amount as people write it, e.g. `250m` for cpu and `512Mi` for memory.
pub fn format_amount(name: &str, amount: i64) -> String {
    match name {
        "cpu" => format_cpu(amount),
        "memory" | "ephemeral-storage" => format_bytes(amount),
        _ if name.starts_with("hugepages-") => format_bytes(amount),
        _ => amount.to_string(),
    }
}

/// `cpu 250m, memory 512Mi`; `nothing` when all is zero.
impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.iter().map(|(name, amount)| format!("{name} {}", format_amount(name, amount))).collect();
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}
