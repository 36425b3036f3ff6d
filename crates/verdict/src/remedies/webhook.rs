//! Webhooks that refuse the pods behind themselves: let them fail open.

use std::collections::BTreeSet;

use cluster::change::Refusal;
use findings::Why;
use serde_json::json;

use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut seen = BTreeSet::new();
    let mut remedies = Vec::new();
    for (_, wait) in case.workload_waits() {
        let Why::Refused(Refusal::Webhook { configuration, webhook, .. }) = &wait.why else { continue };
        let declared = case.declared.webhooks.iter();
        let found = declared.clone().find(|w| w.location.object == *configuration && w.name == *webhook);
        let Some(found) = found.filter(|_| seen.insert(webhook.clone())) else { continue };
        remedies.push(Remedy {
            id: "webhook-fails-open",
            title: format!("set failurePolicy Ignore on webhook {webhook}"),
            edits: vec![set(found.location.at("/failurePolicy"), json!("Ignore"))],
            operation: None,
            cost: 1,
        });
    }
    remedies
}
