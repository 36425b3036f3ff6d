//! Kinds that the API server would not know: slips of the pen in groups whose kinds are all known, and kinds that
//! Karpenter once had.

use cluster::{FieldPath, Kind};

use crate::code;
use crate::object::Object;
use crate::problem::Reporter;
use crate::suggest::nearest;

/// Groups with all of their kinds.
const COMPLETE: &[(&str, &[&str])] = &[
    ("apps", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("batch", &["CronJob", "Job"]),
    ("policy", &["Eviction", "PodDisruptionBudget", "PodSecurityPolicy"]),
    ("karpenter.sh", &["NodeClaim", "NodeOverlay", "NodePool"]),
    ("karpenter.k8s.aws", &["EC2NodeClass"]),
    ("crd.k8s.amazonaws.com", &["ENIConfig"]),
    ("plimsoll.dev", &["Cluster", "Scenario"]),
];

/// Kinds of Karpenter before v0.33: kind, and what to write.
const FORMER: &[(&str, &str)] = &[
    ("Provisioner", "a NodePool of karpenter.sh/v1"),
    ("AWSNodeTemplate", "an EC2NodeClass of karpenter.k8s.aws/v1"),
    ("Machine", "nothing: Karpenter makes NodeClaims itself"),
];

/// Versions that are gone (`kubernetes.io` "Deprecated API Migration Guide", v1.16 to v1.32): group and version,
/// kinds, and what to write; every version here was removed before the oldest Kubernetes that EKS still runs.
const REMOVED: &[(&str, &str, &[&str], &str)] = &[
    ("extensions", "v1beta1", &["Ingress", "NetworkPolicy"], "`apiVersion: networking.k8s.io/v1`"),
    ("extensions", "v1beta1", &["PodSecurityPolicy"], POD_SECURITY),
    ("policy", "v1beta1", &["PodSecurityPolicy"], POD_SECURITY),
    ("networking.k8s.io", "v1beta1", &["Ingress", "IngressClass"], "`apiVersion: networking.k8s.io/v1`"),
    ("autoscaling", "v2beta1", &["HorizontalPodAutoscaler"], "`apiVersion: autoscaling/v2`"),
    ("autoscaling", "v2beta2", &["HorizontalPodAutoscaler"], "`apiVersion: autoscaling/v2`"),
    ("rbac.authorization.k8s.io", "v1alpha1", RBAC, "`apiVersion: rbac.authorization.k8s.io/v1`"),
    ("rbac.authorization.k8s.io", "v1beta1", RBAC, "`apiVersion: rbac.authorization.k8s.io/v1`"),
    ("apiregistration.k8s.io", "v1beta1", &["APIService"], "`apiVersion: apiregistration.k8s.io/v1`"),
    ("coordination.k8s.io", "v1beta1", &["Lease"], "`apiVersion: coordination.k8s.io/v1`"),
    ("discovery.k8s.io", "v1beta1", &["EndpointSlice"], "`apiVersion: discovery.k8s.io/v1`"),
    ("node.k8s.io", "v1beta1", &["RuntimeClass"], "`apiVersion: node.k8s.io/v1`"),
    ("storage.k8s.io", "v1beta1", &["CSIDriver"], "`apiVersion: storage.k8s.io/v1`"),
];

const RBAC: &[&str] = &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];

const POD_SECURITY: &str = "the label pod-security.kubernetes.io/enforce on the namespace instead";

/// Reports a kind that no API server knows. Returns whether it did.
pub(crate) fn check(object: &Object, reporter: &mut Reporter<'_>) -> bool {
    let Kind::Other(kind) = &object.key.kind else { return false };
    let removed = REMOVED.iter().find(|(group, version, kinds, _)| {
        *group == object.group && *version == object.version && kinds.contains(&kind.as_str())
    });
    if let Some((group, version, _, instead)) = removed {
        let message = format!("no matches for kind {:?} in version \"{group}/{version}\"", kind.as_str());
        let path = FieldPath::of("/apiVersion");
        reporter.error(&path, code::WRONG_API_VERSION, message, format!("write {instead}"));
        return true;
    }
    let Some((group, kinds)) = COMPLETE.iter().find(|(group, _)| *group == object.group) else {
        return false;
    };
    if kinds.contains(&kind.as_str()) {
        return false;
    }
    let path = FieldPath::of("/kind");
    let message =
        format!("no matches for kind {:?} in version \"{group}/{}\"", kind.as_str(), object.version);
    let former = FORMER.iter().find(|(former, _)| kind == former && group.starts_with("karpenter"));
    let help = match (former, nearest(kind, kinds.iter().copied())) {
        (Some((_, instead)), _) => format!("write {instead}"),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("{group} has {}", kinds.join(", ")),
    };
    reporter.error(&path, code::WRONG_API_VERSION, message, help);
    true
}

#[cfg(test)]
mod tests {
    use crate::testing::{lowered, shown};

    #[test]
    fn versions_that_were_removed_are_told_the_new_one() {
        let hpa = |version: &str| {
            format!(
                "apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: a}}\n"
            )
        };
        let old = lowered(&hpa("v2beta2")).problems;
        assert_eq!(old[0].code, "CONF103");
        assert_eq!(old[0].help.as_deref(), Some("write `apiVersion: autoscaling/v2`"));
        assert!(lowered(&hpa("v2")).problems.iter().all(|problem| problem.code != "CONF103"));
    }

    #[test]
    fn kinds_that_do_not_exist_are_named() {
        let text = "apiVersion: karpenter.sh/v1alpha5\nkind: Provisioner\nmetadata: {name: a}\n---\napiVersion: karpenter.sh/v1\nkind: Nodepool\nmetadata: {name: b}\n";
        let lowered = lowered(text);
        assert_eq!(
            shown(&lowered.problems),
            "Error CONF103 [kind] no matches for kind \"Provisioner\" in version \"karpenter.sh/v1alpha5\"\n\
             Error CONF103 [kind] no matches for kind \"Nodepool\" in version \"karpenter.sh/v1\"\n"
        );
        assert_eq!(lowered.problems[1].help.as_deref(), Some("did you mean `NodePool`?"));
    }
}
