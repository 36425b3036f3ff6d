//! `faults`: plays seeds on all cores, and prints those that fail with what it takes to play them again.

#![allow(clippy::print_stdout, reason = "it talks to the terminal")]

use std::process::ExitCode;

use faults::fault::Group;
use faults::play::play;
use faults::{generate, said, shrink};
use rayon::prelude::*;

/// `faults COUNT [FIRST [GROUP,…]]`.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse::<u64>().ok());
    let (count, first) = (number(0).unwrap_or(200), number(1).unwrap_or(0));
    let groups: Vec<Group> = match arguments.get(2) {
        Some(names) => {
            Group::ALL.into_iter().filter(|own| names.split(',').any(|name| name == own.name())).collect()
        }
        None => Group::ALL.to_vec(),
    };
    let failing: Vec<(u64, Vec<String>)> = (first..first.saturating_add(count))
        .into_par_iter()
        .filter_map(|seed| {
            let outcome = play(&generate::play(seed, &groups));
            let kinds = outcome.kinds().into_iter().map(str::to_owned).collect();
            (!outcome.is_well()).then_some((seed, kinds))
        })
        .collect();
    for (seed, kinds) in &failing {
        println!("seed {seed}: {}", kinds.join("; "));
    }
    println!("{} of {count} seeds fail", failing.len());
    let Some((seed, _)) = failing.first() else { return ExitCode::SUCCESS };
    println!("\nplay it again: {}\nshrunk:", said::command(*seed, &groups));
    let smallest = shrink::shrink(generate::play(*seed, &groups));
    println!("{}", said::text(&smallest, &play(&smallest), true));
    ExitCode::FAILURE
}
