//! How Karpenter was installed and uninstalled: image tags that were never released, releases that do not read the
//! objects of the input, objects that wait for a controller that is gone.
//!
//! Follows `aws/karpenter-provider-aws` `website/content/en/docs/{troubleshooting,upgrading/upgrade-guide}.md` (v1.14).

use cluster::role::Program;
use cluster::{Declared, FieldPath, Workload};
use serde_json::Value;

use crate::code;
use crate::object::Object;
use crate::problem::{Problems, Reporter};
use crate::role::split_image;

/// Checks Karpenter's image, and objects that are being deleted.
pub(crate) fn check(objects: &[Object], declared: &Declared, problems: &mut Problems) {
    let karpenter =
        declared.workloads.iter().find(|workload| workload.template.role.program == Program::Karpenter);
    if let Some(workload) = karpenter
        && let Some(object) = objects.iter().find(|object| object.key == workload.key)
    {
        check_tag(workload, declared, &mut Reporter::new(problems, object));
    }
    if karpenter.is_none() {
        for object in objects.iter().filter(|object| object.live) {
            check_finalizers(object, &mut Reporter::new(problems, object));
        }
    }
}

/// Tags had a `v` in front from 0.17 to 0.34, and have none since; v1 objects are read since 1.0.
fn check_tag(workload: &Workload, declared: &Declared, reporter: &mut Reporter<'_>) {
    let Some(container) =
        workload.template.containers.iter().find(|container| container.image.contains("karpenter"))
    else {
        return;
    };
    let (repository, tag, _) = split_image(&container.image);
    let Some((major, minor)) = release(tag) else { return };
    let path = container.location.path.child("image");
    let has_prefix = tag.starts_with('v');
    let wants_prefix = major == 0 && (17..=34).contains(&minor);
    if repository.starts_with("public.ecr.aws/karpenter/") && has_prefix != wants_prefix {
        let right = if wants_prefix { format!("v{tag}") } else { tag.trim_start_matches('v').to_owned() };
        let message = format!(
            "{path}: there is no tag {tag}: releases from 0.17 to 0.34 begin with \"v\", others do not"
        );
        reporter.warning(&path, code::NO_SUCH_RELEASE, message, format!("write {repository}:{right}"));
    }
    if major == 0 && !declared.node_pools.is_empty() {
        let message =
            format!("{path}: Karpenter {tag} does not read karpenter.sh/v1; the behaviour of v1 is taken");
        reporter.warning(&path, code::NOT_MODELLED, message, "use Karpenter 1.0 or later");
    }
}

/// Major and minor of `v1.8.6`.
fn release(tag: &str) -> Option<(u32, u32)> {
    let mut numbers = tag.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// After an uninstall, nobody removes Karpenter's finalizers: nodes and claims stay in deletion for ever.
fn check_finalizers(object: &Object, reporter: &mut Reporter<'_>) {
    if object.field("/metadata/deletionTimestamp").is_none_or(Value::is_null) {
        return;
    }
    let finalizers = object.field("/metadata/finalizers").and_then(Value::as_array);
    let own = |text: &&str| matches!(*text, "karpenter.sh/termination" | "karpenter.k8s.aws/termination");
    if let Some(finalizer) = finalizers.into_iter().flatten().filter_map(Value::as_str).find(own) {
        let path = FieldPath::of("/metadata/finalizers");
        let message = format!(
            "{} is being deleted and waits for {finalizer}, which only Karpenter removes; Karpenter is not in the input",
            object.key
        );
        reporter.warning(
            &path,
            code::FINALIZER_WITHOUT_CONTROLLER,
            message,
            "install Karpenter again, or remove the finalizer once its instance is gone",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::lowered;

    fn codes(text: &str) -> Vec<(&'static str, Option<String>)> {
        lowered(text).problems.into_iter().map(|problem| (problem.code, problem.help)).collect()
    }

    #[test]
    fn tags_that_were_never_released_are_named() {
        let pod = |tag: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, image: \"public.ecr.aws/karpenter/controller:{tag}\"}}]}}\n"
            )
        };
        let written = |right: &str| {
            vec![("CONF120", Some(format!("write public.ecr.aws/karpenter/controller:{right}")))]
        };
        assert_eq!(codes(&pod("v1.8.6")), written("1.8.6"));
        assert_eq!(codes(&pod("0.30.0")), written("v0.30.0"));
        assert_eq!(codes(&pod("1.8.6")), []);
        assert_eq!(codes(&pod("v0.34.1")), []);
    }

    #[test]
    fn finalizers_without_karpenter_are_named() {
        let node = "apiVersion: v1\nkind: Node\nmetadata: {name: a, uid: u, deletionTimestamp: 2026-01-01T00:00:00Z, finalizers: [karpenter.sh/termination]}\nstatus: {capacity: {cpu: 1}}\n";
        assert_eq!(codes(node)[0].0, "CONF121");
    }
}
