//! `faults`: plays seeds on all cores, and prints those that fail with what it takes to play them again.

#![allow(clippy::print_stdout, reason = "it talks to the terminal")]

use std::process::ExitCode;

use faults::fault::Group;
use faults::many::many;

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
    let played = many(first, count, &groups);
    print!("{}", played.text(&groups));
    if played.failing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
