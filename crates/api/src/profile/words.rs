//! What the AWS API, Terraform's EKS module, eksctl and Karpenter call the things that the profile has a field for.
//!
//! From `DescribeNodegroup`, `DescribeFargateProfile` and `DescribeSubnets` of the AWS API, `aws_eks_node_group` and
//! `terraform-aws-modules/terraform-aws-eks` v21, and eksctl's `ClusterConfig` v1alpha5. The same words at another
//! depth need no entry, see [`crate::belongs`].

use crate::belongs::{Means, Word};

const GROUPS: &str = "/spec/nodeGroups";
const SUBNETS: &str = "/spec/network/subnets";

const fn field(written: &'static str, field: &'static str) -> Word {
    Word { written, under: "", means: Means::Field(field) }
}

const fn under(under: &'static str, written: &'static str, field: &'static str) -> Word {
    Word { written, under, means: Means::Field(field) }
}

const fn other(written: &'static str, field: &'static str, what: &'static str) -> Word {
    Word { written, under: "", means: Means::Other(field, what) }
}

const fn nothing(under: &'static str, written: &'static str, why: &'static str) -> Word {
    Word { written, under, means: Means::Nothing(why) }
}

const ONE_TYPE: &str = "one instance type, so a group of several types is written as one group a type";
const BY_NAMESPACE: &str =
    "a list of namespaces; what the pods' labels must be stands beside it under `labels`";
const ON_DEMAND: &str =
    "nodes of a group stay; pods that select `eks.amazonaws.com/capacityType` need it in `labels`";
const NOT_A_MATTER: &str = "it changes nothing about what can run";

/// The words, the more special places first.
pub(crate) const WORDS: &[Word] = &[
    field("managednodegroups", GROUPS),
    field("managednodegroup", GROUPS),
    field("eksmanagednodegroups", GROUPS),
    field("selfmanagednodegroups", GROUPS),
    field("nodepools", GROUPS),
    field("autoscalinggroups", GROUPS),
    field("nodegroupname", "/spec/nodeGroups/*/name"),
    field("desiredcapacity", "/spec/nodeGroups/*/count"),
    field("desiredsize", "/spec/nodeGroups/*/count"),
    field("desired", "/spec/nodeGroups/*/count"),
    under(GROUPS, "size", "/spec/nodeGroups/*/count"),
    under(GROUPS, "nodes", "/spec/nodeGroups/*/count"),
    under(GROUPS, "replicas", "/spec/nodeGroups/*/count"),
    field("minsize", "/spec/nodeGroups/*/scaling/min"),
    field("mincount", "/spec/nodeGroups/*/scaling/min"),
    field("maxsize", "/spec/nodeGroups/*/scaling/max"),
    field("maxcount", "/spec/nodeGroups/*/scaling/max"),
    field("scalingconfig", "/spec/nodeGroups/*/scaling"),
    other("instancetypes", "/spec/nodeGroups/*/instanceType", ONE_TYPE),
    under(GROUPS, "type", "/spec/nodeGroups/*/instanceType"),
    under(GROUPS, "instance", "/spec/nodeGroups/*/instanceType"),
    under(GROUPS, "machinetype", "/spec/nodeGroups/*/instanceType"),
    field("amitype", "/spec/nodeGroups/*/amiFamily"),
    under(GROUPS, "ami", "/spec/nodeGroups/*/amiFamily"),
    under(GROUPS, "os", "/spec/nodeGroups/*/amiFamily"),
    under(GROUPS, "maxpodspernode", "/spec/nodeGroups/*/maxPods"),
    under(GROUPS, "nodelabels", "/spec/nodeGroups/*/labels"),
    under(GROUPS, "k8slabels", "/spec/nodeGroups/*/labels"),
    under(GROUPS, "subnetids", "/spec/nodeGroups/*/subnets"),
    under(GROUPS, "vpczoneidentifier", "/spec/nodeGroups/*/subnets"),
    Word {
        written: "availabilityzones",
        under: GROUPS,
        means: Means::Other("/spec/nodeGroups/*/subnets", "the subnets of those zones"),
    },
    Word {
        written: "zone",
        under: GROUPS,
        means: Means::Other("/spec/nodeGroups/*/subnets", "the subnets of that zone"),
    },
    Word {
        written: "zones",
        under: GROUPS,
        means: Means::Other("/spec/nodeGroups/*/subnets", "the subnets of those zones"),
    },
    nothing(GROUPS, "capacitytype", ON_DEMAND),
    nothing(GROUPS, "spot", ON_DEMAND),
    nothing(GROUPS, "disksize", NOT_A_MATTER),
    nothing(GROUPS, "volumesize", NOT_A_MATTER),
    nothing(GROUPS, "volumetype", NOT_A_MATTER),
    nothing(GROUPS, "privatenetworking", NOT_A_MATTER),
    nothing(GROUPS, "iam", NOT_A_MATTER),
    nothing(GROUPS, "noderole", NOT_A_MATTER),
    nothing(GROUPS, "noderolearn", NOT_A_MATTER),
    nothing(GROUPS, "ssh", NOT_A_MATTER),
    nothing(GROUPS, "updateconfig", NOT_A_MATTER),
    nothing(GROUPS, "tags", NOT_A_MATTER),
    field("fargateprofiles", "/spec/fargate"),
    field("fargateprofile", "/spec/fargate"),
    field("fargateprofilename", "/spec/fargate/*/name"),
    Word {
        written: "selectors",
        under: "/spec/fargate",
        means: Means::Other("/spec/fargate/*/namespaces", BY_NAMESPACE),
    },
    under("/spec/fargate", "subnetids", "/spec/fargate/*/subnets"),
    under("/spec/fargate", "podlabels", "/spec/fargate/*/labels"),
    field("vpc", "/spec/network"),
    field("vpcconfig", "/spec/network"),
    field("subnetids", SUBNETS),
    field("privatesubnets", SUBNETS),
    under(SUBNETS, "subnetid", "/spec/network/subnets/*/id"),
    under(SUBNETS, "name", "/spec/network/subnets/*/id"),
    under(SUBNETS, "availabilityzone", "/spec/network/subnets/*/zone"),
    under(SUBNETS, "az", "/spec/network/subnets/*/zone"),
    under(SUBNETS, "cidrblock", "/spec/network/subnets/*/cidr"),
    under(SUBNETS, "availableipaddresscount", "/spec/network/subnets/*/freeAddresses"),
    under(SUBNETS, "availableipaddresses", "/spec/network/subnets/*/freeAddresses"),
    under(SUBNETS, "freeips", "/spec/network/subnets/*/freeAddresses"),
    under(SUBNETS, "cidrreservations", "/spec/network/subnets/*/reservations"),
    Word {
        written: "availabilityzones",
        under: "",
        means: Means::Other("/spec/network/subnets/*/zone", "each subnet has its own"),
    },
    under("/spec/network/securityGroups", "groupid", "/spec/network/securityGroups/*/id"),
    under("/spec/network/securityGroups", "groupname", "/spec/network/securityGroups/*/name"),
    field("version", "/spec/kubernetesVersion"),
    field("clusterversion", "/spec/kubernetesVersion"),
    field("eksversion", "/spec/kubernetesVersion"),
    field("clusteraddons", "/spec/addons"),
    field("eksaddons", "/spec/addons"),
    under("/spec/addons", "addonname", "/spec/addons/*/name"),
    under("/spec/addons", "addonversion", "/spec/addons/*/version"),
    under("/spec/addons", "configurationvalues", "/spec/addons/*/values"),
    under("/spec/addons", "configuration", "/spec/addons/*/values"),
    field("cloudprovider", "/spec/provider"),
    field("cloud", "/spec/provider"),
    field("spotprices", "/spec/aws/prices"),
    field("podcidr", "/spec/gke/podRange"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::wire::WireCluster;

    #[test]
    fn every_word_leads_to_a_field_of_the_profile_and_is_none_itself() {
        let fields = crate::schema::fields::<WireCluster>();
        for word in WORDS {
            assert!(word.written.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
            assert!(
                word.under.is_empty() || fields.iter().any(|field| field == word.under),
                "{}",
                word.under
            );
            if let Means::Field(meant) | Means::Other(meant, _) = word.means {
                assert!(fields.iter().any(|field| field == meant), "{meant}");
            }
        }
    }
}
