//! The page `docs/metrics.md`, made of the families themselves.

use std::fmt::Write as _;

use super::absent::ABSENT;
use super::families;
use super::family::Family;

const HEAD: &str = "\
# Metrics

`plimsoll controller` serves these at `:8080/metrics` (`METRICS_PORT`), in Prometheus' text format. Names, labels and
units are Karpenter's (v1.14.1), so that its dashboards work; what it does not have begins with `plimsoll_`.
[`deploy/dashboard.json`](../deploy/dashboard.json) is a Grafana dashboard of them.

This page is made from the code: `PLIMSOLL_UPDATE=1 cargo test -p kubernetes --lib metrics` writes it anew.
";

/// The page.
pub fn page() -> String {
    let (own, upstream): (Vec<&Family>, Vec<&Family>) =
        families().into_iter().partition(|family| family.name.starts_with("plimsoll_"));
    let mut text = HEAD.to_owned();
    let _ = write!(text, "\n## plimsoll's own\n\n{}", table(&own));
    let _ = write!(text, "\n## Karpenter's\n\n{}", table(&upstream));
    text.push_str("\n## What Karpenter serves and plimsoll does not\n\n| Metrics | Why |\n|---|---|\n");
    for (names, why) in ABSENT {
        let names: Vec<String> = names.split(", ").map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "| {} | {why} |", names.join(", "));
    }
    text
}

fn table(families: &[&Family]) -> String {
    let mut text = "| Metric | Kind | Labels | What it says |\n|---|---|---|---|\n".to_owned();
    for family in families {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            family.name,
            family.kind.as_str(),
            labels.join(", "),
            family.help
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn file(path: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
    }

    #[test]
    fn the_page_is_that_of_the_code() {
        let path = file("docs/metrics.md");
        if std::env::var_os("PLIMSOLL_UPDATE").is_some_and(|set| !set.is_empty() && set != "0") {
            std::fs::write(&path, page()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page(), "docs/metrics.md is old: PLIMSOLL_UPDATE=1 writes it anew");
    }

    #[test]
    fn no_family_twice_and_none_that_is_said_to_be_absent() {
        let names: Vec<&str> = families().iter().map(|family| family.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        let absent = ABSENT.iter().flat_map(|(names, _)| names.split(", "));
        for absent in absent {
            let is_it = |name: &&&str| match absent.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => **name == absent,
            };
            assert_eq!(names.iter().find(is_it), None, "{absent} is served");
        }
    }

    /// Every word of the dashboard's queries that looks like a metric is one that is served.
    #[test]
    fn the_dashboard_asks_only_for_what_there_is() {
        let text = std::fs::read_to_string(file("deploy/dashboard.json")).unwrap();
        let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
        let queries: Vec<&str> = targets.filter_map(|target| target["expr"].as_str()).collect();
        assert!(queries.len() > 20, "{queries:?}");
        let names: Vec<&str> = families().iter().map(|family| family.name).collect();
        for query in queries {
            let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let metrics: Vec<&str> = words.filter(|word| is_metric(word)).collect();
            assert!(!metrics.is_empty(), "{query}");
            for metric in metrics {
                let of = |suffix| metric.strip_suffix(suffix).is_some_and(|name| names.contains(&name));
                let known = names.contains(&metric) || of("_bucket") || of("_sum") || of("_count");
                assert!(known, "{metric} of {query} is not served");
            }
        }
    }

    fn is_metric(word: &str) -> bool {
        let starts = ["karpenter_", "plimsoll_", "operator_", "process_", "client_go_", "leader_election_"];
        starts.iter().any(|start| word.starts_with(start))
    }
}
