//! Watches of one controller: what the store wrote, in order for each kind, later than it happened.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cluster::Name;
use kubernetes::Resource;
use kubernetes::edge::Told;
use kubernetes::mirror::Seen;

use crate::fault::{Faults, Kind};
use crate::store::{Key, Store};

/// How long a watch takes to tell, milliseconds.
const LAG_MS: i64 = 200;

/// The watches.
#[derive(Debug)]
pub struct Watches {
    /// So many writes were taken up.
    read: usize,
    queues: BTreeMap<Resource, VecDeque<(i64, Told)>>,
}

impl Watches {
    /// Lists everything, and goes on from there.
    pub fn begin(store: &Store) -> Watches {
        let mut watches = Watches { read: store.written.len(), queues: BTreeMap::new() };
        for resource in Resource::WATCHED {
            watches.list(store, resource);
        }
        watches
    }

    /// A watch that broke: what it had not told yet is not told; everything that is there is.
    pub fn list(&mut self, store: &Store, resource: Resource) {
        let name = |key: &Key| (Name::from(key.1.as_str()), Name::from(key.2.as_str()));
        let keys = store.keyed(resource).map(|(key, _)| name(key)).collect();
        let at = store.now_ms + LAG_MS;
        let there =
            store.all(resource).map(|value| (at, Told::Seen(Seen::There(resource, Arc::clone(value)))));
        let mut queue: VecDeque<(i64, Told)> = there.collect();
        queue.push_back((at, Told::Listed(resource, keys)));
        self.queues.insert(resource, queue);
    }

    /// Takes up what was written; how much of that is told late or twice.
    pub fn follow(&mut self, store: &Store, faults: &Faults) -> usize {
        let mut touched = 0;
        for written in &store.written[self.read..] {
            let (resource, namespace, name) = &written.key;
            let Some(queue) = self.queues.get_mut(resource) else { continue };
            let seen = match &written.new {
                Some(value) => Seen::There(*resource, Arc::clone(value)),
                None => Seen::Gone(*resource, namespace.as_str().into(), name.as_str().into()),
            };
            let late = |kind: &Kind| *kind == Kind::WatchLag(*resource);
            let lagging = faults.on(written.at_ms).filter(|fault| late(&fault.kind));
            let until = lagging.map(|fault| fault.until_ms()).max().unwrap_or(written.at_ms);
            let before = queue.back().map_or(0, |(at, _)| *at);
            let at = before.max(until + LAG_MS);
            let twice = faults.on(written.at_ms).any(|fault| fault.kind == Kind::WatchTwice(*resource));
            touched += usize::from(twice || until > written.at_ms);
            if twice {
                queue.push_back((at, Told::Seen(seen.clone())));
            }
            queue.push_back((at, Told::Seen(seen)));
        }
        self.read = store.written.len();
        touched
    }

    /// What is told by now.
    pub fn told(&mut self, now_ms: i64) -> Vec<Told> {
        let mut told = Vec::new();
        for resource in Resource::WATCHED {
            let Some(queue) = self.queues.get_mut(&resource) else { continue };
            while let Some((_, next)) = queue.pop_front_if(|(at, _)| *at <= now_ms) {
                told.push(next);
            }
        }
        told
    }

    /// When the next thing is told.
    pub fn next(&self) -> Option<i64> {
        self.queues.values().filter_map(|queue| queue.front()).map(|(at, _)| *at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::store::{By, key_of};
    use serde_json::json;

    #[test]
    fn a_watch_tells_late_and_lists_again_when_it_broke() {
        let mut store = Store::default();
        let mut watches = Watches::begin(&store);
        assert_eq!(watches.told(1_000).len(), Resource::WATCHED.len(), "nothing is there");
        let node = json!({"metadata": {"name": "a"}});
        store.apply(By::User, Resource::Node, &node);
        let kind = Kind::WatchLag(Resource::Node);
        let faults = Faults { all: vec![Fault { kind, from_ms: 0, for_ms: 5_000, per_mille: 0 }], seed: 0 };
        watches.follow(&store, &faults);
        assert!(watches.told(5_000).is_empty());
        assert_eq!(watches.next(), Some(5_200));
        let _ = store.delete(By::User, &key_of(Resource::Node, &node), None);
        watches.follow(&store, &faults);
        watches.list(&store, Resource::Node);
        let told = watches.told(9_000);
        assert!(
            matches!(told.as_slice(), [Told::Listed(Resource::Node, keys)] if keys.is_empty()),
            "{told:?}"
        );
    }
}
