//! What the program answers over HTTP: `/metrics` at one port, `/healthz` and `/readyz` at another.
//!
//! Paths and ports are those of `sigs.k8s.io/karpenter` v1.14.1 `pkg/operator/operator.go`. Healthy is who goes round its loop;
//! ready is who can reach the API server and finds the kinds that it needs there, leading or not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::text::CONTENT_TYPE;

/// Who has not gone round its loop for this long is stuck, milliseconds. One decision for thousands of pods takes seconds.
const STUCK_MS: i64 = 5 * 60_000;
/// Who asks for metrics waits no longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Connections at once.
const CONNECTIONS: usize = 64;

/// Somebody asks for metrics: where the text goes.
pub type Scrape = oneshot::Sender<String>;

/// How the program is, as others see it.
#[derive(Debug)]
pub struct State {
    /// When the loop last went round, milliseconds of the Unix epoch; 0 while there is none.
    round_unix_ms: AtomicI64,
    ready: AtomicBool,
    now: fn() -> i64,
}

impl State {
    /// Neither going round nor ready.
    pub fn new(now: fn() -> i64) -> Arc<State> {
        Arc::new(State { round_unix_ms: AtomicI64::new(0), ready: AtomicBool::new(false), now })
    }

    /// The loop goes round.
    pub fn goes_round(&self) {
        self.round_unix_ms.store((self.now)(), Ordering::Relaxed);
    }

    /// The API server answers and has the kinds.
    pub fn is_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    fn healthy(&self) -> bool {
        let last = self.round_unix_ms.load(Ordering::Relaxed);
        last == 0 || (self.now)().saturating_sub(last) < STUCK_MS
    }
}

/// Answers `/metrics`; nothing else. Every question goes to `ask`.
///
/// # Errors
/// When the port is taken.
pub async fn serve_metrics(port: u16, ask: mpsc::Sender<Scrape>) -> anyhow::Result<()> {
    serve(port, move |path| {
        let ask = ask.clone();
        async move {
            if path != "/metrics" {
                return (StatusCode::NOT_FOUND, "not found\n".to_owned());
            }
            let (tell, told) = oneshot::channel();
            let asked = async {
                ask.send(tell).await.ok()?;
                told.await.ok()
            };
            match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Some(text)) => (StatusCode::OK, text),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "no answer\n".to_owned()),
            }
        }
    })
    .await
}

/// Answers `/healthz` and `/readyz`.
///
/// # Errors
/// When the port is taken.
pub async fn serve_health(port: u16, state: Arc<State>) -> anyhow::Result<()> {
    serve(port, move |path| {
        let (healthy, ready) = (state.healthy(), state.ready.load(Ordering::Relaxed));
        async move {
            let holds = match path.as_str() {
                "/healthz" => healthy,
                "/readyz" => healthy && ready,
                _ => return (StatusCode::NOT_FOUND, "not found\n".to_owned()),
            };
            let code = if holds { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (code, if holds { "ok".to_owned() } else { "not yet\n".to_owned() })
        }
    })
    .await
}

/// Listens, and answers in the background until the program ends.
async fn serve<A, F>(port: u16, answer: A) -> anyhow::Result<()>
where
    A: Fn(String) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = (StatusCode, String)> + Send + 'static,
{
    let address = SocketAddr::from(([0, 0, 0, 0], port));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        anyhow::anyhow!(
            "port {port}: {error}; METRICS_PORT and HEALTH_PROBE_PORT say which to use, 0 for none"
        )
    })?;
    let room = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    tokio::spawn(async move {
        while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let answered = answer(request.uri().path().to_owned());
                    async move { Ok::<_, std::convert::Infallible>(response(answered.await)) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE)
                    .serve_connection(TokioIo::new(stream), service);
                let _ = connection.await;
                drop(permit);
            });
        }
    });
    Ok(())
}

fn response((code, text): (StatusCode, String)) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = code;
    let kind = hyper::header::HeaderValue::from_static(CONTENT_TYPE);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}
