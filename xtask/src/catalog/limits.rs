//! Branch interfaces from Go source, and the published max pods: two texts, read line by line.

use std::collections::BTreeMap;

/// Type to branch interfaces, 0 where no trunk can be attached: the map literal of
/// amazon-vpc-resource-controller-k8s `pkg/aws/vpc/limits.go`.
pub fn branch_interfaces(source: &str) -> BTreeMap<String, u32> {
    let mut limits = BTreeMap::new();
    let mut name = "";
    let mut trunk = false;
    for line in source.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix('"') {
            name = rest.strip_suffix("\": {").unwrap_or("");
        } else if let Some(value) = line.strip_prefix("IsTrunkingCompatible:") {
            trunk = value.trim() == "true,";
        } else if let Some(value) = line.strip_prefix("BranchInterface:") {
            let count = value.trim().trim_end_matches(',').parse().unwrap_or(0);
            limits.insert(name.to_string(), if trunk { count } else { 0 });
        }
    }
    limits.remove("");
    limits
}

/// `type<tab>pods` lines, sorted, from the CNI's `misc/eni-max-pods.txt`.
pub fn max_pods(table: &str) -> String {
    let rows = table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows: BTreeMap<&str, &str> = rows.filter_map(|row| row.split_once(' ')).collect();
    rows.into_iter().map(|(name, pods)| format!("{name}\t{}\n", pods.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_source_is_read() {
        let source = "var Limits = map[string]*VPCLimits{\n\t\"a1.large\": {\n\t\tInterface: 3,\n\
            \t\tIsTrunkingCompatible:    true,\n\t\tBranchInterface:         9,\n\t},\n\t\"t3.large\": {\n\
            \t\tIsTrunkingCompatible: false,\n\t\tBranchInterface: 5,\n\t},\n}\n";
        let limits = branch_interfaces(source);
        assert_eq!(limits, BTreeMap::from([("a1.large".to_string(), 9), ("t3.large".to_string(), 0)]));
    }

    #[test]
    fn the_table_is_sorted() {
        assert_eq!(max_pods("# comment\n\nm5.large 29\na1.large 29\n"), "a1.large\t29\nm5.large\t29\n");
    }
}
