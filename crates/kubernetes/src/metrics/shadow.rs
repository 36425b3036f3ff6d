//! What a shadow would have done, beside what was done.

use super::family::Family;
use super::registry::{Number, Registry};
use crate::shadow::{REASONS, Removals, Rounds};

const BY: &[&str] = &["by"];

pub(super) static ROUNDS: Family = Family::counter(
    "plimsoll_shadow_rounds_total",
    &["verdict"],
    "Plans for waiting pods under --shadow, by what the leader bought for the same pods: plimsoll's nodes would have been \
     `cheaper`, the `same`, `dearer`, or the leader bought none (`unanswered`).",
);
pub(super) static NODES: Family = Family::counter(
    "plimsoll_shadow_nodes_total",
    BY,
    "Nodes of the plans that were compared under --shadow: `plimsoll` would have bought them, the `leader` did.",
);
pub(super) static PRICE: Family =
    Family::counter("plimsoll_shadow_price_total", BY, "What these nodes cost together, US dollars an hour.");
pub(super) static UNASKED: Family = Family::counter(
    "plimsoll_shadow_unasked_nodes_total",
    &[],
    "Nodes that the leader bought under --shadow when plimsoll wanted none: replacements, static pools, plans that came \
     first.",
);
pub(super) static REMOVALS: Family = Family::counter(
    "plimsoll_shadow_disruptions_total",
    &["by", "reason"],
    "NodeClaims taken away under --shadow: by `both`, wanted by `plimsoll` only and not done within five minutes, or by \
     the `leader` only (also by people).",
);

pub(super) static ALL: &[&Family] = &[&ROUNDS, &NODES, &PRICE, &UNASKED, &REMOVALS];

/// Everything that was compared so far.
pub(crate) fn scrape(rounds: &Rounds, removals: &Removals, registry: &mut Registry) {
    let verdicts = [
        ("cheaper", rounds.cheaper),
        ("same", rounds.same),
        ("dearer", rounds.dearer),
        ("unanswered", rounds.unanswered),
    ];
    for (verdict, count) in verdicts {
        registry.set(&ROUNDS, &[verdict], Number::count(count));
    }
    for (by, bought) in [("plimsoll", &rounds.ours), ("leader", &rounds.theirs)] {
        registry.set(&NODES, &[by], Number::count(bought.nodes));
        registry.set(&PRICE, &[by], bought.price());
    }
    registry.set(&UNASKED, &[], Number::count(rounds.unasked));
    for why in REASONS {
        registry.set(&REMOVALS, &["both", why.as_str()], Number::count(removals.both(why)));
        registry.set(&REMOVALS, &["plimsoll", why.as_str()], Number::count(removals.only_wanted(why)));
    }
    registry.set(&REMOVALS, &["leader", ""], Number::count(removals.only_done()));
}
