//! The work whose instructions are counted: `cargo xtask instructions` runs this under callgrind and compares with
//! `instructions.toml` beside it. Alone it does the work and says its names, in order, and no more.
//!
//! Small sizes of what has a bar (`bars` here, `growth` of `scheduling`): what grows shows in those, what becomes dearer
//! shows here. One thread, no clock, no files. Only [`measured`] is counted, so inputs are made outside it.

#![allow(clippy::print_stdout, reason = "a bench talks to the terminal")]
#![allow(clippy::unwrap_used, reason = "a bench may stop")]

use std::collections::{BTreeMap, BTreeSet};

use oracle::karpenter::ground::Ground;
use oracle::karpenter::mix::{Mix, Pods, Types};
use provisioning::Policy;
use provisioning::disruption::candidate::Held;
use provisioning::disruption::consolidation;
use scheduling::testing::mixes::MIXES;

/// Nodes and pods of kube-scheduler's mixes.
const NODES: u32 = 200;
const PODS: u32 = 300;

/// What callgrind counts; its name is all that it knows of this program.
#[inline(never)]
fn measured(name: &str, work: &mut dyn FnMut()) {
    work();
    println!("{name}");
}

fn main() {
    let diverse = |count| Mix::new(Pods::Diverse, count);
    let ground = |mix: Mix| Ground::of(&mix.objects()).unwrap();
    for (name, mix) in [
        ("karpenter: mix", diverse(1_000)),
        ("karpenter: mix on real types", Mix { types: Types::Real, ..diverse(300) }),
        ("karpenter: preferences", Mix::new(Pods::Preferring, 500)),
        ("karpenter: too large", Mix::new(Pods::TooLarge, 1_000)),
        ("karpenter: limits", Mix { cpu_limit: 10, ..diverse(500) }),
    ] {
        let ground = ground(mix);
        measured(name, &mut || {
            std::hint::black_box(ground.solve(Policy::Karpenter));
        });
    }
    for (name, mix) in
        [("plimsoll: mix", diverse(500)), ("plimsoll: preferences", Mix::new(Pods::Preferring, 200))]
    {
        let ground = ground(mix);
        let addresses = ground.addresses();
        measured(name, &mut || {
            std::hint::black_box(ground.solve(Policy::Plimsoll(&addresses)));
        });
    }
    sweep(ground(Mix::new(Pods::Plain, 500)).with_types(|name| name == "fake-it-14"));
    for mix in &MIXES {
        let mut ground = mix.ground(NODES, PODS);
        measured(&format!("kube-scheduler: {}", mix.name), &mut || {
            std::hint::black_box(ground.play(0..PODS));
        });
    }
}

/// Every node of a cluster alone.
fn sweep(ground: Ground) {
    let plan = ground.solve(Policy::Karpenter);
    let ground = ground.settled(&plan);
    let (going, nominated) = (BTreeSet::new(), BTreeMap::new());
    let held =
        Held { going: &going, nominated: &nominated, buffered: &BTreeSet::new(), policy: Policy::Karpenter };
    measured("karpenter: each node alone", &mut || {
        std::hint::black_box(consolidation::alone(&ground.cluster, &ground.market, held));
    });
}
