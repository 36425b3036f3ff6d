//! The program itself: its build, its time, its memory, and whether it leads. No reading: numbers come from outside.
//!
//! The `process_` families are those of `github.com/prometheus/client_golang` v1.23 `prometheus/process_collector.go`, the lease's that of
//! `k8s.io/client-go` v0.36 `tools/leaderelection/metrics.go`, `karpenter_build_info` that of `sigs.k8s.io/karpenter` v1.14.1 `pkg/operator/operator.go`.

use super::family::Family;
use super::registry::{Number, Registry};

pub(super) static CPU: Family =
    Family::counter("process_cpu_seconds_total", &[], "CPU time that the program has used.");
pub(super) static RESIDENT: Family =
    Family::gauge("process_resident_memory_bytes", &[], "Memory that the program has in RAM.");
pub(super) static VIRTUAL: Family =
    Family::gauge("process_virtual_memory_bytes", &[], "Address space that the program has.");
pub(super) static START: Family =
    Family::gauge("process_start_time_seconds", &[], "When the program began, since the Unix epoch.");
pub(super) static MASTER: Family =
    Family::gauge("leader_election_master_status", &["name"], "1 while this one holds the lease, else 0.");
pub(super) static BUILD: Family = Family::gauge(
    "karpenter_build_info",
    &["version", "goversion", "goarch", "commit"],
    "1, with the version in its labels. `goversion` is empty: it is not Go.",
);

pub(super) static ALL: &[&Family] = &[&CPU, &RESIDENT, &VIRTUAL, &START, &MASTER, &BUILD];

/// What whoever runs the program knows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// CPU time used, milliseconds.
    pub cpu_ms: i64,
    /// `VmRSS`, bytes.
    pub resident_bytes: i64,
    /// `VmSize`, bytes.
    pub virtual_bytes: i64,
    /// When it began, milliseconds of the Unix epoch.
    pub started_unix_ms: i64,
    /// The lease's name, and whether this one holds it.
    pub lease: (String, bool),
    /// Its version.
    pub version: &'static str,
}

impl Process {
    /// As series.
    pub fn scrape(&self, now: &mut Registry) {
        now.set(&CPU, &[], Number::thousandths(self.cpu_ms));
        now.set(&RESIDENT, &[], Number::whole(self.resident_bytes));
        now.set(&VIRTUAL, &[], Number::whole(self.virtual_bytes));
        now.set(&START, &[], Number::thousandths(self.started_unix_ms));
        now.set(&MASTER, &[&self.lease.0], Number::flag(self.lease.1));
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        now.set(&BUILD, &[self.version, "", arch, ""], Number::whole(1));
    }

    /// Takes memory out of the text of `/proc/self/status`.
    #[must_use]
    pub fn with_status(mut self, text: &str) -> Process {
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kib =
                line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<i64>().ok());
            kib.unwrap_or(0).saturating_mul(1_024)
        };
        (self.resident_bytes, self.virtual_bytes) = (bytes("VmRSS:"), bytes("VmSize:"));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_process() {
        let process = Process::default().with_status("Name:\tp\nVmSize:\t  2048 kB\nVmRSS:\t   10 kB\n");
        assert_eq!((process.resident_bytes, process.virtual_bytes), (10_240, 2_097_152));
    }
}
