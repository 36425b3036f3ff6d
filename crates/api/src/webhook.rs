//! Validating and mutating webhook configurations.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/admissionregistration/{v1/defaults.go,validation}`.

use cluster::admission::{Webhook, WebhookRule};
use cluster::arrival::Arrival;
use cluster::{FieldPath, LabelSelector, Name};
use k8s_openapi::api::admissionregistration::v1 as wire;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector as WireSelector;

use crate::arrival::arrival;
use crate::code;
use crate::context::Context;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::problem::Reporter;
use crate::selector::{label_selector, names};

/// The parts that both kinds of webhook have.
struct Common<'w> {
    name: &'w str,
    failure_policy: Option<&'w str>,
    client: &'w wire::WebhookClientConfig,
    rules: Option<&'w [wire::RuleWithOperations]>,
    namespace_selector: Option<&'w WireSelector>,
    object_selector: Option<&'w WireSelector>,
    has_match_conditions: bool,
}

/// The webhooks of a ValidatingWebhookConfiguration.
pub(crate) fn validating(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Vec<Webhook> {
    let Some(configuration) =
        decode::<wire::ValidatingWebhookConfiguration>(object, Strictness::Prune, reporter)
    else {
        return Vec::new();
    };
    let hooks = configuration.webhooks.iter().flatten().map(|hook| Common {
        name: &hook.name,
        failure_policy: hook.failure_policy.as_deref(),
        client: &hook.client_config,
        rules: hook.rules.as_deref(),
        namespace_selector: hook.namespace_selector.as_ref(),
        object_selector: hook.object_selector.as_ref(),
        has_match_conditions: hook.match_conditions.as_ref().is_some_and(|conditions| !conditions.is_empty()),
    });
    lower(hooks, object, context, reporter)
}

/// The webhooks of a MutatingWebhookConfiguration.
pub(crate) fn mutating(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Vec<Webhook> {
    let Some(configuration) =
        decode::<wire::MutatingWebhookConfiguration>(object, Strictness::Prune, reporter)
    else {
        return Vec::new();
    };
    let hooks = configuration.webhooks.iter().flatten().map(|hook| Common {
        name: &hook.name,
        failure_policy: hook.failure_policy.as_deref(),
        client: &hook.client_config,
        rules: hook.rules.as_deref(),
        namespace_selector: hook.namespace_selector.as_ref(),
        object_selector: hook.object_selector.as_ref(),
        has_match_conditions: hook.match_conditions.as_ref().is_some_and(|conditions| !conditions.is_empty()),
    });
    lower(hooks, object, context, reporter)
}

fn lower<'w>(
    hooks: impl Iterator<Item = Common<'w>>,
    object: &Object,
    context: &Context,
    reporter: &mut Reporter<'_>,
) -> Vec<Webhook> {
    let Some(mut arrival) = arrival(object, reporter) else { return Vec::new() };
    arrival.existing |= context.existing(object).is_some();
    let path = FieldPath::of("/webhooks");
    let lowered =
        hooks.enumerate().map(|(index, hook)| webhook(&hook, &path.child(index), object, &arrival, reporter));
    let lowered: Vec<Webhook> = lowered.collect();
    if reporter.refused { Vec::new() } else { lowered }
}

fn webhook(
    hook: &Common<'_>,
    path: &FieldPath,
    object: &Object,
    arrival: &Arrival,
    reporter: &mut Reporter<'_>,
) -> Webhook {
    let fails_closed = match hook.failure_policy {
        None | Some("" | "Fail") => true,
        Some("Ignore") => false,
        Some(other) => {
            let at = path.child("failurePolicy");
            let message = format!("{at}: {other:?} is not one of Fail, Ignore");
            reporter.error(
                &at,
                code::BAD_VALUE,
                message,
                crate::suggest::did_you_mean(other, ["Fail", "Ignore"]),
            );
            true
        }
    };
    if hook.client.service.is_none() && hook.client.url.is_none() {
        let at = path.child("clientConfig");
        reporter.error(
            &at,
            code::MISSING_FIELD,
            format!("{at}: exactly one of url or service is required"),
            "",
        );
    }
    let mut selector = |wire: Option<&WireSelector>, field: &str| {
        wire.map_or_else(LabelSelector::default, |wire| label_selector(wire, &path.child(field), reporter))
    };
    Webhook {
        name: hook.name.into(),
        arrival: arrival.clone(),
        fails_closed,
        service: hook
            .client
            .service
            .as_ref()
            .map(|service| (service.namespace.as_str().into(), service.name.as_str().into())),
        namespace_selector: selector(hook.namespace_selector, "namespaceSelector"),
        object_selector: selector(hook.object_selector, "objectSelector"),
        rules: hook.rules.unwrap_or_default().iter().map(rule).collect(),
        has_match_conditions: hook.has_match_conditions,
        location: object.place.at(&path.0),
    }
}

fn rule(rule: &wire::RuleWithOperations) -> WebhookRule {
    let list = |values: &Option<Vec<String>>| -> Vec<Name> { names(values.as_deref()) };
    WebhookRule {
        operations: list(&rule.operations),
        groups: list(&rule.api_groups),
        resources: list(&rule.resources),
    }
}
