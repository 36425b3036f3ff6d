//! The scheduling queue: who is tried next, who backs off, who waits for something to change.
//!
//! Follows `pkg/scheduler/backend/queue/{scheduling_queue,active_queue,backoff_queue}.go` v1.36.3 with the default
//! durations. The five-minute flush of pods that nothing has moved is left out: it exists for events that a hint
//! misses, and here every change is an event, so a flushed pod would be refused for the same reasons again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use cluster::rejection::Plugin;
use cluster::{Cluster, NodeId, PodId, Timestamp};
use scheduling::{ClassId, Event, Placements, hints};

/// `podInitialBackoffSeconds`, in milliseconds.
const BACKOFF_FIRST_MS: i64 = 1_000;
/// `podMaxBackoffSeconds`, in milliseconds.
const BACKOFF_MOST_MS: i64 = 10_000;
/// How often pods whose back-off has ended are looked for; back-offs end on whole windows.
const WINDOW_MS: i64 = 1_000;

/// Order of the active queue: priority, then time in the queue, then the pod's number.
type Turn = (Reverse<i32>, Timestamp, PodId);

/// Where a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Active,
    /// Backs off after a refusal, until this instant.
    BackingOff(Timestamp),
    /// Backs off after an error, and is not tried before this instant.
    Erring(Timestamp),
    /// Found no node in the cluster: errs on, which only matters once there is one.
    Stranded,
    /// Waits for an event.
    Refused,
    /// Being tried, or given a node and not bound yet.
    InFlight,
}

/// What decides whether a hint is the same for two refused pods: who refused them, their class and the node they
/// are made for; for pods with volumes, the pod.
type Kin = (Vec<Plugin>, Option<(ClassId, Option<NodeId>)>, Option<PodId>);

/// A pod of the queue.
#[derive(Clone, Debug)]
struct Entry {
    priority: i32,
    /// When it was queued, or last tried.
    timestamp: Timestamp,
    place: Place,
    /// Refusals so far.
    refusals: u32,
    /// Errors since the last refusal.
    errors: u32,
    /// Who refused it last, and with whom it shares hints.
    kin: Kin,
}

impl Entry {
    fn turn(&self, pod: PodId) -> Turn {
        (Reverse(self.priority), self.timestamp, pod)
    }
}

/// The scheduling queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    entries: BTreeMap<PodId, Entry>,
    active: BTreeSet<Turn>,
    backing_off: BTreeSet<(Timestamp, Turn)>,
    erring: BTreeSet<(Timestamp, PodId)>,
    /// Refused pods by kin.
    refused: BTreeMap<Kin, BTreeSet<PodId>>,
    /// `SchedulerPopFromBackoffQ` (on since 1.33): an idle scheduler does not let pods sit out their back-off.
    pops_backoff: bool,
}

impl Queue {
    pub fn new(kubernetes: (u32, u32)) -> Queue {
        Queue { pops_backoff: kubernetes >= (1, 33), ..Queue::default() }
    }

    /// Queues a new pod. Does nothing for one that is known.
    pub fn add(&mut self, pod: PodId, priority: i32, now: Timestamp) {
        if self.entries.contains_key(&pod) {
            return;
        }
        let entry = Entry {
            priority,
            timestamp: now,
            place: Place::Active,
            refusals: 0,
            errors: 0,
            kin: Kin::default(),
        };
        self.active.insert(entry.turn(pod));
        self.entries.insert(pod, entry);
    }

    /// Forgets a pod.
    pub fn remove(&mut self, pod: PodId) {
        if let Some(entry) = self.entries.remove(&pod) {
            self.unlist(pod, &entry);
        }
    }

    /// The next pod to try; it is in flight until it is removed or comes back.
    pub fn pop(&mut self, now: Timestamp) -> Option<PodId> {
        self.end_backoffs(now);
        let pod = match self.active.pop_first() {
            Some((_, _, pod)) => pod,
            None if self.pops_backoff => self.backing_off.pop_first()?.1.2,
            None => return None,
        };
        if let Some(entry) = self.entries.get_mut(&pod) {
            entry.place = Place::InFlight;
        }
        Some(pod)
    }

    /// Pods whose back-off has ended are active again.
    fn end_backoffs(&mut self, now: Timestamp) {
        let over: Vec<PodId> = self
            .backing_off
            .iter()
            .take_while(|(until, _)| ready_at(*until) <= now)
            .map(|(_, turn)| turn.2)
            .chain(self.erring.iter().take_while(|(ready, _)| *ready <= now).map(|(_, pod)| *pod))
            .collect();
        for pod in over {
            self.put(pod, Place::Active);
        }
    }

    /// A pod that was tried found no node: it waits for an event that helps one of `plugins`.
    /// Pods of one `class` made for one node, if any, share hints.
    pub fn refuse(
        &mut self,
        pod: PodId,
        plugins: Vec<Plugin>,
        class: Option<(ClassId, Option<NodeId>)>,
        now: Timestamp,
    ) {
        let Some(entry) = self.entries.get_mut(&pod) else { return };
        entry.kin = (plugins, class, class.is_none().then_some(pod));
        (entry.timestamp, entry.errors) = (now, 0);
        entry.refusals = entry.refusals.saturating_add(1);
        self.put(pod, Place::Refused);
    }

    /// A pod that was tried met an error (a failed binding): it is tried again after a back-off, whatever happens.
    pub fn err(&mut self, pod: PodId, priority: i32, now: Timestamp) {
        self.add(pod, priority, now);
        let Some(entry) = self.entries.get_mut(&pod) else { return };
        self.active.remove(&entry.turn(pod));
        entry.timestamp = now;
        entry.errors = entry.errors.saturating_add(1);
        let ready = ready_at(now.after_ms(backoff_ms(entry.errors)));
        self.put(pod, Place::Erring(ready));
    }

    /// A pod was tried while there was no node at all: an error to upstream, which retries for ever. Here it waits
    /// for the first node, and is then tried when upstream's next retry would have come.
    pub fn strand(&mut self, pod: PodId, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&pod) else { return };
        (entry.timestamp, entry.place) = (now, Place::Stranded);
        entry.errors = entry.errors.saturating_add(1);
    }

    /// Moves the pods that an event may help.
    pub fn hear(&mut self, event: &Event, index: &Placements, cluster: &Cluster) {
        if matches!(event, Event::NodeAdded(_)) {
            self.unstrand(cluster.now);
        }
        let mut helped = Vec::new();
        for ((plugins, _, _), pods) in &self.refused {
            let helps = |pod: &PodId| hints::may_help(index, cluster, *pod, plugins, event);
            if pods.first().is_some_and(helps) {
                helped.extend(pods);
            }
        }
        for pod in helped {
            self.requeue(pod, cluster.now);
        }
    }

    /// Into the active queue, or first into back-off if that has not ended.
    fn requeue(&mut self, pod: PodId, now: Timestamp) {
        let Some(entry) = self.entries.get(&pod) else { return };
        let until = entry.timestamp.after_ms(backoff_ms(entry.refusals));
        let until = if self.pops_backoff { window(until) } else { until };
        let over = if self.pops_backoff { until < window(now) } else { until < now };
        self.put(pod, if over { Place::Active } else { Place::BackingOff(until) });
    }

    fn unstrand(&mut self, now: Timestamp) {
        let stranded = self.entries.iter().filter(|(_, entry)| entry.place == Place::Stranded);
        let stranded: Vec<PodId> = stranded.map(|(pod, _)| *pod).collect();
        for pod in stranded {
            let Some(entry) = self.entries.get_mut(&pod) else { continue };
            let ready = loop {
                let ready = ready_at(entry.timestamp.after_ms(backoff_ms(entry.errors)));
                if ready >= now {
                    break ready;
                }
                let step = ready.since_ms(entry.timestamp).max(1);
                let skipped = if entry.errors > 4 { (now.since_ms(ready) / step).max(1) - 1 } else { 0 };
                entry.timestamp = ready.after_ms(skipped.saturating_mul(step));
                entry.errors = entry.errors.saturating_add(1);
            };
            self.put(pod, Place::Erring(ready));
        }
    }

    fn put(&mut self, pod: PodId, place: Place) {
        let Some(mut entry) = self.entries.remove(&pod) else { return };
        self.unlist(pod, &entry);
        entry.place = place;
        match place {
            Place::Active => drop(self.active.insert(entry.turn(pod))),
            Place::BackingOff(until) => drop(self.backing_off.insert((until, entry.turn(pod)))),
            Place::Erring(ready) => drop(self.erring.insert((ready, pod))),
            Place::Refused => drop(self.refused.entry(entry.kin.clone()).or_default().insert(pod)),
            Place::Stranded | Place::InFlight => {}
        }
        self.entries.insert(pod, entry);
    }

    fn unlist(&mut self, pod: PodId, entry: &Entry) {
        match entry.place {
            Place::Active => drop(self.active.remove(&entry.turn(pod))),
            Place::BackingOff(until) => drop(self.backing_off.remove(&(until, entry.turn(pod)))),
            Place::Erring(ready) => drop(self.erring.remove(&(ready, pod))),
            Place::Refused => {
                if let Some(pods) = self.refused.get_mut(&entry.kin) {
                    pods.remove(&pod);
                    if pods.is_empty() {
                        self.refused.remove(&entry.kin);
                    }
                }
            }
            Place::Stranded | Place::InFlight => {}
        }
    }

    /// When the next back-off ends that nothing cuts short.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let refused =
            self.backing_off.first().map(|(until, _)| ready_at(*until)).filter(|_| !self.pops_backoff);
        let erring = self.erring.first().map(|(ready, _)| *ready);
        [refused, erring].into_iter().flatten().min()
    }
}

/// `calculateBackoffDuration`: doubles from one second to ten.
fn backoff_ms(count: u32) -> i64 {
    match count {
        0 => 0,
        _ => BACKOFF_FIRST_MS
            .checked_shl(count - 1)
            .filter(|ms| count < 32 && *ms < BACKOFF_MOST_MS)
            .unwrap_or(BACKOFF_MOST_MS),
    }
}

/// The beginning of an instant's window.
fn window(at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_euclid(WINDOW_MS).saturating_mul(WINDOW_MS))
}

/// The first flush after a back-off has ended.
fn ready_at(until: Timestamp) -> Timestamp {
    window(until).after_ms(WINDOW_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_ten_seconds() {
        let durations: Vec<i64> = (0..7).map(backoff_ms).collect();
        assert_eq!(durations, [0, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(backoff_ms(u32::MAX), 10_000);
    }

    #[test]
    fn priority_goes_first_then_who_waits_longest() {
        let mut queue = Queue::new((1, 36));
        queue.add(PodId(0), 0, Timestamp(0));
        queue.add(PodId(1), 0, Timestamp(5));
        queue.add(PodId(2), 100, Timestamp(9));
        queue.add(PodId(0), 7, Timestamp(10));
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop(Timestamp(10))).map(|pod| pod.0).collect();
        assert_eq!(order, [2, 0, 1]);
    }

    #[test]
    fn errors_wait_for_the_flush_after_their_backoff() {
        let mut queue = Queue::new((1, 36));
        queue.add(PodId(0), 0, Timestamp(0));
        assert_eq!(queue.pop(Timestamp(300)), Some(PodId(0)));
        queue.err(PodId(0), 0, Timestamp(300));
        assert_eq!(queue.wake_at(), Some(Timestamp(2000)));
        assert_eq!(queue.pop(Timestamp(1999)), None);
        assert_eq!(queue.pop(Timestamp(2000)), Some(PodId(0)));
        queue.err(PodId(0), 0, Timestamp(2000));
        assert_eq!(queue.wake_at(), Some(Timestamp(5000)));
    }

    #[test]
    fn stranded_pods_keep_to_the_grid_of_retries() {
        for (node_at, tried_at) in
            [(500, 2000), (2000, 2000), (2001, 5000), (9_999, 10_000), (60_000, 63_000)]
        {
            let mut queue = Queue::new((1, 36));
            queue.add(PodId(0), 0, Timestamp(0));
            queue.pop(Timestamp(0));
            queue.strand(PodId(0), Timestamp(0));
            assert_eq!(queue.wake_at(), None);
            queue.unstrand(Timestamp(node_at));
            assert_eq!(queue.wake_at(), Some(Timestamp(tried_at)), "node at {node_at}");
        }
    }
}
