//! `--timings`: how long each part took, on standard error. The only place that looks at a clock.

#![allow(clippy::disallowed_methods, reason = "wall-clock times are for the person at the terminal only")]

use std::time::{Duration, Instant};

/// Marks since the start.
pub struct Timings {
    enabled: bool,
    last: Instant,
    marks: Vec<(&'static str, Duration)>,
}

impl Timings {
    /// Starts; keeps quiet unless `enabled`.
    pub fn start(enabled: bool) -> Timings {
        Timings { enabled, last: Instant::now(), marks: Vec::new() }
    }

    /// Ends the part that has just been done.
    pub fn mark(&mut self, part: &'static str) {
        let now = Instant::now();
        self.marks.push((part, now - self.last));
        self.last = now;
    }

    /// Prints all parts.
    pub fn print(&self) {
        if !self.enabled {
            return;
        }
        for (part, took) in &self.marks {
            anstream::eprintln!("{part:>8}  {:>9.3} ms", took.as_secs_f64() * 1000.0);
        }
    }
}
