//! Webhooks that refuse the pods behind themselves: leave out the namespaces that they need, or let them fail open.

use std::collections::{BTreeMap, BTreeSet};

use cluster::change::Refusal;
use cluster::{Name, ObjectKey};
use findings::Why;
use serde_json::json;

use super::{Case, append, set};
use crate::remedy::Remedy;

/// Where the cluster's own components run.
const SYSTEM: &str = "kube-system";

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut remedies = Vec::new();
    for ((configuration, name), refused) in refused(case) {
        let found =
            case.declared.webhooks.iter().find(|w| w.location.object == *configuration && w.name == *name);
        let Some(found) = found else { continue };
        let own = found.service.as_ref().map(|(namespace, _)| namespace);
        let excluded: Vec<&Name> =
            refused.into_iter().filter(|namespace| *namespace == SYSTEM || Some(*namespace) == own).collect();
        if !excluded.is_empty() {
            let names: Vec<&str> = excluded.iter().map(|namespace| namespace.as_str()).collect();
            let expression =
                json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": names});
            remedies.push(Remedy {
                id: "webhook-namespaces",
                title: format!("do not ask webhook {name} about namespace {}", names.join(" and ")),
                edits: vec![append(found.location.at("/namespaceSelector/matchExpressions"), expression)],
                operation: None,
                cost: 0,
            });
        }
        remedies.push(Remedy {
            id: "webhook-fails-open",
            title: format!("set failurePolicy Ignore on webhook {name}"),
            edits: vec![set(found.location.at("/failurePolicy"), json!("Ignore"))],
            operation: None,
            cost: 1,
        });
    }
    remedies
}

/// Webhooks that refuse pods, with the namespaces of those pods.
fn refused<'c>(case: &'c Case<'_>) -> BTreeMap<(&'c ObjectKey, &'c Name), BTreeSet<&'c Name>> {
    let mut refused: BTreeMap<_, BTreeSet<&Name>> = BTreeMap::new();
    for (workload, wait) in case.workload_waits() {
        if let Why::Refused(Refusal::Webhook { configuration, webhook, .. }) = &wait.why {
            refused.entry((configuration, webhook)).or_default().insert(&workload.key.namespace);
        }
    }
    refused
}
