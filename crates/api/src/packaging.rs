//! How Karpenter was installed and uninstalled: image tags that were never released, releases that do not read the
//! objects of the input, definitions that Helm will not adopt, objects that wait for a controller that is gone.
//!
//! Follows `aws/karpenter-provider-aws` `website/content/en/docs/{troubleshooting,upgrading/upgrade-guide}.md` (v1.14).

use cluster::profile::{ImageRule, Pull};
use cluster::role::Program;
use cluster::{Declared, FieldPath, Workload};
use serde_json::Value;

use crate::code;
use crate::object::Object;
use crate::problem::{Problems, Reporter};
use crate::role::split_image;

/// Checks Karpenter's image, its definitions, and objects that are being deleted. An image that was never released
/// cannot be pulled, unless the profile says otherwise.
pub(crate) fn check(objects: &[Object], declared: &mut Declared, problems: &mut Problems) {
    let karpenter =
        declared.workloads.iter().find(|workload| workload.template.role.program == Program::Karpenter);
    let is_there = karpenter.is_some();
    let mut never_released = None;
    if let Some(workload) = karpenter
        && let Some(object) = objects.iter().find(|object| object.key == workload.key)
    {
        never_released = check_tag(workload, declared, &mut Reporter::new(problems, object));
    }
    for object in objects.iter().filter(|object| object.live) {
        check_ownership(object, &mut Reporter::new(problems, object));
        if !is_there {
            check_finalizers(object, &mut Reporter::new(problems, object));
        }
    }
    // First match wins: before the rule for all the rest, after what the profile says of it.
    let images = &mut declared.profile.images;
    let rest = images.iter().position(|rule| rule.pattern == "*").unwrap_or(images.len());
    images.splice(rest..rest, never_released);
}

/// Tags had a `v` in front from 0.17 to 0.34, and have none since; v1 objects are read since 1.0.
fn check_tag(workload: &Workload, declared: &Declared, reporter: &mut Reporter<'_>) -> Option<ImageRule> {
    let container =
        workload.template.containers.iter().find(|container| container.image.contains("karpenter"))?;
    let (repository, tag, _) = split_image(&container.image);
    let (major, minor) = release(tag)?;
    let path = container.location.path.child("image");
    if major == 0 && !declared.node_pools.is_empty() {
        let message =
            format!("{path}: Karpenter {tag} does not read karpenter.sh/v1; the behaviour of v1 is taken");
        reporter.warning(&path, code::NOT_MODELLED, message, "use Karpenter 1.0 or later");
    }
    let wants_prefix = major == 0 && (17..=34).contains(&minor);
    if !repository.starts_with("public.ecr.aws/karpenter/") || tag.starts_with('v') == wants_prefix {
        return None;
    }
    let right = if wants_prefix { format!("v{tag}") } else { tag.trim_start_matches('v').to_owned() };
    let message =
        format!("{path}: there is no tag {tag}: releases from 0.17 to 0.34 begin with \"v\", others do not");
    reporter.warning(&path, code::NO_SUCH_RELEASE, message, format!("write {repository}:{right}"));
    let architectures = vec!["amd64".into(), "arm64".into()];
    Some(ImageRule {
        pattern: container.image.clone(),
        os: "linux".into(),
        architectures,
        pull: Pull::NotFound,
    })
}

/// Major and minor of `v1.8.6`.
fn release(tag: &str) -> Option<(u32, u32)> {
    let mut numbers = tag.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// What Helm wants to find on an object before it adopts it (`helm/helm` v3 `pkg/action/validate.go`
/// `checkOwnership`). Definitions without any of it were made by kubectl or by a chart's `crds` folder, and that is fine
/// until the chart `karpenter-crd` comes; with a part of it, whoever began to hand them over did not finish.
fn check_ownership(object: &Object, reporter: &mut Reporter<'_>) {
    const CRDS: [&str; 2] = [".karpenter.sh", ".karpenter.k8s.aws"];
    let is_crd = object.key.kind.as_str() == "CustomResourceDefinition";
    if !is_crd || !CRDS.iter().any(|group| object.key.name.ends_with(group)) {
        return;
    }
    let is_labelled =
        object.labels.get("app.kubernetes.io/managed-by").is_some_and(|manager| manager == "Helm");
    let annotations = ["meta.helm.sh/release-name", "meta.helm.sh/release-namespace"];
    let missing: Vec<&str> =
        annotations.into_iter().filter(|name| !object.annotations.contains_key(*name)).collect();
    let wanted = match (is_labelled, missing.as_slice()) {
        (false, [_, _]) | (true, []) => return,
        (false, _) => "the label app.kubernetes.io/managed-by=Helm".to_owned(),
        (true, [one]) => format!("the annotation {one}"),
        (true, several) => format!("the annotations {}", several.join(" and ")),
    };
    let message = format!("{}: Helm refuses to adopt it: it lacks {wanted}", object.key);
    reporter.warning(
        &FieldPath::of("/metadata"),
        code::NOT_ADOPTED,
        message,
        "kubectl label and annotate it as Helm's release of karpenter-crd: all three, or none",
    );
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
    fn definitions_that_helm_will_not_adopt_are_named() {
        let crd = |labels: &str, annotations: &str| {
            format!(
                "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: nodepools.karpenter.sh, uid: u, labels: {{{labels}}}, annotations: {{{annotations}}}}}\nspec: {{group: karpenter.sh, names: {{kind: NodePool, plural: nodepools}}, scope: Cluster, versions: [{{name: v1, served: true, storage: true}}]}}\n"
            )
        };
        let helm = "app.kubernetes.io/managed-by: Helm";
        let both = "meta.helm.sh/release-name: karpenter-crd, meta.helm.sh/release-namespace: kube-system";
        assert_eq!(codes(&crd(helm, both)), []);
        assert_eq!(codes(&crd("", "")), [], "made by kubectl");
        assert_eq!(codes(&crd(helm, ""))[0].0, "CONF126");
        assert_eq!(codes(&crd("", both))[0].0, "CONF126");
        assert_eq!(codes(&crd(helm, "meta.helm.sh/release-name: karpenter-crd"))[0].0, "CONF126");
    }

    #[test]
    fn finalizers_without_karpenter_are_named() {
        let node = "apiVersion: v1\nkind: Node\nmetadata: {name: a, uid: u, deletionTimestamp: 2026-01-01T00:00:00Z, finalizers: [karpenter.sh/termination]}\nstatus: {capacity: {cpu: 1}}\n";
        assert_eq!(codes(node)[0].0, "CONF121");
    }
}
