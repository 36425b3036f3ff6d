//! The controller on a real API server: watches tell the [`Edge`], and what it wants done goes to the lanes. Nothing is
//! decided here.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use kube::api::{Api, DynamicObject, ListParams};
use tokio::sync::mpsc;

use crate::Resource;
pub use crate::edge::Settings;
use crate::edge::{Done, Edge, Told};
use crate::health::{self, Scrape, State};
use crate::lanes::Lanes;
use crate::lease::Lease;
use crate::metrics::process::Process;
use crate::metrics::registry::Registry;
use crate::metrics::{text, traffic};
use crate::record::Tape;
use crate::watch::watch;

/// Messages of watches that wait.
const WATCH_QUEUE: usize = 16_384;
/// Messages that are taken in before the next decision.
const AT_ONCE: usize = 8_192;
/// Questions for metrics that wait.
const SCRAPES: usize = 16;
/// How long work that is under way may take when the program is told to end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// What the program is given by whoever starts it.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// The wall clock, milliseconds of the Unix epoch.
    pub now: fn() -> i64,
    /// What is known of the process; whether it holds the lease is filled in here.
    pub process: fn() -> Process,
    /// `METRICS_PORT`; 0 for none.
    pub metrics_port: u16,
    /// `HEALTH_PROBE_PORT`; 0 for none.
    pub health_port: u16,
}

/// A recording, and where its lines go: a receiver that is too slow ends it, and holds nobody up.
#[derive(Debug)]
pub struct Recording {
    /// Begun with the controller's settings.
    pub tape: Tape,
    /// Lines, some at a time.
    pub sink: SyncSender<Vec<String>>,
}

/// Runs until `stop` is told: work that is under way is brought to its end, and the lease is given up.
///
/// # Errors
/// When a port is taken, or the lease is lost.
pub async fn run(
    client: kube::Client,
    settings: Settings,
    lease: Lease,
    host: Host,
    recording: Option<Recording>,
    mut stop: mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    let state = State::new(host.now);
    let (ask, scrapes) = mpsc::channel(SCRAPES);
    if host.metrics_port != 0 {
        health::serve_metrics(host.metrics_port, ask).await?;
    }
    if host.health_port != 0 {
        health::serve_health(host.health_port, Arc::clone(&state)).await?;
    }
    tokio::spawn(find_kinds(client.clone(), Arc::clone(&state)));
    let mut edge = Edge::new(settings, (host.now)());
    let sink = recording.map(|Recording { tape, sink }| {
        edge.record(tape);
        sink
    });
    let mut answers = Answers { scrapes, host, lease: lease.name().to_owned(), leads: false };
    let mut waiting = Registry::default();
    {
        let mut acquired = std::pin::pin!(lease.acquire());
        loop {
            tokio::select! {
                _ = stop.recv() => return Ok(()),
                () = &mut acquired => break,
                Some(scrape) = answers.scrapes.recv() => answers.answer(scrape, &mut waiting),
            }
        }
    }
    tracing::info!("leads");
    answers.leads = true;
    lead(client, Desk { edge, sink }, lease, state, answers, stop).await
}

/// The edge, and where its recording goes.
struct Desk {
    edge: Edge,
    sink: Option<SyncSender<Vec<String>>>,
}

impl Desk {
    /// Hands on what was recorded.
    fn hand_on(&mut self) {
        let (Some(sink), Some(tape)) = (&self.sink, self.edge.tape()) else { return };
        let lines = tape.take();
        let ended = tape.has_ended();
        let full = !lines.is_empty() && sink.try_send(lines).is_err();
        if full || ended {
            tracing::warn!(too_slow = full, at_its_limit = ended, "the recording ends here");
            self.edge.end_recording();
            self.sink = None;
        }
    }
}

/// Hears, decides and submits while it holds the lease.
async fn lead(
    client: kube::Client,
    mut desk: Desk,
    lease: Lease,
    state: Arc<State>,
    mut answers: Answers,
    mut stop: mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    let now = answers.host.now;
    let (lost_tell, mut lost) = mpsc::channel(1);
    tokio::spawn(lease.clone().keep(lost_tell));
    let (tell, mut told) = mpsc::channel(WATCH_QUEUE);
    for resource in Resource::WATCHED {
        tokio::spawn(watch(client.clone(), resource, tell.clone()));
    }
    let (done_tell, mut done) = mpsc::unbounded_channel();
    let lanes = Lanes::open(&client, now, &done_tell);
    let mut decisions = Registry::default();
    loop {
        state.goes_round();
        desk.hand_on();
        let edge = &mut desk.edge;
        tokio::select! {
            _ = stop.recv() => {
                end(edge, &mut done, now).await;
                desk.hand_on();
                lease.release().await;
                return Ok(());
            }
            _ = lost.recv() => anyhow::bail!("the lease is lost: another controller may lead"),
            Some(first) = told.recv() => hear_all(edge, first, &mut told, now),
            Some(first) = done.recv() => {
                edge.finish(first, now());
                while let Ok(next) = done.try_recv() {
                    edge.finish(next, now());
                }
            }
            Some(scrape) = answers.scrapes.recv() => {
                let mut all = edge.scrape(now());
                all.merge(lanes.traffic());
                all.merge(decisions.clone());
                answers.answer(scrape, &mut all);
                continue;
            }
            () = tokio::time::sleep(edge.pause()) => {}
        }
        let since = now();
        let wanted = edge.act(since);
        if !wanted.is_empty() {
            traffic::decided(&mut decisions, now().saturating_sub(since));
        }
        for work in wanted {
            lanes.submit(work).await;
        }
    }
}

fn hear_all(edge: &mut Edge, first: Told, told: &mut mpsc::Receiver<Told>, now: fn() -> i64) {
    edge.hear(first, now());
    for _ in 0..AT_ONCE {
        match told.try_recv() {
            Ok(next) => edge.hear(next, now()),
            Err(_) => break,
        }
    }
}

/// Waits for the work that is under way; nothing new is begun.
async fn end(edge: &mut Edge, done: &mut mpsc::UnboundedReceiver<Done>, now: fn() -> i64) {
    tracing::info!(work = edge.in_flight(), "told to end; work under way comes to its end first");
    let all = async {
        while edge.in_flight() > 0 {
            match done.recv().await {
                Some(next) => edge.finish(next, now()),
                None => break,
            }
        }
    };
    if tokio::time::timeout(END_WITHIN, all).await.is_err() {
        tracing::warn!(
            work = edge.in_flight(),
            "ends before its work does; the next one finds what is missing"
        );
    }
}

/// Who asks for metrics, and what the program says of itself.
struct Answers {
    scrapes: mpsc::Receiver<Scrape>,
    host: Host,
    lease: String,
    leads: bool,
}

impl Answers {
    /// Answers this one, and who else waits, with the same.
    fn answer(&mut self, first: Scrape, registry: &mut Registry) {
        let mut process = (self.host.process)();
        process.lease = (self.lease.clone(), self.leads);
        process.scrape(registry);
        let text = text::render(registry);
        while let Ok(next) = self.scrapes.try_recv() {
            let _ = next.send(text.clone());
        }
        let _ = first.send(text);
    }
}

/// Waits until the API server answers and has the kinds that a controller cannot be without.
async fn find_kinds(client: kube::Client, state: Arc<State>) {
    for resource in [Resource::NodePool, Resource::NodeClaim] {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource.api());
        let one = ListParams::default().limit(1);
        while let Err(error) = api.list_metadata(&one).await {
            tracing::warn!(kind = resource.kind(), %error, "cannot be listed; are the CRDs installed?");
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
    state.is_ready();
}
