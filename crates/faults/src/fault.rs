//! What goes wrong: each fault is of a kind, and lasts for a while.

use kubernetes::Resource;

use crate::draw;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The API server answers 500 and does nothing.
    ApiError,
    /// A call never arrives; the client gives up.
    Unsent,
    /// A call is done, its answer is lost.
    Unanswered,
    /// A call arrives after its client gave up.
    Late,
    /// Somebody else writes the object just before.
    Conflict,
    /// The API server takes its time.
    Slow,
    /// A watch tells things late.
    WatchLag(Resource),
    /// A watch breaks, and lists again.
    WatchBreaks(Resource),
    /// A watch tells things twice.
    WatchTwice(Resource),
    /// The controller is killed: before a call, or between the call and its answer.
    Crash,
    /// The controller stands still for so long, and goes on when another one leads.
    Freeze,
    /// The cloud takes no requests now.
    Throttle,
    /// A zone has no capacity of this type (`spot`, `on-demand`).
    SoldOut(&'static str, &'static str),
    /// An instance is launched, and its node never joins.
    NeverJoins,
    /// A node joins, and gets ready when the fault is over.
    Unready,
    /// A zone's kubelets are away, and nothing is launched there.
    ZoneAway(&'static str),
    /// The controller's clock is off by so many milliseconds.
    Clock(i64),
    /// Pods do not end.
    StuckPods,
}

/// Kinds that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The API server.
    Api,
    /// Watches.
    Watch,
    /// The controller itself.
    Crash,
    /// The cloud.
    Cloud,
    /// A zone.
    Zone,
    /// Clocks.
    Clock,
    /// Pods.
    Pods,
}

impl Group {
    /// All of them.
    pub const ALL: [Group; 7] =
        [Group::Api, Group::Watch, Group::Crash, Group::Cloud, Group::Zone, Group::Clock, Group::Pods];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Group::Api => "api",
            Group::Watch => "watch",
            Group::Crash => "crash",
            Group::Cloud => "cloud",
            Group::Zone => "zone",
            Group::Clock => "clock",
            Group::Pods => "pods",
        }
    }
}

impl Kind {
    /// Its group.
    pub fn group(&self) -> Group {
        match self {
            Kind::ApiError | Kind::Unsent | Kind::Unanswered | Kind::Late | Kind::Conflict | Kind::Slow => {
                Group::Api
            }
            Kind::WatchLag(_) | Kind::WatchBreaks(_) | Kind::WatchTwice(_) => Group::Watch,
            Kind::Crash | Kind::Freeze => Group::Crash,
            Kind::Throttle | Kind::SoldOut(..) | Kind::NeverJoins | Kind::Unready => Group::Cloud,
            Kind::ZoneAway(_) => Group::Zone,
            Kind::Clock(_) => Group::Clock,
            Kind::StuckPods => Group::Pods,
        }
    }

    /// For people.
    pub fn said(&self) -> String {
        match self {
            Kind::ApiError => "the API server answers 500".to_owned(),
            Kind::Unsent => "calls are lost".to_owned(),
            Kind::Unanswered => "answers are lost".to_owned(),
            Kind::Late => "calls arrive late".to_owned(),
            Kind::Conflict => "somebody else writes first".to_owned(),
            Kind::Slow => "the API server is slow".to_owned(),
            Kind::WatchLag(kind) => format!("the watch of {}s lags", kind.kind()),
            Kind::WatchBreaks(kind) => format!("the watch of {}s breaks", kind.kind()),
            Kind::WatchTwice(kind) => format!("the watch of {}s tells things twice", kind.kind()),
            Kind::Crash => "the controller is killed at its calls".to_owned(),
            Kind::Freeze => "the controller stands still".to_owned(),
            Kind::Throttle => "the cloud throttles".to_owned(),
            Kind::SoldOut(zone, capacity) => format!("no {capacity} capacity in {zone}"),
            Kind::NeverJoins => "instances whose nodes never join".to_owned(),
            Kind::Unready => "nodes that do not get ready".to_owned(),
            Kind::ZoneAway(zone) => format!("{zone} is away"),
            Kind::Clock(ms) => format!("the controller's clock is off by {} s", ms / 1_000),
            Kind::StuckPods => "pods do not end".to_owned(),
        }
    }
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// When it begins, milliseconds since the start.
    pub from_ms: i64,
    /// How long it lasts, milliseconds.
    pub for_ms: i64,
    /// How often, of a thousand calls; unused where it is not about calls.
    pub per_mille: u64,
}

impl Fault {
    /// When it is over.
    pub fn until_ms(&self) -> i64 {
        self.from_ms.saturating_add(self.for_ms)
    }

    /// Whether it is on.
    pub fn is_on(&self, now_ms: i64) -> bool {
        self.from_ms <= now_ms && now_ms < self.until_ms()
    }
}

/// All faults of a play.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// They.
    pub all: Vec<Fault>,
    /// Decides which calls are hit.
    pub seed: u64,
}

impl Faults {
    /// Those that are on.
    pub fn on(&self, now_ms: i64) -> impl Iterator<Item = &Fault> {
        self.all.iter().filter(move |fault| fault.is_on(now_ms))
    }

    /// What hits the so-manieth call, of the kinds that `takes` names; the first that does.
    pub fn hit(&self, now_ms: i64, call: u64, takes: impl Fn(&Kind) -> bool) -> Option<&Kind> {
        let own = self.all.iter().zip(1_u64..).filter(|(fault, _)| fault.is_on(now_ms) && takes(&fault.kind));
        let mut hitting =
            own.filter(|(fault, number)| draw::at(self.seed ^ number << 32, call) % 1_000 < fault.per_mille);
        hitting.next().map(|(fault, _)| &fault.kind)
    }

    /// A draw about a call, below `bound`.
    pub fn draw(&self, call: u64, bound: i64) -> i64 {
        let bound = u64::try_from(bound).unwrap_or(1).max(1);
        i64::try_from(draw::at(self.seed ^ 0x5eed, call) % bound).unwrap_or(0)
    }

    /// When one begins or ends next.
    pub fn next_change(&self, now_ms: i64) -> Option<i64> {
        let ends = self.all.iter().flat_map(|fault| [fault.from_ms, fault.until_ms()]);
        ends.filter(|at| *at > now_ms).min()
    }

    /// How far the controller's clock is off.
    pub fn skew_ms(&self, now_ms: i64) -> i64 {
        let skew = |fault: &Fault| if let Kind::Clock(ms) = fault.kind { ms } else { 0 };
        self.on(now_ms).map(skew).sum()
    }

    /// The longest that any watch lags, and the most that any clock is off, milliseconds: what a check of what the
    /// controller could know must allow for.
    pub fn slack_ms(&self) -> i64 {
        let of = |fault: &Fault| match fault.kind {
            Kind::WatchLag(_) => fault.for_ms,
            Kind::Clock(ms) => ms.abs(),
            Kind::Freeze => fault.for_ms,
            _ => 0,
        };
        // Late calls arrive up to 40 s after they were sent; a slow one waits in its lane behind others.
        let calls = self.all.iter().any(|fault| fault.kind.group() == Group::Api);
        self.all.iter().map(of).sum::<i64>() + if calls { 120_000 } else { 5_000 }
    }
}
