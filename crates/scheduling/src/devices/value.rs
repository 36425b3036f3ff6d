//! Values of CEL over a device, how they are compared, and what is looked up in them.
//!
//! Follows `k8s.io/dynamic-resource-allocation` v0.36.3 `cel/compile.go` (the variable `device`) and
//! `k8s.io/apiserver` `pkg/cel/library/{quantity,semverlib}.go`.

use std::cmp::Ordering;

use cluster::device::version::Version;
use cluster::device::{Attribute, Device, DeviceCapacity};
use cluster::{Name, Quantity};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(Name),
    Null,
    Quantity(Quantity),
    Version(Version),
    List(Vec<Value>),
    /// The variable itself.
    Device,
    /// `device.attributes` or `device.capacity`.
    Table(Table),
    /// What a table has for one domain.
    Domain(Table, Name),
}

/// Which of a device's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Attributes,
    Capacity,
}

/// What an expression is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'d> {
    pub driver: &'d Name,
    pub device: &'d Device,
}

pub(crate) const NO_OVERLOAD: &str = "no such overload";

/// `domain/id`; names without a domain are the driver's.
fn qualified<'n>(name: &'n str, driver: &'n str) -> (&'n str, &'n str) {
    name.split_once('/').unwrap_or((driver, name))
}

impl Subject<'_> {
    /// A field or key; `None` where the value has none of this name. A domain that nothing is in is empty.
    pub fn find(self, of: &Value, key: &str) -> Result<Option<Value>, String> {
        Ok(match of {
            Value::Device => match key {
                "driver" => Some(Value::Text(self.driver.clone())),
                "attributes" => Some(Value::Table(Table::Attributes)),
                "capacity" => Some(Value::Table(Table::Capacity)),
                "allowMultipleAllocations" => Some(Value::Bool(self.device.shared)),
                _ => None,
            },
            Value::Table(table) => Some(Value::Domain(*table, key.into())),
            Value::Domain(Table::Attributes, domain) => {
                self.entry(&self.device.attributes, domain, key).map(attribute).transpose()?
            }
            Value::Domain(Table::Capacity, domain) => self
                .entry(&self.device.capacity, domain, key)
                .map(|capacity: &DeviceCapacity| Value::Quantity(capacity.value)),
            _ => return Err(NO_OVERLOAD.to_owned()),
        })
    }

    fn entry<'t, T>(
        self,
        table: &'t std::collections::BTreeMap<Name, T>,
        domain: &str,
        key: &str,
    ) -> Option<&'t T> {
        let found = table.iter().find(|(name, _)| qualified(name, self.driver) == (domain, key));
        found.map(|(_, value)| value)
    }

    /// Whether a list or a table has a key.
    pub fn contains(self, of: &Value, key: &Value) -> Result<bool, String> {
        match (of, key) {
            (Value::List(items), key) => Ok(items.iter().any(|item| equal(item, key))),
            (Value::Table(table), Value::Text(domain)) => Ok(self.has_domain(*table, domain)),
            (Value::Domain(..), Value::Text(key)) => Ok(self.find(of, key)?.is_some()),
            (Value::Table(_) | Value::Domain(..), _) => Ok(false),
            _ => Err(NO_OVERLOAD.to_owned()),
        }
    }

    fn has_domain(self, table: Table, domain: &str) -> bool {
        let is_in = |name: &Name| qualified(name, self.driver).0 == domain;
        match table {
            Table::Attributes => self.device.attributes.keys().any(is_in),
            Table::Capacity => self.device.capacity.keys().any(is_in),
        }
    }
}

fn attribute(of: &Attribute) -> Result<Value, String> {
    Ok(match of {
        Attribute::Int(value) => Value::Int(*value),
        Attribute::Bool(value) => Value::Bool(*value),
        Attribute::String(value) => Value::Text(value.clone()),
        Attribute::Version(text) => Value::Version(Version::parse(text).ok_or("parse semantic version")?),
        Attribute::Unsupported => return Err("unsupported attribute value".to_owned()),
    })
}

/// CEL's `==`: values of different kinds are not equal, numbers are compared by what they are.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(int), Value::Uint(uint)) | (Value::Uint(uint), Value::Int(int)) => {
            i128::from(*int) == i128::from(*uint)
        }
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        _ => a == b,
    }
}

/// CEL's order; `None` where the two have none.
pub(crate) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    Some(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Uint(a), Value::Uint(b)) => a.cmp(b),
        (Value::Int(a), Value::Uint(b)) => i128::from(*a).cmp(&i128::from(*b)),
        (Value::Uint(a), Value::Int(b)) => i128::from(*a).cmp(&i128::from(*b)),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => return None,
    })
}

/// The order of the methods `compareTo`, `isGreaterThan` and `isLessThan`.
pub(crate) fn compare_amounts(a: &Value, b: &Value) -> Option<Ordering> {
    Some(match (a, b) {
        (Value::Quantity(a), Value::Quantity(b)) => a.cmp(b),
        (Value::Version(a), Value::Version(b)) => a.cmp(b),
        _ => return None,
    })
}
