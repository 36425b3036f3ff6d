//! Max pods recomputed for every type of the table that the VPC CNI publishes (v1.23.2).

use catalog::{Catalog, max_pods};

#[test]
fn every_common_type_agrees() {
    let mut common = 0;
    for line in include_str!("data/eni-max-pods.tsv").lines() {
        let (name, pods) = line.split_once('\t').unwrap();
        if let Some(it) = Catalog::embedded().instance_type(name) {
            common += 1;
            assert_eq!(max_pods::interface_limited(it, 0).to_string(), pods, "{name}");
        }
    }
    assert_eq!(common, 1359);
}
