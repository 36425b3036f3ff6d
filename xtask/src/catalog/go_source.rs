//! Tables that are published as Go source or as plain text, read line by line.

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

/// Region to type to US dollars an hour: the nested map literals of karpenter-provider-aws
/// `pkg/providers/pricing/zz_generated.pricing_*.go`.
pub fn prices(source: &str) -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut regions: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    let mut region = String::new();
    for line in code_lines(source) {
        if let Some((name, "")) = line.strip_suffix('{').and_then(key_and_value) {
            region = name.to_string();
        } else {
            let cells = line.split(',').filter_map(key_and_value);
            let cells = cells.filter_map(|(name, value)| Some((name.to_string(), value.parse().ok()?)));
            regions.entry(region.clone()).or_default().extend(cells);
        }
    }
    regions.retain(|region, prices| !region.is_empty() && !prices.is_empty());
    regions
}

/// Type to Mbit/s: the map literal of karpenter-provider-aws
/// `pkg/providers/instancetype/zz_generated.bandwidth.go`.
pub fn bandwidths(source: &str) -> BTreeMap<String, u32> {
    let cells = code_lines(source).flat_map(|line| line.split(',')).filter_map(key_and_value);
    cells.filter_map(|(name, value)| Some((name.to_string(), value.parse().ok()?))).collect()
}

/// Lines that are no comments.
fn code_lines(source: &str) -> impl Iterator<Item = &str> {
    source.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

/// `"key": value`, trimmed.
fn key_and_value(cell: &str) -> Option<(&str, &str)> {
    let (key, value) = cell.trim().strip_prefix('"')?.split_once("\":")?;
    Some((key, value.trim()))
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
    fn nested_maps_are_read() {
        let source = "// \"a\": 1\nvar A = map[string]map[T]float64{\n\t\"us-east-1\": {\n\t\t// a1 family\n\
            \t\t\"a1.large\": 0.051000, \"a1.medium\": 0.025500,\n\t},\n}\n";
        let east = BTreeMap::from([("a1.large".to_string(), 0.051), ("a1.medium".to_string(), 0.0255)]);
        assert_eq!(prices(source), BTreeMap::from([("us-east-1".to_string(), east)]));
        assert_eq!(
            bandwidths("\t\t\"a1.large\":  750,\n\t\t// vague\n"),
            BTreeMap::from([("a1.large".to_string(), 750)])
        );
    }

    #[test]
    fn the_table_is_sorted() {
        assert_eq!(max_pods("# comment\n\nm5.large 29\na1.large 29\n"), "a1.large\t29\nm5.large\t29\n");
    }
}
