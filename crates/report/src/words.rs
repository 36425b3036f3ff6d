//! Sentences that several renderings share.

use findings::Outcome;

use crate::addresses::Addresses;
use crate::{Judged, Unjudged};

/// The verdict's reason in one sentence, without the verdict itself.
pub fn headline(judged: &Judged<'_>) -> String {
    match judged.unjudged {
        Some(Unjudged::Empty) => return "nothing to judge was found".to_owned(),
        Some(Unjudged::NoNodes) => {
            return match judged.verdict.declared.profile.given {
                false => {
                    "nothing says which nodes there are at the start: a cluster profile is missing".to_owned()
                }
                true => "the profile has no `nodeGroups`, and nothing in the input adds nodes".to_owned(),
            };
        }
        None => {}
    }
    let verdict = judged.verdict;
    let run = &verdict.told.run;
    match verdict.outcome {
        Outcome::Converges if lacks_input(judged) => {
            format!("everything that could be read is running at {}", run.last_progress)
        }
        Outcome::Converges => format!("everything is running at {}", run.last_progress),
        Outcome::Inconclusive => format!("no verdict; the run came to {}", run.ended),
        _ => {
            let pods_are = pods_are(verdict.told.missing());
            format!("{pods_are} not running, and nothing can change any more after {}", run.last_progress)
        }
    }
}

/// Whether a file, or all that an overlay makes, could not be read: nobody knows what is not in the run.
fn lacks_input(judged: &Judged<'_>) -> bool {
    let unread = [sources::codes::UNREADABLE, sources::codes::KUSTOMIZE];
    judged.verdict.problems.iter().any(|problem| unread.contains(&problem.code))
}

/// ` if Karpenter starts last`; empty where what is told is what was declared.
pub fn assumption(judged: &Judged<'_>) -> String {
    let branch = &judged.verdict.told.branch;
    if branch.is_declared() { String::new() } else { format!(" if {branch}") }
}

/// `1 pod is`, `3 pods are`.
pub fn pods_are(count: u32) -> String {
    if count == 1 { "1 pod is".to_owned() } else { format!("{count} pods are") }
}

/// The verdict in one word; `not judged` when there is none.
pub fn outcome(judged: &Judged<'_>) -> String {
    match judged.unjudged {
        Some(_) => "not judged".to_owned(),
        None => judged.verdict.outcome.to_string(),
    }
}

/// Who holds the addresses, in one sentence; `None` when nobody holds any.
pub fn addresses(addresses: &Addresses) -> Option<String> {
    if addresses.nodes.is_empty() {
        return None;
    }
    let total = |pick: fn(&crate::addresses::NodeAddresses) -> u32| -> u64 {
        addresses.nodes.iter().map(|node| u64::from(pick(node))).sum()
    };
    let (held, used, warm) = (total(|node| node.held), total(|node| node.used), total(|node| node.warm));
    let nodes = count(addresses.nodes.len(), "node");
    let verb = if addresses.nodes.len() == 1 { "holds" } else { "hold" };
    let mut line = format!("{nodes} {verb} {held}, {used} used by pods, {warm} kept warm");
    let fullest = addresses.subnets.iter().min_by_key(|subnet| subnet.free);
    if let Some(subnet) = fullest {
        let free = format!("{} of {} free in {}", subnet.free, subnet.size, subnet.subnet);
        let least = if addresses.subnets.len() == 1 { "" } else { ", the fullest subnet" };
        line.push_str(&format!("; {free}{least}"));
    }
    Some(line)
}

/// A code's name and its meaning in one sentence; the code itself when nothing is known about it.
pub fn code(code: &str) -> (String, String) {
    let rule = findings::rules::RULES.iter().find(|rule| rule.code.id == code);
    let finding = rule.map(|rule| (rule.code.name, first_sentence(rule.docs)));
    let config = || {
        let known = api::CODES.iter().find(|known| known.code == code);
        known.map(|known| (known.name, known.meaning))
    };
    let input = || {
        let known = sources::codes::ALL.iter().find(|(known, _, _)| *known == code);
        known.map(|(_, name, meaning)| (*name, *meaning))
    };
    let (name, meaning) = finding.or_else(config).or_else(input).unwrap_or((code, code));
    (name.to_owned(), meaning.to_owned())
}

/// The first line of a documentation that is no heading.
fn first_sentence(docs: &str) -> &str {
    docs.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default()
}

/// `error`, `warning` or `note`, of a problem.
pub fn severity(severity: api::Severity) -> &'static str {
    match severity {
        api::Severity::Error => "error",
        api::Severity::Warning => "warning",
        api::Severity::Note => "note",
    }
}

/// `error`, `warning` or `note`, of a finding.
pub fn finding_severity(severity: findings::Severity) -> &'static str {
    match severity {
        findings::Severity::Error => "error",
        findings::Severity::Warning => "warning",
        findings::Severity::Note => "note",
    }
}

/// `1 pod`, `3 pods`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
