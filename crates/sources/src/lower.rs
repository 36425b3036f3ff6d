//! From what was handed in to what it means.

use catalog::Catalog;

use crate::inputs::Inputs;

impl Inputs {
    /// What the input means; problems of reading come before problems of meaning.
    pub fn lower(&self, catalog: &Catalog) -> api::Lowered {
        let mut lowered = api::lower(&self.raw_objects(), catalog);
        lowered.problems.splice(0..0, self.problems.iter().cloned());
        lowered
    }
}
