//! The controller on a real API server: watches tell the [`Edge`], and what it wants done goes to the lanes. Nothing is
//! decided here.

use tokio::sync::mpsc;

use crate::Resource;
use crate::edge::Edge;
pub use crate::edge::Settings;
use crate::lanes::Lanes;
use crate::lease::Lease;
use crate::watch::watch;

/// Messages of watches that wait.
const WATCH_QUEUE: usize = 16_384;
/// Messages that are taken in before the next decision.
const AT_ONCE: usize = 8_192;

/// Runs until `stop` is told; `now` is the wall clock, milliseconds of the Unix epoch.
///
/// # Errors
/// When the lease is lost.
pub async fn run(
    client: kube::Client,
    settings: Settings,
    lease: Lease,
    now: fn() -> i64,
    mut stop: mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    tokio::select! {
        _ = stop.recv() => return Ok(()),
        () = lease.acquire() => tracing::info!("leads"),
    }
    let (lost_tell, mut lost) = mpsc::channel(1);
    tokio::spawn(lease.clone().keep(lost_tell));
    let (tell, mut told) = mpsc::channel(WATCH_QUEUE);
    for resource in Resource::WATCHED {
        tokio::spawn(watch(client.clone(), resource, tell.clone()));
    }
    let (done_tell, mut done) = mpsc::unbounded_channel();
    let lanes = Lanes::open(&client, &done_tell);
    let mut edge = Edge::new(settings, now());
    loop {
        tokio::select! {
            _ = stop.recv() => {
                lease.release().await;
                return Ok(());
            }
            _ = lost.recv() => anyhow::bail!("the lease is lost: another controller may lead"),
            Some(first) = told.recv() => {
                edge.hear(first, now());
                for _ in 0..AT_ONCE {
                    match told.try_recv() {
                        Ok(next) => edge.hear(next, now()),
                        Err(_) => break,
                    }
                }
            }
            Some(first) = done.recv() => {
                edge.finish(first, now());
                while let Ok(next) = done.try_recv() {
                    edge.finish(next, now());
                }
            }
            () = tokio::time::sleep(edge.pause()) => {}
        }
        for work in edge.act(now()) {
            lanes.submit(work).await;
        }
    }
}
