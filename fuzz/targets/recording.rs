//! Any text as a recording: it is read or refused with lines that are there, and what is read can be played.

#![no_main]

use kubernetes::record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match record::read(text) {
        Ok(recording) => {
            let _ = record::replay(&recording);
        }
        Err(problems) => {
            let lines = text.lines().count().max(1);
            assert!(!problems.is_empty() && problems.iter().all(|problem| (1..=lines).contains(&problem.line)));
        }
    }
});
