//! What the devices of a claim must have in common, or not.
//!
//! Follows `matchAttributeConstraint` and `distinctAttributeConstraint` of the allocator, which remembers distinct
//! values by request: of several devices of one request, the last.

use std::collections::BTreeMap;

use cluster::Name;
use cluster::device::{Attribute, Device, DeviceConstraint};

/// A constraint while devices are chosen.
#[derive(Clone, Debug)]
pub(super) struct Constraint<'c> {
    of: &'c DeviceConstraint,
    devices: usize,
    common: Option<Attribute>,
    by_request: BTreeMap<Name, Attribute>,
}

/// For whom a device is chosen: the request, and the subrequest.
pub(super) type Asker<'c> = (&'c Name, Option<&'c Name>);

impl<'c> Constraint<'c> {
    pub fn new(of: &'c DeviceConstraint) -> Constraint<'c> {
        Constraint { of, devices: 0, common: None, by_request: BTreeMap::new() }
    }

    fn concerns(&self, (request, subrequest): Asker<'_>) -> bool {
        let names = &self.of.requests;
        let full = subrequest.map(|subrequest| format!("{request}/{subrequest}"));
        names.is_empty()
            || names.contains(request)
            || full.is_some_and(|full| names.iter().any(|name| *name == full))
    }

    /// Whether a device may be added, and is.
    pub fn add(&mut self, asker: Asker<'_>, driver: &str, device: &Device) -> bool {
        if !self.concerns(asker) {
            return true;
        }
        let Some(attribute) = lookup(device, driver, &self.of.attribute) else { return false };
        let fits = self.devices == 0
            || match self.of.distinct {
                false => self.common.as_ref() == Some(attribute),
                true => !self.by_request.values().any(|known| known == attribute),
            };
        if !fits || (self.devices > 0 && *attribute == Attribute::Unsupported) {
            return false;
        }
        if self.of.distinct {
            self.by_request.insert(asker.0.clone(), attribute.clone());
        } else if self.devices == 0 {
            self.common = Some(attribute.clone());
        }
        self.devices += 1;
        true
    }

    /// Takes a device back that was added.
    pub fn remove(&mut self, asker: Asker<'_>) {
        if self.concerns(asker) {
            self.by_request.remove(asker.0);
            self.devices = self.devices.saturating_sub(1);
        }
    }
}

/// `lookupAttribute`: by its full name, or, of the driver's own domain, without that.
fn lookup<'d>(device: &'d Device, driver: &str, name: &str) -> Option<&'d Attribute> {
    device.attributes.get(name).or_else(|| {
        let (domain, id) = name.split_once('/')?;
        device.attributes.get(id).filter(|_| domain == driver)
    })
}
