//! Wall time, CPU time and memory of the plans that have a bar: `cargo bench -p oracle --bench bars [-- NAME…]`.
//!
//! Each is made in a process of its own, a few times; the least of CPU time counts, because the machine may be busy
//! with other things. Memory is the peak of the process while it plans, with the program's own allocator, and what the
//! plan added to it; the rest is the cluster, and what reading its JSON leaves behind. Linux only: times and peaks are
//! those of `/proc/self`.

#![allow(clippy::print_stdout, reason = "a bench talks to the terminal")]
#![allow(clippy::disallowed_methods, reason = "a bench looks at the clock")]
#![allow(clippy::unwrap_used, reason = "a bench may stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use oracle::karpenter::ground::Ground;
use oracle::karpenter::mix::{Mix, Pods, Types};
use provisioning::disruption::candidate::Held;
use provisioning::disruption::consolidation;
use provisioning::{Policy, Solution};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;

/// What is measured, and its bar.
struct Row {
    name: &'static str,
    bar: &'static str,
    work: Work,
}

/// A plan, or a sweep over nodes.
#[derive(Clone, Copy)]
enum Work {
    Karpenter(Mix),
    Plimsoll(Mix),
    /// Every node of a cluster with so many pods alone.
    Sweep(usize),
}

fn rows() -> Vec<Row> {
    let diverse = |count| Mix::new(Pods::Diverse, count);
    let real = Mix { types: Types::Real, ..diverse(20_000) };
    let preferring = Mix::new(Pods::Preferring, 4_000);
    let limited = |count| Mix { cpu_limit: 10, ..diverse(count) };
    let row = |name, bar, work| Row { name, bar, work };
    use Work::{Karpenter, Plimsoll, Sweep};
    vec![
        row("mix 1,000", "", Karpenter(diverse(1_000))),
        row("mix 5,000", "", Karpenter(diverse(5_000))),
        row("mix 20,000", "1 s, 300 MiB", Karpenter(diverse(20_000))),
        row("mix 50,000", "", Karpenter(diverse(50_000))),
        row("mix 100,000", "1,000's a pod ± 20 %", Karpenter(diverse(100_000))),
        row("real 20,000", "2 s", Karpenter(real)),
        row("preferences 1,000", "", Karpenter(Mix { count: 1_000, ..preferring })),
        row("preferences 4,000", "0.5 s", Karpenter(preferring)),
        row("preferences 20,000", "", Karpenter(Mix { count: 20_000, ..preferring })),
        row("preferences 100,000", "1,000's a pod ± 20 %", Karpenter(Mix { count: 100_000, ..preferring })),
        row("too large 15,000", "1 s", Karpenter(Mix::new(Pods::TooLarge, 15_000))),
        row("limits 1,000", "", Karpenter(limited(1_000))),
        row("limits 15,000", "1 s, linear", Karpenter(limited(15_000))),
        row("limits 100,000", "1,000's a pod ± 20 %", Karpenter(limited(100_000))),
        row("plimsoll mix 20,000", "2 s", Plimsoll(diverse(20_000))),
        row("plimsoll real 20,000", "4 s", Plimsoll(real)),
        row("plimsoll preferences 4,000", "1 s", Plimsoll(preferring)),
        row("sweep 20,000", "10 s", Sweep(20_000)),
    ]
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|own| !own.starts_with("--")).collect();
    if let [only, name] = asked.as_slice()
        && only == "only"
    {
        let rows = rows();
        return measure(rows.iter().find(|row| row.name == name).unwrap());
    }
    println!(
        "| Work | Bar | CPU | CPU a pod | Wall | Peak | The plan's | Nodes |\n|---|---|---|---|---|---|---|---|"
    );
    for row in rows().iter().filter(|row| asked.is_empty() || asked.iter().any(|own| row.name.contains(own)))
    {
        let out = Command::new(std::env::current_exe().unwrap()).args(["only", row.name]).output().unwrap();
        print!("{}", String::from_utf8_lossy(&out.stdout));
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

fn measure(row: &Row) {
    let (mix, count) = match row.work {
        Work::Karpenter(mix) | Work::Plimsoll(mix) => (mix, mix.count),
        // Nodes of one size, of which about 20 pods fill one.
        Work::Sweep(count) => (Mix::new(Pods::Plain, count), count),
    };
    let mut ground = Ground::of(&mix.objects()).unwrap();
    if matches!(row.work, Work::Sweep(_)) {
        ground = ground.with_types(|name| name == "fake-it-14");
        let plan = ground.solve(Policy::Karpenter);
        ground = ground.settled(&plan);
    }
    let addresses = ground.addresses();
    let (mut cpu, mut wall, mut nodes) = (Duration::MAX, Duration::MAX, 0);
    let (mut peak_kib, mut own_kib) = (0, 0);
    let rounds = if matches!(row.work, Work::Sweep(_)) { 1 } else { ROUNDS };
    for _ in 0..rounds {
        let _ = fs::write("/proc/self/clear_refs", "5");
        let before_kib = status_kib("VmRSS");
        let (started, used) = (Instant::now(), cpu_time());
        nodes = match row.work {
            Work::Karpenter(_) => planned(ground.solve(Policy::Karpenter)),
            Work::Plimsoll(_) => planned(ground.solve(Policy::Plimsoll(&addresses))),
            Work::Sweep(_) => sweep(&ground),
        };
        cpu = cpu.min(cpu_time() - used);
        wall = wall.min(started.elapsed());
        let high_kib = status_kib("VmHWM");
        peak_kib = peak_kib.max(high_kib);
        own_kib = own_kib.max(high_kib.saturating_sub(before_kib));
    }
    println!(
        "| {} | {} | {} ms | {} ns | {} ms | {} MiB | {} MiB | {nodes} |",
        row.name,
        row.bar,
        cpu.as_millis(),
        cpu.as_nanos() / count as u128,
        wall.as_millis(),
        peak_kib / 1024,
        own_kib / 1024,
    );
}

fn planned(plan: Solution) -> usize {
    plan.new_claims.len()
}

/// Tries every node alone; how many there are.
fn sweep(ground: &Ground) -> usize {
    let (going, nominated) = (BTreeSet::new(), BTreeMap::new());
    let held =
        Held { going: &going, nominated: &nominated, buffered: &BTreeSet::new(), policy: Policy::Karpenter };
    std::hint::black_box(consolidation::alone(&ground.cluster, &ground.market, held));
    ground.cluster.nodes.len()
}

/// CPU time of this process' one thread.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

fn status_kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
