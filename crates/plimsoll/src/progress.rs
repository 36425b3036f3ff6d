//! A line on standard error while work takes long: what is judged, and how many sets of changes were run. Only on a
//! terminal, only after half a second, never with `--quiet`; it is gone before anything else is printed.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two pictures.
const PICTURE: Duration = Duration::from_millis(100);

/// Sets of changes that were run so far, in all clusters.
pub static SETS_RUN: AtomicU64 = AtomicU64::new(0);

/// The line; it ends when this is dropped.
pub struct Progress {
    subject: Arc<Mutex<String>>,
    painter: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts, if anybody looks.
    pub fn start(quiet: bool, ascii: bool) -> Progress {
        let subject = Arc::new(Mutex::new(String::new()));
        let is_watched = !quiet && std::io::stderr().is_terminal();
        let painter = is_watched.then(|| {
            let (done, told) = channel();
            let subject = Arc::clone(&subject);
            (done, std::thread::spawn(move || paint(&told, &subject, ascii)))
        });
        Progress { subject, painter }
    }

    /// What is worked on from here.
    pub fn on(&self, subject: &str) {
        if let Ok(mut known) = self.subject.lock() {
            subject.clone_into(&mut known);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((done, painter)) = self.painter.take() {
            drop(done);
            let _ = painter.join();
        }
    }
}

/// Paints until the other end is dropped, then wipes.
fn paint(told: &Receiver<()>, subject: &Mutex<String>, ascii: bool) {
    if told.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let marks = if ascii { "|/-\\ " } else { "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ " };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style.tick_chars(marks));
    }
    loop {
        let subject = subject.lock().map(|subject| subject.clone()).unwrap_or_default();
        bar.set_message(message(&subject, SETS_RUN.load(Ordering::Relaxed)));
        bar.tick();
        if told.recv_timeout(PICTURE) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    bar.finish_and_clear();
}

fn message(subject: &str, sets_run: u64) -> String {
    let of = if subject.is_empty() { String::new() } else { format!("{subject}: ") };
    match sets_run {
        0 => format!("{of}booting in simulation"),
        1 => format!("{of}looking for remedies, 1 set of changes run"),
        more => format!("{of}looking for remedies, {more} sets of changes run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_done() {
        assert_eq!(message("", 0), "booting in simulation");
        assert_eq!(message("dev", 0), "dev: booting in simulation");
        assert_eq!(message("dev", 1), "dev: looking for remedies, 1 set of changes run");
    }
}
