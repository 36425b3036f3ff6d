//! The instance types that a node class can buy, and which of them agree with what is asked for.
//!
//! Plans ask again and again for the same: for what a pool or a DaemonSet requires. The answer follows from the types
//! and the question alone, so it is kept with the types.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use cluster::requirements::Requirements;

use super::TypeOnOffer;
use crate::bits::Bits;

/// How many answers are kept; later ones are worked out each time. One takes a few KB.
const ANSWERS: usize = 1024;

/// Instance types, in name order, with what is known about them.
#[derive(Default)]
pub struct Offers {
    types: Vec<TypeOnOffer>,
    from_reservations: Bits,
    // Looked up, never iterated over.
    answers: Mutex<HashMap<Requirements, Arc<Agreement>>>,
}

/// Which types agree with a set of requirements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Those whose own requirements agree.
    pub agreeing: Bits,
    /// Those of them that are also offered where the requirements allow.
    pub offered: Bits,
}

impl Offers {
    /// Of these types.
    pub fn new(types: Vec<TypeOnOffer>) -> Offers {
        let reserves = |offered: &TypeOnOffer| offered.offerings.iter().any(|own| own.reservation.is_some());
        let from_reservations = (0..types.len()).filter(|&index| reserves(&types[index])).collect();
        Offers { types, from_reservations, answers: Mutex::default() }
    }

    /// Types that a capacity reservation has.
    pub fn from_reservations(&self) -> &Bits {
        &self.from_reservations
    }

    /// Which types agree with `requirements`.
    pub fn agreement(&self, requirements: &Requirements) -> Arc<Agreement> {
        let known = |answers: &HashMap<Requirements, Arc<Agreement>>| answers.get(requirements).cloned();
        if let Some(known) = known(&self.answers.lock().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let answer = Arc::new(self.work_out(requirements));
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() < ANSWERS {
            answers.insert(requirements.clone(), Arc::clone(&answer));
        }
        answer
    }

    fn work_out(&self, requirements: &Requirements) -> Agreement {
        let agrees = |index: &usize| self.types[*index].requirements.intersects(requirements);
        let agreeing: Bits = (0..self.types.len()).filter(agrees).collect();
        let offered = |index: &usize| self.types[*index].possible(requirements).next().is_some();
        let offered = agreeing.iter().filter(offered).collect();
        Agreement { agreeing, offered }
    }
}

impl Deref for Offers {
    type Target = [TypeOnOffer];

    fn deref(&self) -> &[TypeOnOffer] {
        &self.types
    }
}

/// The types; what is known about them follows.
impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.types).finish()
    }
}

impl PartialEq for Offers {
    fn eq(&self, other: &Offers) -> bool {
        self.types == other.types
    }
}

impl Eq for Offers {}

#[cfg(test)]
mod tests {
    use cluster::requirements::Requirement;

    use super::*;
    use crate::testing::instance_type;

    #[test]
    fn the_second_answer_is_the_first() {
        let mut gone = instance_type("m.03", "arm64", 2);
        gone.offerings.iter_mut().for_each(|offering| offering.available = false);
        let types = vec![instance_type("m.01", "arm64", 2), instance_type("m.02", "amd64", 2), gone];
        let offers = Offers::new(types);
        let arm: Requirements = [Requirement::equal_to("kubernetes.io/arch", "arm64")].into_iter().collect();
        let first = offers.agreement(&arm);
        let shown = |bits: &Bits| bits.iter().collect::<Vec<_>>();
        assert_eq!((shown(&first.agreeing), shown(&first.offered)), (vec![0, 2], vec![0]));
        assert!(Arc::ptr_eq(&first, &offers.agreement(&arm)));
    }
}
