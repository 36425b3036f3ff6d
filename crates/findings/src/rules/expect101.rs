//! EXPECT101: what a scenario expects did not come about.

use cluster::scenario::{Expectation, Expected, Found, Missed};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::stuck;

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "EXPECT101", name: "expectation-not-met" }, docs: DOCS, examine };

const DOCS: &str = "\
What a scenario expects did not come about.

## What it is
An entry of a scenario's `expect` does not hold: another verdict, or other numbers of running pods or nodes at the
instant that it names.

## Why it deadlocks
It need not: a scenario can also expect a deadlock. This finding is about the difference between what its author
believes and what happens.

## Evidence
What was expected, when, and what was there at that instant of the run that is told.

## Example
`{at: 25m, running: {kind: Deployment, namespace: apps, name: web, atLeast: 27}}` while 12 pods are ready.

## Remedy
Look at the other findings for why; or correct the expectation.

## Exceptions
An instant that the run does not reach, because it ends at its horizon first, counts as not met: a longer `horizon` in
the profile lets it be looked at.

## References
- scenarios/README.md
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    scene.missed.iter().map(finding).collect()
}

fn finding(missed: &Missed) -> Finding {
    let Expectation { location, at, what } = &missed.expectation;
    let when = at.map_or_else(|| "at the end".to_owned(), |at| format!("at {at}"));
    let found = match &missed.found {
        Found::Verdict(verdict) => is_verdict(verdict),
        Found::Count(1) => "there is 1".to_owned(),
        Found::Count(count) => format!("there are {count}"),
        Found::NotReached(ended) => format!("the run ended at {ended}"),
        Found::NoSuchObject => "there is no such object".to_owned(),
    };
    let title = format!("expected {} {when}: {found}", expected(what));
    let mut finding = Finding::new(RULE.code, Severity::Error, title)
        .at(location.clone(), found)
        .help("the other findings say why; or correct the expectation");
    match what {
        Expected::Running { target, .. } => finding.affects(target.clone()),
        Expected::Verdict(_) | Expected::Nodes { .. } => {}
    }
    if let Found::Count(count) = missed.found {
        finding = finding.number("found", i64::from(count));
    }
    finding
}

fn expected(what: &Expected) -> String {
    match what {
        Expected::Verdict(verdict) => format!("the verdict {verdict}"),
        Expected::Running { target, at_least, at_most } => {
            format!("{} of {target}", range(*at_least, *at_most, "running pod"))
        }
        Expected::Nodes { node_pool, at_least, at_most } => {
            format!("{} of NodePool {node_pool}", range(*at_least, *at_most, "node"))
        }
    }
}

fn is_verdict(verdict: &str) -> String {
    match verdict {
        "converges" => "it converges".to_owned(),
        "inconclusive" => "it is inconclusive".to_owned(),
        other => format!("it is a {other}"),
    }
}

fn range(at_least: u32, at_most: Option<u32>, noun: &str) -> String {
    let count = |number: u32| stuck::count(number as usize, noun);
    match at_most {
        None => format!("at least {}", count(at_least)),
        Some(at_most) if at_most == at_least => count(at_least),
        Some(at_most) if at_least == 0 => format!("at most {}", count(at_most)),
        Some(at_most) => format!("{at_least} to {}", count(at_most)),
    }
}

#[cfg(test)]
mod tests {
    use cluster::{Kind, Location, ObjectKey, Timestamp};

    use super::*;

    fn title(what: Expected, found: Found) -> String {
        let location = Location::object(ObjectKey::new(Kind::Scenario, "", "test"));
        let expectation = Expectation { location, at: Some(Timestamp(1_500_000)), what };
        finding(&Missed { expectation, found }).title
    }

    #[test]
    fn the_headline_says_what_was_expected_and_what_was_there() {
        let target = ObjectKey::new(Kind::Deployment, "apps", "web");
        let running = |at_least, at_most| Expected::Running { target: target.clone(), at_least, at_most };
        assert_eq!(
            title(running(27, None), Found::Count(12)),
            "expected at least 27 running pods of Deployment apps/web at t+25m00s: there are 12"
        );
        assert_eq!(
            title(running(2, Some(2)), Found::NoSuchObject),
            "expected 2 running pods of Deployment apps/web at t+25m00s: there is no such object"
        );
        let nodes = |at_least, at_most| Expected::Nodes { node_pool: "app".into(), at_least, at_most };
        assert_eq!(
            title(nodes(0, Some(9)), Found::Count(10)),
            "expected at most 9 nodes of NodePool app at t+25m00s: there are 10"
        );
        assert_eq!(
            title(nodes(8, Some(10)), Found::NotReached(Timestamp(600_000))),
            "expected 8 to 10 nodes of NodePool app at t+25m00s: the run ended at t+10m00s"
        );
        assert_eq!(
            title(Expected::Verdict("converges".into()), Found::Verdict("deadlock".into())),
            "expected the verdict converges at t+25m00s: it is a deadlock"
        );
    }
}
