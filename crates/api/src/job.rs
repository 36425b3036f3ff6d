//! Jobs and CronJobs.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/batch/{v1/defaults.go,validation}`.

use std::str::FromStr;

use cluster::workload::Shape;
use cluster::{FieldPath, Labels, Name, PodTemplate};
use k8s_openapi::api::batch::v1 as batch;

use crate::code;
use crate::context::Context;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::problem::Reporter;
use crate::workload::{Parts, count, template_at};

/// What `restartPolicy` may be in Jobs.
const FINITE: &[&str] = &["OnFailure", "Never"];

/// A Job; one that is over makes no pods.
pub(crate) fn job(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Option<Parts> {
    let wire: batch::Job = decode(object, Strictness::Prune, reporter)?;
    let over = wire.status.iter().flat_map(|status| status.conditions.iter().flatten());
    if object.live
        && over.into_iter().any(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True")
    {
        return None;
    }
    let spec = wire.spec.unwrap_or_default();
    let (shape, template) =
        job_spec(&spec, &FieldPath::of("/spec"), &object.key.name, object, context, reporter)?;
    let selector = match (&spec.selector, spec.manual_selector) {
        (Some(selector), Some(true)) => {
            crate::selector::label_selector(selector, &FieldPath::of("/spec/selector"), reporter)
        }
        _ => by_name(&object.key.name),
    };
    Some((shape, template, selector))
}

/// A CronJob.
pub(crate) fn cron_job(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Option<Parts> {
    let wire: batch::CronJob = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec;
    let path = FieldPath::of("/spec/schedule");
    if let Err(why) = check_schedule(&spec.schedule) {
        reporter.error(
            &path,
            code::BAD_VALUE,
            format!("{path}: {:?}: {why}", spec.schedule),
            "such as \"0 */6 * * *\": minute hour day month weekday",
        );
    }
    if let Some(zone) = spec.time_zone.as_deref().filter(|zone| !matches!(*zone, "" | "UTC" | "Etc/UTC")) {
        let path = FieldPath::of("/spec/timeZone");
        reporter.warning(&path, code::NOT_MODELLED, format!("{path}: {zone} is read as UTC"), "");
    }
    let job = spec.job_template.spec.unwrap_or_default();
    let at = FieldPath::of("/spec/jobTemplate/spec");
    let (shape, template) = job_spec(&job, &at, &object.key.name, object, context, reporter)?;
    let schedule = spec.schedule.as_str().into();
    let shape = Shape::CronJob { schedule, suspended: spec.suspend.unwrap_or(false), job: Box::new(shape) };
    Some((shape, template, by_name(&object.key.name)))
}

/// The labels that the Job controller puts on pods. A CronJob's Jobs have names of their own; its pods are told
/// apart by the CronJob's.
fn job_labels(name: &Name) -> Labels {
    [("batch.kubernetes.io/job-name", name), ("job-name", name)]
        .into_iter()
        .map(|(key, name)| (key.into(), name.clone()))
        .collect()
}

fn by_name(name: &Name) -> cluster::LabelSelector {
    let requirement = cluster::SelectorRequirement {
        key: "batch.kubernetes.io/job-name".into(),
        operator: cluster::SelectorOperator::In,
        values: vec![name.clone()],
        min_values: None,
    };
    cluster::LabelSelector { requirements: vec![requirement] }
}

fn job_spec(
    spec: &batch::JobSpec,
    path: &FieldPath,
    name: &Name,
    object: &Object,
    context: &Context,
    reporter: &mut Reporter<'_>,
) -> Option<(Shape, PodTemplate)> {
    let mut number = |written: Option<i32>, default, field: &str| {
        count(written, default, &path.child(field), object, reporter)
    };
    let parallelism = number(spec.parallelism, 1, "parallelism");
    // Without completions, any success ends a work queue: as many as run at once.
    let completions =
        number(spec.completions, if spec.parallelism.is_some() { parallelism } else { 1 }, "completions");
    let per_index = spec.backoff_limit_per_index.is_some();
    let backoff_limit = number(spec.backoff_limit, if per_index { u32::MAX } else { 6 }, "backoffLimit");
    let at = path.child("template");
    let (mut template, _) =
        template_at(&at, &spec.template, None, job_labels(name), FINITE, object, context, reporter)?;
    if let Some(deadline) = spec.active_deadline_seconds {
        let deadline_ms = deadline.max(0).saturating_mul(1000);
        template.active_deadline_ms =
            Some(template.active_deadline_ms.map_or(deadline_ms, |own| own.min(deadline_ms)));
    }
    let shape = Shape::Job {
        completions,
        parallelism: if spec.suspend.unwrap_or(false) { 0 } else { parallelism },
        backoff_limit,
        ttl_ms: spec.ttl_seconds_after_finished.map(|ttl| i64::from(ttl.max(0)) * 1000),
        duration_ms: context.duration_ms(&object.key),
    };
    Some((shape, template))
}

/// What `robfig/cron` v3 `ParseStandard` takes: five fields or a descriptor, without a time zone.
pub(crate) fn check_schedule(schedule: &str) -> Result<(), String> {
    if schedule.is_empty() {
        return Err("required value".to_owned());
    }
    if schedule.contains("TZ=") {
        return Err("cannot use TZ or CRON_TZ in schedule, use the timeZone field instead".to_owned());
    }
    if let Some(every) = schedule.strip_prefix("@every ") {
        return crate::duration::parse_ms(every).map(|_| ()).map_err(|why| why.to_string());
    }
    if matches!(
        schedule,
        "@yearly" | "@annually" | "@monthly" | "@weekly" | "@daily" | "@midnight" | "@hourly"
    ) {
        return Ok(());
    }
    let fields = schedule.split_whitespace().count();
    if fields != 5 {
        return Err(format!("expected exactly 5 fields, found {fields}"));
    }
    croner::Cron::from_str(schedule).map(|_| ()).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_five_fields_or_a_descriptor() {
        for good in ["0 */6 * * *", "@daily", "@every 1h30m", "*/5 * * * 1-5", "0 0 1 JAN MON"] {
            assert!(check_schedule(good).is_ok(), "{good}");
        }
        for bad in ["", "* * * *", "0 0 0 * * *", "61 * * * *", "TZ=UTC 0 0 * * *", "@never"] {
            assert!(check_schedule(bad).is_err(), "{bad}");
        }
    }
}
