//! Recordings: what watches told the edge, what came of its work, and what it wanted at each instant, as lines of JSON.
//!
//! A recording is a bug report: played again through the same [`crate::edge::Edge`] it must want the same. The first line says
//! under which settings. Contents of environment variables, commands, probes and `last-applied-configuration` are not
//! written, only a number for each that differs ([`strip`]); Secrets and ConfigMaps are not watched at all. Pure: lines are
//! handed to whoever writes them.

mod line;
mod replay;
mod strip;
mod words;

use autoscaler::Effect;
use serde_json::{Value, json};

use crate::edge::{Done, Failure, Settings, Told, Work};
use crate::mirror::Seen;

pub use line::{Entry, Header, Problem, Recording, read};
pub use replay::{Difference, Replayed, Step, replay};

/// The version of the format.
pub const VERSION: u64 = 1;

/// A recording that is being made.
#[derive(Clone, Debug)]
pub struct Tape {
    lines: Vec<String>,
    left_bytes: u64,
    ended: bool,
    secrets: strip::Numbers,
    /// Work under way, by number.
    under_way: Vec<(u64, Effect)>,
    works: u64,
}

impl Tape {
    /// Begins one of at most so many bytes.
    pub fn new(settings: &Settings, now_unix_ms: i64, limit_bytes: u64) -> Tape {
        let mut tape = Tape {
            lines: Vec::new(),
            left_bytes: limit_bytes,
            ended: false,
            secrets: strip::Numbers::default(),
            under_way: Vec::new(),
            works: 0,
        };
        tape.write(&line::header(settings, now_unix_ms));
        tape
    }

    /// What was written since this was last asked, without ends of lines.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Whether the limit is reached: nothing more is written.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// A watch told something.
    pub(crate) fn hear(&mut self, told: &Told, now_unix_ms: i64) {
        if self.ended {
            return;
        }
        let what = match told {
            Told::Seen(Seen::There(resource, value)) => {
                json!({"there": {"kind": resource.kind(), "object": self.secrets.strip(value)}})
            }
            Told::Seen(Seen::Gone(resource, namespace, name)) => {
                json!({"gone": {"kind": resource.kind(), "namespace": namespace.as_str(), "name": name.as_str()}})
            }
            Told::Listed(resource, all) => {
                let all: Vec<Value> =
                    all.iter().map(|(space, name)| json!([space.as_str(), name.as_str()])).collect();
                json!({"listed": {"kind": resource.kind(), "all": all}})
            }
        };
        self.write_at(now_unix_ms, what);
    }

    /// Some work came to an end.
    pub(crate) fn finish(&mut self, done: &Done, now_unix_ms: i64) {
        let Some(index) = self.under_way.iter().position(|(_, effect)| *effect == done.effect) else {
            return;
        };
        let (work, _) = self.under_way.swap_remove(index);
        let mut what = json!({"work": work});
        match &done.result {
            Ok(()) => {}
            Err(Failure::Passing(why)) => what["passing"] = json!(why),
            Err(Failure::Final(why)) => what["final"] = json!(why),
            Err(Failure::SoldOut(refused)) => what["soldOut"] = line::sold_out(refused),
        }
        self.write_at(now_unix_ms, json!({"finish": what}));
    }

    /// The edge was asked what to do.
    pub(crate) fn act(&mut self, wanted: &[Work], now_unix_ms: i64) {
        if self.ended {
            return;
        }
        for work in wanted {
            self.under_way.push((self.works, work.effect.clone()));
            self.works += 1;
        }
        let all: Vec<Value> = wanted.iter().map(|work| self.secrets.strip(&line::work(work))).collect();
        self.write_at(now_unix_ms, json!({"act": all}));
    }

    fn write_at(&mut self, now_unix_ms: i64, mut what: Value) {
        if let Some(fields) = what.as_object_mut() {
            fields.insert("at".to_owned(), now_unix_ms.into());
        }
        self.write(&what);
    }

    fn write(&mut self, what: &Value) {
        let text = what.to_string();
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(1);
        if self.ended || bytes > self.left_bytes {
            self.ended = true;
            return;
        }
        self.left_bytes -= bytes;
        self.lines.push(text);
    }
}
