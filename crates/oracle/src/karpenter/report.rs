//! A tally as the part of `docs/fidelity.md` that is generated, and as what the command prints.

use std::fmt::Write as _;
use std::ops::Range;

use super::run::Karpenter;
use super::tally::Tally;
use crate::figures::percent;
use crate::play::Upstream;

/// What was compared with which seeds, in Markdown.
pub fn markdown(tally: &Tally, seeds: &Range<u64>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "`{}`, run in its own process by `oracle/karpenter`, and the engine handled the same {} generated \
         clusters (seeds {} to {}). In **{}** of them ({}) the two agree in everything: which pods get a place, on which \
         nodes and claims on their way, how many new NodeClaims, of which pool, with which pods in which order, which \
         instance types in which order, which requirements and requests; which nodes disruption takes away, why, and \
         what replaces them.",
        Karpenter::VERSION,
        tally.inputs,
        seeds.start,
        seeds.end.saturating_sub(1),
        tally.inputs - tally.different,
        percent(tally.inputs, tally.different),
    );
    let _ = writeln!(
        text,
        "\n{} rounds of provisioning: {} NodeClaims for {} pods, {} pods on nodes or claims that were there. {} times \
         disruption was asked: {}. Replicas of {} static pools: {} claims created, {} deleted.",
        tally.rounds,
        tally.claims,
        tally.on_claims,
        tally.on_existing,
        tally.disruptions,
        commands(tally),
        tally.replicas.0,
        tally.replicas.1,
        tally.replicas.2,
    );
    text.push_str("\n| in play | inputs | agree |\n|---|---:|---:|\n");
    for (feature, (inputs, different)) in &tally.features {
        let _ = writeln!(text, "| {feature} | {inputs} | {} |", percent(*inputs, *different));
    }
    text
}

fn commands(tally: &Tally) -> String {
    let all: Vec<String> = tally.commands.iter().map(|(what, count)| format!("{what} {count}")).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_those_of_the_answers() {
        let mut tally = Tally::default();
        let claims = json!({"claims": [{"pods": ["a/1", "a/2"]}], "existing": {"n": ["a/3"]}});
        tally.count(&["Spread".into()], &claims, true);
        let command = json!({"commands": [{"reason": "Empty", "nodes": ["n", "m"], "replacements": []}]});
        tally.count(&["Spread".into(), "Nodes".into()], &command, false);
        let replicas = json!({"replicas": {"a": {"created": [{}, {}], "deleted": []}}});
        tally.count(&[], &replicas, true);
        let text = markdown(&tally, &(5..8));
        assert!(
            text.contains("same 3 generated clusters (seeds 5 to 7). In **2** of them (66.66 %)"),
            "{text}"
        );
        assert!(
            text.contains("1 rounds of provisioning: 1 NodeClaims for 2 pods, 1 pods on nodes"),
            "{text}"
        );
        assert!(text.contains("1 times disruption was asked: Empty: several nodes deleted 1. Replicas of 1 static pools: 2 claims"));
        assert!(text.contains("| Nodes | 1 | 0.00 % |\n| Spread | 2 | 50.00 % |"), "{text}");
        assert_eq!(percent(100_000, 1), "99.99 %");
    }
}
