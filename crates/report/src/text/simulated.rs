//! What `simulate` says besides the verdict, as tables.

use cluster::Timestamp;

use super::table::table;
use super::{BOLD, Style, paint};
use crate::Judged;
use crate::simulated::{Bought, HOURS_A_MONTH, NodeAnswer, NodePrice, RefusalReport, Simulated, WhyReport};

/// Rows of a table at the most, without `-v`.
const ROWS_MAX: usize = 20;

/// The tables; empty for other commands.
pub(super) fn render(judged: &Judged<'_>, style: Style) -> String {
    let Some(simulated) = judged.simulated.as_ref().filter(|_| judged.unjudged.is_none()) else {
        return String::new();
    };
    let mut out = String::new();
    if let Some(why) = &simulated.why {
        out.push_str(&self::why(why, style));
    }
    out.push_str(&nodes(simulated, style));
    out.push_str(&policies(simulated, style));
    out
}

fn nodes(simulated: &Simulated, style: Style) -> String {
    if simulated.nodes.is_empty() {
        return String::new();
    }
    let (region, date) = (&simulated.region, simulated.prices_date);
    let title = format!("nodes at the end, with prices of {region} of {date}:");
    let header = ["node", "pool", "type", "zone", "capacity", "pods", "cpu", "memory", "$/h"];
    let shown = if style.verbose { usize::MAX } else { ROWS_MAX };
    let mut rows: Vec<Vec<String>> = simulated.nodes.iter().take(shown).map(node).collect();
    let hidden = simulated.nodes.len().saturating_sub(shown);
    if hidden > 0 {
        rows.push(vec![format!("({hidden} more; `-v` lists them)")]);
    }
    let known: Vec<i64> = simulated.nodes.iter().filter_map(|node| node.price_micro_usd).collect();
    let total = known.iter().fold(0i64, |sum, price| sum.saturating_add(*price));
    let unknown = simulated.nodes.len() - known.len();
    let mut sum = vec![String::new(); header.len()];
    sum[0] = if unknown == 0 { "all".to_owned() } else { format!("all but {unknown} without a price") };
    sum[header.len() - 1] = usd(total);
    rows.push(sum);
    format!("{}\n{}", paint(style, BOLD, &title), table(&header, rows, &[5, 6, 7, 8]))
}

fn node(node: &NodePrice) -> Vec<String> {
    vec![
        node.node.clone(),
        or_dash(&node.pool),
        or_dash(&node.instance_type),
        or_dash(&node.zone),
        node.capacity_type.clone(),
        node.pods.to_string(),
        format!("{}/{}", cores(node.requested_cpu_millis), cores(node.allocatable_cpu_millis)),
        format!("{}/{} GiB", gib(node.requested_memory_bytes), gib(node.allocatable_memory_bytes)),
        node.price_micro_usd.map_or_else(|| "?".to_owned(), usd),
    ]
}

fn policies(simulated: &Simulated, style: Style) -> String {
    let [first, others @ ..] = simulated.policies.as_slice() else { return String::new() };
    let title = if others.is_empty() { "bought by the provisioner:" } else { "the same with either policy:" };
    let mut header = vec![""];
    header.extend(simulated.policies.iter().map(|bought| bought.policy));
    let row = |name: &str, of: &dyn Fn(&Bought) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(simulated.policies.iter().map(of)).collect()
    };
    let mut rows = vec![
        row("verdict", &|bought| bought.outcome.to_string()),
        row("pods not running", &|bought| bought.missing_pods.to_string()),
        row("nodes bought", &|bought| bought.nodes.to_string()),
        row("types", &types),
        row("$/h", &|bought| usd(bought.price_micro_usd)),
    ];
    if first.fullest_subnet.is_some() {
        rows.push(row("least free addresses", &least_free));
    }
    let numbers: Vec<usize> = Vec::new();
    let mut out = format!("{}\n{}", paint(style, BOLD, title), table(&header, rows, &numbers));
    if let [other] = others {
        out.push_str(&format!("{}\n\n", super::fold::fold(style, 2, &saving(first, other))));
    }
    out
}

/// `2 m6i.large, 1 c6a.xlarge`, the most frequent first.
fn types(bought: &Bought) -> String {
    let mut counted: Vec<(&String, &usize)> = bought.instance_types.iter().collect();
    counted.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let mut words: Vec<String> =
        counted.iter().take(3).map(|(name, count)| format!("{count} {name}")).collect();
    if counted.len() > 3 {
        words.push(format!("{} other types", counted.len() - 3));
    }
    or_dash(&words.join(", "))
}

fn least_free(bought: &Bought) -> String {
    match (&bought.least_free_addresses, &bought.fullest_subnet) {
        (Some(free), Some(subnet)) => format!("{free} in {subnet}"),
        _ => "-".to_owned(),
    }
}

/// What the second saves against the first, in one sentence.
fn saving(first: &Bought, other: &Bought) -> String {
    let name = other.policy;
    let cost = match (first.nodes, other.nodes, first.price_micro_usd.saturating_sub(other.price_micro_usd)) {
        (0, 0, _) => "neither buys a node".to_owned(),
        (_, _, 0) => "the price is the same".to_owned(),
        (_, _, saved) => {
            let verb = if saved > 0 { "saves" } else { "costs" };
            let more = if saved > 0 { "" } else { " more" };
            let size = saved.saturating_abs();
            let month = usd_whole(size.saturating_mul(HOURS_A_MONTH));
            let percent = size.saturating_mul(100) / first.price_micro_usd.max(1);
            let hour = usd(size);
            format!("{name} {verb} ${hour}{more} an hour ({percent} %), ${month} in {HOURS_A_MONTH} hours")
        }
    };
    let pods = |count: u32, words: &str| {
        let (noun, verb) = if count == 1 { ("pod", "runs") } else { ("pods", "run") };
        format!("with {name}, {count} {words} {noun} {verb}; ")
    };
    match first.missing_pods.cmp(&other.missing_pods) {
        std::cmp::Ordering::Equal => cost,
        std::cmp::Ordering::Greater => pods(first.missing_pods - other.missing_pods, "more") + &cost,
        std::cmp::Ordering::Less => pods(other.missing_pods - first.missing_pods, "fewer") + &cost,
    }
}

fn why(why: &WhyReport, style: Style) -> String {
    let at = Timestamp(why.at_ms);
    let attempts = crate::words::count(usize::try_from(why.attempts).unwrap_or(usize::MAX), "attempt");
    let went = match &why.chosen {
        Some(node) => format!("went to {node}"),
        None => "got no node".to_owned(),
    };
    let title = format!("why {} {went} at {at}, after {attempts}:", why.pod);
    let mut out = format!("{}\n", paint(style, BOLD, &title));
    if let Some(everywhere) = &why.everywhere {
        out.push_str(&format!("  no node was looked at: {}\n", refusal(everywhere)));
    }
    if !why.nodes.is_empty() {
        let rows = why.nodes.iter().map(|node| answer(node, why.chosen.as_deref())).collect();
        out.push_str(&table(&["node", "filters", "score"], rows, &[2]));
    }
    if let Some(scores) = scores(why) {
        out.push_str(&scores);
    }
    if let Some(message) = &why.message {
        out.push_str(&format!("  FailedScheduling: {}\n", super::fold::fold(style, 4, message)));
    }
    for pool in &why.pools {
        let line = format!("NodePool {}: {}", pool.pool, pool.reason);
        out.push_str(&format!("  {}\n", super::fold::fold(style, 4, &line)));
    }
    out.push('\n');
    out
}

fn answer(node: &NodeAnswer, chosen: Option<&str>) -> Vec<String> {
    let filters = match node.refusals.as_slice() {
        [] if chosen == Some(node.node.as_str()) => "fits, chosen".to_owned(),
        [] => "fits".to_owned(),
        refusals => refusals.iter().map(refusal).collect::<Vec<_>>().join("; "),
    };
    vec![node.node.clone(), filters, node.score.map_or_else(|| "-".to_owned(), |score| score.to_string())]
}

fn refusal(refusal: &RefusalReport) -> String {
    format!("{}: {}", refusal.plugin, refusal.reasons.join(", "))
}

/// The scores of nodes that fit, plugin by plugin; only plugins that tell nodes apart.
fn scores(why: &WhyReport) -> Option<String> {
    let scored: Vec<&NodeAnswer> = why.nodes.iter().filter(|node| !node.scores.is_empty()).collect();
    let plugins: Vec<&String> = scored.first()?.scores.keys().collect();
    let tells = |plugin: &&String| {
        let of = |node: &&NodeAnswer| node.scores.get(*plugin).copied();
        scored.iter().any(|node| of(node) != of(&scored[0]))
    };
    let telling: Vec<&String> = plugins.into_iter().filter(tells).collect();
    if telling.is_empty() {
        return Some("  all nodes that fit score the same\n".to_owned());
    }
    let mut header = vec!["scores"];
    header.extend(telling.iter().map(|plugin| plugin.as_str()));
    let row = |node: &&NodeAnswer| -> Vec<String> {
        let of = |plugin: &&String| node.scores.get(*plugin).map_or_else(String::new, ToString::to_string);
        std::iter::once(node.node.clone()).chain(telling.iter().map(of)).collect()
    };
    let numbers: Vec<usize> = (1..header.len()).collect();
    Some(table(&header, scored.iter().map(row).collect(), &numbers))
}

/// Millionths of a dollar as dollars, to a hundredth of a cent.
fn usd(micro_usd: i64) -> String {
    let rounded = micro_usd.saturating_add(50) / 100;
    format!("{}.{:04}", rounded / 10_000, rounded % 10_000)
}

fn usd_whole(micro_usd: i64) -> String {
    (micro_usd.saturating_add(500_000) / 1_000_000).to_string()
}

/// Cores to a tenth.
fn cores(millis: i64) -> String {
    tenths(millis, 1000)
}

fn gib(bytes: i64) -> String {
    tenths(bytes, 1 << 30)
}

fn tenths(amount: i64, unit: i64) -> String {
    let tenths = amount.saturating_mul(10).saturating_add(unit / 2) / unit;
    if tenths % 10 == 0 { (tenths / 10).to_string() } else { format!("{}.{}", tenths / 10, tenths % 10) }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use findings::Outcome;

    use super::*;

    fn bought(policy: &'static str, missing_pods: u32, price_micro_usd: i64) -> Bought {
        Bought {
            policy,
            outcome: Outcome::Converges,
            missing_pods,
            nodes: 2,
            instance_types: [("m6a.large".to_owned(), 1), ("c6a.large".to_owned(), 1)].into(),
            price_micro_usd,
            least_free_addresses: Some(7),
            fullest_subnet: Some("subnet-a".to_owned()),
        }
    }

    #[test]
    fn what_is_saved_is_said_in_one_sentence() {
        let karpenter = bought("karpenter", 0, 200_000);
        assert_eq!(
            saving(&karpenter, &bought("plimsoll", 0, 150_000)),
            "plimsoll saves $0.0500 an hour (25 %), $37 in 730 hours"
        );
        assert_eq!(saving(&karpenter, &bought("plimsoll", 0, 200_000)), "the price is the same");
        let starved = bought("karpenter", 3, 100_000);
        assert_eq!(
            saving(&starved, &bought("plimsoll", 2, 150_000)),
            "with plimsoll, 1 more pod runs; plimsoll costs $0.0500 more an hour (50 %), $37 in 730 hours"
        );
        let none = Bought { nodes: 0, ..bought("karpenter", 1, 0) };
        assert_eq!(saving(&none, &Bought { nodes: 0, ..bought("plimsoll", 1, 0) }), "neither buys a node");
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!((usd(103_500), usd_whole(36_500_000)), ("0.1035".to_owned(), "37".to_owned()));
        assert_eq!((cores(1930), cores(4000)), ("1.9".to_owned(), "4".to_owned()));
        assert_eq!(types(&bought("plimsoll", 0, 0)), "1 c6a.large, 1 m6a.large");
    }
}
