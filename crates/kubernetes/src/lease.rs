//! Leading: of several controllers only the one that holds the lease acts.
//!
//! Follows `k8s.io/client-go` v0.36 `tools/leaderelection` with controller-runtime's times (15, 10 and 2 seconds). One
//! that could not renew its lease in time ends at once: another may lead already, and every write of the one before
//! that could do harm carries the version of what it was decided on.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::coordination::v1::{Lease as Wire, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::mpsc;

/// How long a lease holds without being renewed, in seconds.
const HOLDS_S: i32 = 15;
/// One that could not renew it for this long gives up, milliseconds.
const RENEW_WITHIN_MS: i64 = 10_000;
/// Between two tries.
const RETRY: Duration = Duration::from_secs(2);

/// A lease and who wants it.
#[derive(Clone)]
pub struct Lease {
    api: Api<Wire>,
    name: String,
    identity: String,
    now: fn() -> i64,
}

impl Lease {
    /// The lease of this namespace and name, for the one that calls itself `identity`.
    pub fn new(client: kube::Client, namespace: &str, name: &str, identity: &str, now: fn() -> i64) -> Lease {
        let api = Api::namespaced(client, namespace);
        Lease { api, name: name.to_owned(), identity: identity.to_owned(), now }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the lease is held.
    pub async fn acquire(&self) {
        // By this clock: when the lease was last seen to change, and how it was then.
        let mut seen: Option<(i64, Option<String>)> = None;
        loop {
            match self.try_once(&mut seen).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot ask for the lease"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Renews the lease until it is lost, and says so.
    pub async fn keep(self, lost: mpsc::Sender<()>) {
        let mut renewed = (self.now)();
        loop {
            tokio::time::sleep(RETRY).await;
            match self.try_once(&mut None).await {
                Ok(true) => renewed = (self.now)(),
                Ok(false) => break,
                Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot renew the lease"),
            }
            if (self.now)().saturating_sub(renewed) >= RENEW_WITHIN_MS {
                break;
            }
        }
        let _ = lost.send(()).await;
    }

    /// Gives the lease up, so that the next one need not wait.
    pub async fn release(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else { return };
        let held = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
        if held != Some(self.identity.as_str()) {
            return;
        }
        if let Some(spec) = &mut lease.spec {
            (spec.holder_identity, spec.lease_duration_seconds) = (None, Some(1));
        }
        let _ = self.api.replace(&self.name, &PostParams::default(), &lease).await;
    }

    /// Takes or renews the lease if nobody else holds it; true when it is held.
    async fn try_once(&self, seen: &mut Option<(i64, Option<String>)>) -> anyhow::Result<bool> {
        let now = (self.now)();
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let spec = Some(self.spec(now, 0)?);
            return self.written(self.api.create(&PostParams::default(), &Wire { metadata, spec }).await);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if !holder.is_empty() && holder != self.identity {
            // Clocks differ: what counts is how long it has not changed here.
            let version = lease.metadata.resource_version.clone();
            let since = match seen {
                Some((at, known)) if *known == version => *at,
                _ => now,
            };
            *seen = Some((since, version));
            let holds_ms = i64::from(spec.lease_duration_seconds.unwrap_or(HOLDS_S)).saturating_mul(1_000);
            if now.saturating_sub(since) < holds_ms {
                return Ok(false);
            }
        }
        let transitions =
            spec.lease_transitions.unwrap_or(0).saturating_add(i32::from(holder != self.identity));
        let mut new = self.spec(now, transitions)?;
        if holder == self.identity {
            new.acquire_time = spec.acquire_time;
        }
        lease.spec = Some(new);
        self.written(self.api.replace(&self.name, &PostParams::default(), &lease).await)
    }

    /// Whether the API server took it: somebody may have been faster.
    fn written(&self, answer: kube::Result<Wire>) -> anyhow::Result<bool> {
        match answer {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error).with_context(|| format!("lease {}", self.name)),
        }
    }

    fn spec(&self, now_unix_ms: i64, transitions: i32) -> anyhow::Result<LeaseSpec> {
        let now = MicroTime(jiff::Timestamp::from_millisecond(now_unix_ms)?);
        Ok(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(HOLDS_S),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        })
    }
}
