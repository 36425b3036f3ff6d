//! Who holds the addresses: one line, or the tables of `-o wide`.

use super::table::table;
use super::{BOLD, Style, paint};
use crate::addresses::{Addresses, Holder, NodeAddresses, SubnetAddresses};
use crate::{Judged, words};

/// The addresses; empty when nobody holds any.
pub(super) fn render(judged: &Judged<'_>, style: Style) -> String {
    let addresses = judged.addresses();
    let Some(line) = words::addresses(&addresses) else { return String::new() };
    let mut out = format!("{}\n", super::fold::fold(style, 2, &format!("addresses: {line}")));
    if style.wide {
        out.push('\n');
        out.push_str(&tables(&addresses, style));
    } else {
        out.push('\n');
    }
    out
}

fn tables(addresses: &Addresses, style: Style) -> String {
    let mut out = format!("{}\n", paint(style, BOLD, "addresses by node:"));
    let header =
        ["node", "type", "pods", "max pods", "used", "warm", "for pods", "at most", "interfaces", "held"];
    let rows = addresses.nodes.iter().map(node).collect();
    out.push_str(&table(&header, rows, &[2, 3, 4, 5, 6, 7, 8, 9]));
    if addresses.subnets.is_empty() {
        return out;
    }
    out.push_str(&format!("{}\n", paint(style, BOLD, "addresses by subnet:")));
    let header = [
        "subnet",
        "zone",
        "range",
        "size",
        "free",
        "free /28",
        "by nodes",
        "warm",
        "by others",
        "most kept warm by",
    ];
    let rows = addresses.subnets.iter().map(subnet).collect();
    out.push_str(&table(&header, rows, &[3, 4, 5, 6, 7, 8]));
    out
}

fn node(node: &NodeAddresses) -> Vec<String> {
    vec![
        node.node.clone(),
        or_dash(&node.instance_type),
        node.pods.to_string(),
        node.pods_limit.to_string(),
        node.used.to_string(),
        node.warm.to_string(),
        node.for_pods.to_string(),
        node.limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string()),
        node.interfaces.to_string(),
        node.held.to_string(),
    ]
}

fn subnet(subnet: &SubnetAddresses) -> Vec<String> {
    let top: Vec<String> =
        subnet.top_holders.iter().filter(|holder| holder.warm > 0).take(3).map(holder).collect();
    vec![
        subnet.subnet.clone(),
        or_dash(&subnet.zone),
        subnet.cidr.clone(),
        subnet.size.to_string(),
        subnet.free.to_string(),
        subnet.free_prefixes.to_string(),
        subnet.held_by_nodes.to_string(),
        subnet.warm.to_string(),
        subnet.held_by_others.to_string(),
        or_dash(&top.join(", ")),
    ]
}

/// `batch-00000 97`.
fn holder(holder: &Holder) -> String {
    format!("{} {}", holder.node, holder.warm)
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
