//! The causal chain: the waits that matter, told in the order they came about.

use cluster::{Change, Location, Timestamp};

use crate::scene::Scene;
use crate::wait::{Ending, Party, Wait, Why};
use crate::words;

/// The story of a run that got stuck.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its links, earliest first.
    pub links: Vec<Link>,
    /// The last link leads back to an earlier one.
    pub closes: bool,
}

/// One link: at this instant this became true, and the next could not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// When.
    pub at: Timestamp,
    /// What, with its numbers.
    pub text: String,
    /// The field that decided it.
    pub location: Option<Location>,
}

/// The chain of a run: around its cycle when there is one, else from the first thing that waits to its cause.
pub fn chain(scene: &Scene<'_>) -> Chain {
    let cycle = scene.graph.cycle();
    let closes = cycle.is_some();
    let waits = cycle.unwrap_or_else(|| first_cause(scene));
    let mut links = lead_in(scene, &waits);
    links.extend(waits.iter().map(|wait| link(scene, wait)));
    if let Some(last) = conclusion(scene, &waits, closes) {
        links.push(last);
    }
    Chain { links, closes }
}

fn link(scene: &Scene<'_>, wait: &Wait) -> Link {
    Link { at: wait.since, text: words::wait(scene, wait), location: words::location(scene, wait) }
}

/// The waits from the party that began to wait first down to where nothing more is behind it.
fn first_cause<'a>(scene: &Scene<'a>) -> Vec<&'a Wait> {
    let workloads = scene.graph.waits.iter().filter(|wait| matches!(wait.who, Party::Workload(_)));
    let Some(first) = workloads.min_by_key(|wait| (wait.since, wait.who.clone())) else { return Vec::new() };
    let mut way = vec![first];
    while let Some(last) = way.last()
        && last.ending == Ending::Continues
        && way.len() < 64
    {
        let next = scene.graph.waits.iter().find(|wait| wait.who == last.on && !way.contains(wait));
        match next {
            Some(next) => way.push(next),
            None => break,
        }
    }
    way
}

/// What still waits at the end of a run, as one sentence: the first link of its chain that is about pods.
pub fn remaining(scene: &Scene<'_>) -> String {
    let waits = scene.graph.cycle().unwrap_or_else(|| first_cause(scene));
    let of_pods = |wait: &&&Wait| matches!(wait.why, Why::Pods(_) | Why::Pool(_) | Why::Refused(_));
    waits.iter().find(of_pods).or(waits.last()).map_or_else(String::new, |wait| words::wait(scene, wait))
}

/// The last address that was given before the first pod got none: where the numbers ran out.
fn lead_in(scene: &Scene<'_>, waits: &[&Wait]) -> Vec<Link> {
    let short = waits.iter().find_map(|wait| match wait.on {
        Party::Addresses(node) => Some((node, wait.since)),
        _ => None,
    });
    let Some((node, since)) = short else { return Vec::new() };
    let taken = scene.timeline.entries.iter().rev().find_map(|entry| match entry.change {
        Change::PodAddressed(pod) if entry.at <= since && scene.cluster.pod(pod).node == Some(node) => {
            Some((entry.at, pod))
        }
        _ => None,
    });
    taken.map(|(at, pod)| words::last_address(scene, node, pod, at)).into_iter().collect()
}

/// What follows from the chain, as its last line.
fn conclusion(scene: &Scene<'_>, waits: &[&Wait], closes: bool) -> Option<Link> {
    let needs_node = waits.iter().any(|wait| matches!(wait.why, Why::NeedsNode));
    let at = waits.iter().map(|wait| wait.since).filter(|at| *at <= scene.cluster.now).max()?;
    let text = match (closes, needs_node) {
        (true, true) => "no node will ever be added: the chain closes here",
        (true, false) => "nothing in this chain can act first: the chain closes here",
        (false, _) => return None,
    };
    Some(Link { at, text: text.to_owned(), location: None })
}
