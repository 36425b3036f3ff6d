//! CPU time per pod in kube-scheduler's own mixes on 5,000 nodes, as the number of pods grows to 100,000:
//! `cargo bench -p scheduling --features testing --bench growth [-- MIX]`.
//!
//! One thread, one run of each mix. CPU time rather than wall time, so that a busy machine does not decide.

#![allow(clippy::print_stdout, reason = "a table for the terminal")]

use scheduling::testing::mixes::{MIXES, Mix, Played};

const NODES: u32 = 5_000;
/// Where the first and the last pods are measured, and what upstream measures comes in between.
const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!(
        "| Mix | Pods upstream measures | Pods/s | ns a pod to 1,000 | to 10,000 | to 100,000 | the last 1,000 | Decisions |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for mix in MIXES.iter().filter(|mix| only.is_empty() || only.iter().any(|name| name == mix.name)) {
        measure(mix);
    }
}

fn measure(mix: &Mix) {
    let whole = measured(mix, mix.size(), &[mix.size()]);
    let (nanoseconds, played) = whole[0];
    let rate = u128::from(mix.size()) * 1_000_000_000 / nanoseconds.max(1);
    let last = SIZES[2] - 1_000;
    let parts = measured(mix, SIZES[2], &[SIZES[0], SIZES[1], last, SIZES[2]]);
    let times: Vec<u128> = parts.iter().map(|(nanoseconds, _)| *nanoseconds).collect();
    let growth = [
        times[0] / 1_000,
        (times[0] + times[1]) / 10_000,
        times.iter().sum::<u128>() / 100_000,
        times[3] / 1_000,
    ];
    let growth = growth.map(|nanoseconds| nanoseconds.to_string()).join(" | ");
    let fingerprint =
        parts.iter().fold(played.fingerprint, |all, (_, part)| all.rotate_left(7) ^ part.fingerprint);
    println!("| {} | {} | {rate} | {growth} | {fingerprint:016x} |", mix.name, mix.size());
}

/// CPU time of each part of a run, in nanoseconds, and what came of it; parts end at `ends`.
fn measured(mix: &Mix, pods: u32, ends: &[u32]) -> Vec<(u128, Played)> {
    let mut ground = mix.ground(NODES, pods);
    let mut begin = 0;
    let mut parts = Vec::new();
    for end in ends {
        let before = cpu_time_ns();
        let played = ground.play(begin..*end);
        parts.push((cpu_time_ns() - before, played));
        assert_eq!(played.placed, end - begin, "{}: pods without a node", mix.name);
        begin = *end;
    }
    parts
}

/// CPU time of this thread, in nanoseconds.
#[cfg(unix)]
fn cpu_time_ns() -> u128 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u128::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u128::try_from(time.tv_nsec).unwrap_or(0)
}

/// Elsewhere: wall time.
#[cfg(not(unix))]
#[allow(clippy::disallowed_methods, reason = "a benchmark measures")]
fn cpu_time_ns() -> u128 {
    use std::sync::OnceLock;
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos()
}
