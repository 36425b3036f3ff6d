//! Waiting for what must come true on a live cluster: looks again and again until a deadline, and says what it saw
//! last. The one place that knows the time.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// How long a look is put off: short against everything that is waited for, long against what a look costs.
const GLANCE: Duration = Duration::from_millis(100);

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// It has come true.
    Done(T),
    /// Not yet: how things stand.
    NotYet(String),
}

impl Seen<()> {
    /// Done if it holds; else how things stand.
    pub fn when(holds: bool, state: impl FnOnce() -> String) -> Seen<()> {
        if holds { Seen::Done(()) } else { Seen::NotYet(state()) }
    }
}

/// A running stop-watch.
#[derive(Clone, Copy, Debug)]
pub struct Watch(Instant);

impl Watch {
    /// Starts it.
    pub fn start() -> Watch {
        Watch(Instant::now())
    }

    /// What it shows.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Looks until it is done. A look that fails is a look in vain: a control plane that starts, or is under load,
/// refuses some calls.
pub async fn until<T>(what: &str, within: Duration, look: impl AsyncFnMut() -> Result<Seen<T>>) -> Result<T> {
    until_or(what, within, look, || None).await
}

/// Looks until it is done, or until something has ended that all depends on: `complaint` says what.
pub async fn until_or<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Seen<T>>,
    mut complaint: impl FnMut() -> Option<String>,
) -> Result<T> {
    let watch = Watch::start();
    loop {
        let left = within.saturating_sub(watch.elapsed()).max(GLANCE);
        let state = match tokio::time::timeout(left, look()).await {
            Ok(Ok(Seen::Done(value))) => return Ok(value),
            Ok(Ok(Seen::NotYet(state))) => state,
            Ok(Err(problem)) => format!("{problem:#}"),
            Err(_) => "no answer".to_owned(),
        };
        if let Some(complaint) = complaint() {
            bail!("while waiting for {what}: {complaint}");
        }
        if watch.elapsed() >= within {
            bail!("not within {within:?}: {what}; at the end: {state}");
        }
        sleep(GLANCE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(150);

    #[tokio::test]
    async fn it_is_done_when_a_look_says_so() {
        let mut looks = 0;
        let look = async || {
            looks += 1;
            Ok(if looks < 3 { Seen::NotYet(String::new()) } else { Seen::Done(looks) })
        };
        assert_eq!(until("three", LONG, look).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn the_deadline_says_what_was_seen_last() {
        let problem = until("a node", SHORT, async || Ok(Seen::when(false, || "2 of 3".into()))).await;
        assert_eq!(problem.unwrap_err().to_string(), "not within 150ms: a node; at the end: 2 of 3");
        let problem = until::<()>("a node", SHORT, async || bail!("refused")).await;
        assert_eq!(problem.unwrap_err().to_string(), "not within 150ms: a node; at the end: refused");
    }

    #[tokio::test]
    async fn a_look_that_hangs_ends_at_the_deadline() {
        let hangs = async || {
            std::future::pending::<()>().await;
            Ok(Seen::Done(()))
        };
        let problem = until("an answer", SHORT, hangs).await.unwrap_err();
        assert_eq!(problem.to_string(), "not within 150ms: an answer; at the end: no answer");
    }

    #[tokio::test]
    async fn nothing_is_awaited_from_the_dead() {
        let watch = Watch::start();
        let look = async || Ok(Seen::when(false, String::new));
        let problem = until_or("a node", LONG, look, || Some("kwok died".into())).await.unwrap_err();
        assert_eq!(problem.to_string(), "while waiting for a node: kwok died");
        assert!(watch.elapsed() < Duration::from_secs(5));
    }
}
