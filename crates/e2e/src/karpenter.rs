//! Karpenter's objects: its CRDs put onto a cluster, a pool and its node class as JSON. Whoever acts on them is not
//! known here.
//!
//! sigs.k8s.io/karpenter v1.14.1: `kwok/charts/crds` (those of `pkg/apis/crds` lack the label rules of the KWOK
//! provider) and `kwok/apis/crds`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::Client;
use serde_json::{Value, json};

use crate::api::{self, Kind};
use crate::wait::{Seen, until};

/// NodePools.
pub const NODE_POOL: Kind<'_> = Kind { api_version: "karpenter.sh/v1", kind: "NodePool", namespace: None };
/// NodeClaims.
pub const NODE_CLAIM: Kind<'_> = Kind { api_version: "karpenter.sh/v1", kind: "NodeClaim", namespace: None };
/// The KWOK provider's node classes.
pub const NODE_CLASS: Kind<'_> =
    Kind { api_version: "karpenter.kwok.sh/v1alpha1", kind: "KWOKNodeClass", namespace: None };
const CRD: Kind<'_> =
    Kind { api_version: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", namespace: None };

/// The label of a node that says which pool it is of.
pub const POOL_LABEL: &str = "karpenter.sh/nodepool";
/// The finalizer that holds a claim and its node until its instance is gone.
pub const FINALIZER: &str = "karpenter.sh/termination";

/// Creates the CRDs of a Karpenter module, and waits until the API server serves them.
pub async fn install(client: &Client, module: &Path) -> Result<()> {
    let crds = definitions(module)?;
    for crd in &crds {
        api::create(client, crd).await?;
    }
    let established = async || {
        let there = api::list(client, CRD, "").await?;
        let waiting: Vec<&str> =
            there.iter().filter(|crd| !api::holds(crd, "Established")).map(api::name).collect();
        Ok(Seen::when(waiting.is_empty() && there.len() >= crds.len(), || format!("not yet {waiting:?}")))
    };
    until("the CRDs to be established", Duration::from_secs(30), established).await
}

/// Every definition in the module, in the order of file names.
fn definitions(module: &Path) -> Result<Vec<Value>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["kwok/charts/crds", "kwok/apis/crds"] {
        let folder = module.join(folder);
        let entries = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
        files.extend(
            entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|e| e == "yaml")),
        );
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).with_context(|| format!("read {}", file.display()))?;
        found.extend(documents.into_iter().filter(|document| document["kind"] == CRD.kind));
    }
    ensure!(!found.is_empty(), "no CRDs in {}", module.display());
    Ok(found)
}

/// A node class of the KWOK provider: there is nothing to say in it.
pub fn node_class(name: &str) -> Value {
    json!({ "apiVersion": NODE_CLASS.api_version, "kind": NODE_CLASS.kind, "metadata": { "name": name } })
}

/// A pool of on-demand Linux nodes with this upper bound of a KWOK label, such as `instance-cpu` below 9; when it
/// consolidates (`0s`, `Never`).
pub fn node_pool(
    name: &str,
    node_class: &str,
    (label, below): (&str, u32),
    consolidate_after: &str,
) -> Value {
    let requirements = json!([
        { "key": "kubernetes.io/os", "operator": "In", "values": ["linux"] },
        { "key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"] },
        { "key": format!("karpenter.kwok.sh/{label}"), "operator": "Lt", "values": [below.to_string()] },
    ]);
    let class = json!({ "group": "karpenter.kwok.sh", "kind": NODE_CLASS.kind, "name": node_class });
    json!({
        "apiVersion": NODE_POOL.api_version,
        "kind": NODE_POOL.kind,
        "metadata": { "name": name },
        "spec": {
            "template": {
                "spec": { "nodeClassRef": class, "expireAfter": "Never", "requirements": requirements },
            },
            "disruption": {
                "consolidationPolicy": "WhenEmptyOrUnderutilized",
                "consolidateAfter": consolidate_after,
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_read_from_both_folders() {
        let module = std::env::temp_dir().join(format!("e2e-crds-{}", std::process::id()));
        let crd = |name: &str| format!("---\nkind: CustomResourceDefinition\nmetadata:\n  name: {name}\n");
        for (folder, name) in [("kwok/charts/crds", "nodepools"), ("kwok/apis/crds", "classes")] {
            fs::create_dir_all(module.join(folder)).unwrap();
            fs::write(module.join(folder).join("a.yaml"), crd(name)).unwrap();
            fs::write(module.join(folder).join("README.md"), "kind: [").unwrap();
        }
        let found = definitions(&module).unwrap();
        let names: Vec<&str> = found.iter().filter_map(|crd| crd["metadata"]["name"].as_str()).collect();
        assert_eq!(names, ["classes", "nodepools"]);
        fs::remove_dir_all(&module).unwrap();
        assert!(definitions(&module).is_err());
    }

    #[test]
    fn a_pool_says_its_bound_in_the_providers_labels() {
        let pool = node_pool("default", "class", ("instance-cpu", 9), "0s");
        let bound = &pool["spec"]["template"]["spec"]["requirements"][2];
        assert_eq!(
            bound,
            &json!({ "key": "karpenter.kwok.sh/instance-cpu", "operator": "Lt", "values": ["9"] })
        );
        assert_eq!(pool["spec"]["template"]["spec"]["nodeClassRef"]["name"], "class");
    }
}
