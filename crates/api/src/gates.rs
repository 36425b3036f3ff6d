//! Objects that do nothing because a feature gate of Karpenter's is off.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/controllers.go` and `pkg/operator/options`: what a gate
//! switches on is not even looked at without it, and nothing says so.

use cluster::role::Program;
use cluster::{Declared, FieldPath, Kind};

use crate::code;
use crate::object::Object;
use crate::problem::{Problems, Reporter};

/// Says which objects wait for a gate. Where the input has no Karpenter, one with the default gates is taken to run.
pub(crate) fn check(objects: &[Object], declared: &Declared, problems: &mut Problems) {
    let mut karpenters =
        declared.workloads.iter().filter(|workload| workload.template.role.program == Program::Karpenter);
    let is_written = karpenters.any(|workload| objects.iter().any(|object| object.key == workload.key));
    for object in objects {
        let Some((path, gate, setting)) = needs(object, declared) else { continue };
        let path = FieldPath::of(path);
        let why = if is_written { "is off" } else { "is off by default, and the input has no Karpenter" };
        let message = format!("{} does nothing: Karpenter's feature gate {gate} {why}", object.key);
        let help = format!(
            "set `FEATURE_GATES: {gate}=true` in Karpenter's environment (its chart: `settings.featureGates.{setting}`)"
        );
        let mut reporter = Reporter::new(problems, object);
        match is_written {
            true => reporter.warning(&path, code::FEATURE_GATE_OFF, message, help),
            false => reporter.note(&path, code::FEATURE_GATE_OFF, message, help),
        }
    }
}

/// The field that does nothing, the gate that is off, and what the chart calls it.
fn needs(object: &Object, declared: &Declared) -> Option<(&'static str, &'static str, &'static str)> {
    let settings = &declared.karpenter;
    match &object.key.kind {
        Kind::NodePool if object.field("/spec/replicas").is_some_and(serde_json::Value::is_number) => {
            let takes_part = declared.node_pools.iter().any(|pool| pool.name == object.key.name);
            (takes_part && !settings.static_capacity).then_some((
                "/spec/replicas",
                "StaticCapacity",
                "staticCapacity",
            ))
        }
        Kind::Other(kind) if kind == "NodeOverlay" && object.group == "karpenter.sh" => {
            (!settings.node_overlay).then_some(("/kind", "NodeOverlay", "nodeOverlay"))
        }
        Kind::Other(_) if crate::capacity_buffer::is_buffer(object) => {
            (!settings.capacity_buffer).then_some(("/kind", "CapacityBuffer", "capacityBuffer"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{lowered, shown};

    const KARPENTER: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: karpenter, namespace: kube-system}\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n      - name: controller\n        image: public.ecr.aws/karpenter/controller:1.14.1\n        env: [{name: FEATURE_GATES, value: \"WANTED\"}]\n";
    const POOL: &str = "---\napiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: app}\nspec:\n  replicas: 2\n  template:\n    spec:\n      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}\n      requirements: []\n";

    fn told(input: &str) -> String {
        let problems = shown(&lowered(input).problems);
        problems.lines().filter(|line| line.contains("CONF127")).collect()
    }

    #[test]
    fn a_static_pool_without_its_gate_is_told() {
        let with = |gates: &str| format!("{}{POOL}", KARPENTER.replace("WANTED", gates));
        let problems = lowered(&with("NodeRepair=true")).problems;
        assert!(
            shown(&problems).contains("CONF127 [spec.replicas] NodePool app does nothing: Karpenter's feature gate StaticCapacity is off"),
            "{}",
            shown(&problems)
        );
        assert_eq!(told(&with("StaticCapacity=true")), "");
        assert_eq!(told(&with("").replace("  replicas: 2\n", "")), "");
        let assumed = shown(&lowered(POOL).problems);
        assert!(
            assumed.contains("Note CONF127") && assumed.contains("the input has no Karpenter"),
            "{assumed}"
        );
    }

    #[test]
    fn a_buffer_without_its_gate_is_told() {
        const BUFFER: &str = "---\napiVersion: autoscaling.x-k8s.io/v1beta1\nkind: CapacityBuffer\nmetadata: {name: a}\nspec: {replicas: 1}\n";
        let with = |gates: &str| format!("{}{BUFFER}", KARPENTER.replace("WANTED", gates));
        assert!(told(&with("")).contains("CapacityBuffer default/a does nothing"), "{}", told(&with("")));
        assert_eq!(told(&with("CapacityBuffer=true")), "");
    }
}
