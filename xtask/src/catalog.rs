//! The generator of `crates/catalog/data`: reads pinned third-party packages, writes sorted, compressed tables.
//!
//! Its output is committed, so no build and no test needs the network. Which package gives what, under which
//! licence, is in [`inputs`]; what is estimated and how is in [`prices`].

#[cfg(feature = "catalog")]
mod inputs;
#[cfg(feature = "catalog")]
mod instances;
#[cfg(feature = "catalog")]
mod output;

#[cfg(feature = "catalog")]
pub use generate::regenerate;

#[cfg(feature = "catalog")]
mod generate {
    use std::path::Path;

    use anyhow::Result;

    use super::{inputs, instances, output};

    /// Downloads the inputs and writes every table under `crates/catalog/data` of the repository at `root`.
    pub fn regenerate(root: &Path) -> Result<()> {
        let inputs = inputs::fetch(&root.join("target/catalog-inputs"))?;
        let data = root.join("crates/catalog/data");
        output::write(&data.join("instances.tsv.gz"), &instances::table(&inputs.instance_types)?)?;
        Ok(())
    }
}
