//! NODE105: EC2 refuses to launch the nodes that a pool asks for.

use cluster::node_claim::LaunchFailure;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::launches::Launches;
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "NODE105", name: "launch-fails" }, docs: DOCS, examine };

const DOCS: &str = "\
A NodePool asks for nodes, and EC2 refuses to launch them.

## What it is
Karpenter plans a node, makes a NodeClaim and calls CreateFleet. EC2 may refuse: no capacity, an account's quota, a
subnet without a single free address, a missing permission or service-linked role, a parameter that it does not take.
Without capacity the claim is deleted and other offerings are tried; after other errors the same launch is tried again.

## Why it deadlocks
The pods wait for a node that is asked for over and over and never comes. If the provisioner, cluster DNS or the CNI
are among them, nobody is left to try another way.

## Evidence
EC2's error for the last launch of the pool, and the pods that the launches were for.

## Example
A pool of spot capacity in an account that never used spot: EC2 wants to create the role AWSServiceRoleForEC2Spot, and
Karpenter's policy does not allow it.

## Remedy
By EC2's words: `aws iam create-service-linked-role --aws-service-name spot.amazonaws.com`; a higher quota; more
instance types, zones or capacity types; the permission; the parameter of the EC2NodeClass.

## Exceptions
A refusal after which another offering was launched is no finding. A node class without subnets or security groups is
NODE104.

## References
- karpenter: pkg/controllers/nodeclaim/lifecycle/launch.go
- karpenter-provider-aws: website/content/en/docs/troubleshooting.md, Missing Service Linked Role and Node not created
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((pool, why), pods) in Launches::of(scene).refused(scene) {
        if matches!(why, LaunchFailure::NodeClassNotReady(_)) {
            continue;
        }
        let pool = &scene.cluster.declared.node_pools[pool];
        let title = format!(
            "{} for a node of NodePool {}, and EC2 refuses to launch it: {}",
            stuck::pods_verb(pods.len(), "waits", "wait"),
            pool.name,
            words::launch_failure(scene, &why)
        );
        let mut finding = Finding::new(RULE.code, Severity::Error, title)
            .at(pool.location.at("/spec/template/spec/requirements"), "what this pool asks EC2 for")
            .note(format!("waiting: {}", words::pods(scene, &pods)))
            .help(help(&why));
        if let Some(class) = scene.cluster.declared.node_class(&pool.node_class) {
            finding = finding.also(class.location.clone(), "the node class");
        }
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}

fn help(why: &LaunchFailure) -> String {
    match why {
        LaunchFailure::Unauthorized(code) if code.contains("ServiceLinkedRole") => {
            "create the role once in the account: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
        }
        LaunchFailure::Unauthorized(_) => "allow ec2:RunInstances and ec2:CreateFleet in the controller's IAM policy",
        LaunchFailure::InsufficientCapacity => "allow more instance types, zones or capacity types in the pool",
        LaunchFailure::SubnetFull(_) => "select a further subnet in the EC2NodeClass, or free addresses in this one",
        LaunchFailure::QuotaExceeded { .. } => "ask AWS for a higher quota, or lower what the account runs",
        LaunchFailure::NodeClassNotReady(_) | LaunchFailure::ServiceError(_) => {
            "look at what the EC2NodeClass asks EC2 for: block devices, AMIs, instance profile"
        }
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use crate::testing::{CLASS, KARPENTER, app, boot, eks, pool};

    fn spot(roles: &str) -> crate::testing::Ended {
        let aws = format!("{KARPENTER}\n  aws: {{serviceLinkedRoles: {roles}}}");
        boot(&[
            &eks("", &aws),
            CLASS,
            &pool("m6i.large", "", "").replace("[on-demand]", "[spot]"),
            &app(4, "cpu: 1100m", ""),
        ])
    }

    #[test]
    fn fires() {
        let ended = spot("[]");
        insta::assert_snapshot!(ended.told("NODE105"), @r#"
        Error: 2 pods wait for a node of NodePool default, and EC2 refuses to launch it: AuthFailure.ServiceLinkedRoleCreationNotPermitted
         at NodePool default spec.template.spec.requirements: what this pool asks EC2 for
         at EC2NodeClass default : the node class
         note: waiting: default/app-6d88768796-2, default/app-6d88768796-3
         help: create the role once in the account: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(spot("[spot.amazonaws.com]").told("NODE105"), "");
    }
}
