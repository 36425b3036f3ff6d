//! Clusters, pools and pods from a seed: a few of Karpenter's features at a time, so that most inputs stay small and
//! all of them meet. Only what the API server would admit. Nothing about what is decided.

mod apps;
mod buffers;
mod daemons;
mod nodes;
mod overlays;
mod placement;
mod pools;
mod types;
mod volumes;

use serde_json::{Value, json};

use crate::rng::Rng;

pub use types::TypeSpec;

/// The zones in play.
pub const ZONES: [&str; 3] = ["us-west-2a", "us-west-2b", "us-west-2c"];

/// The namespaces in play.
const NAMESPACES: [&str; 3] = ["alpha", "beta", "gamma"];

/// From this seed on CapacityBuffers are in play: inputs of the seeds before stay what they were.
pub const WITH_BUFFERS: u64 = 100_000;

/// A Thursday, in seconds since 1970; an input's clock is within the week after it.
const EPOCH: i64 = 1_760_000_000;

/// An input in the making.
pub struct Draw {
    /// The draws.
    pub rng: Rng,
    /// The clock, in seconds since 1970.
    pub now: i64,
    /// What can be bought.
    pub types: Vec<TypeSpec>,
    /// Names and labels of the pools.
    pub pools: Vec<pools::PoolSpec>,
    /// Which features are in play.
    on: Vec<Feature>,
    /// Names of the nodes in the API, with their zones.
    pub nodes: Vec<nodes::Place>,
    /// Whether CapacityBuffers are in play.
    buffers: bool,
    /// Pods so far: a counter for uids.
    pub pods: usize,
    objects: Vec<Value>,
}

/// Declares the features once: as an enum, and as the list of all.
macro_rules! features {
    ($($feature:ident),* $(,)?) => {
        /// What an input may be about. Each is on in about a third of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Feature {
            $($feature),*
        }

        const FEATURES: &[Feature] = &[$(Feature::$feature),*];
    };
}

features! {
    Arm,
    Gpu,
    Reserved,
    Ties,
    Unavailable,
    CustomLabels,
    Bounds,
    MinValues,
    Weights,
    Limits,
    Taints,
    StartupTaints,
    StaticPool,
    Daemons,
    Nodes,
    InFlight,
    Leaving,
    Unmanaged,
    NodeAffinity,
    Preferences,
    Spread,
    SoftSpread,
    Affinity,
    AntiAffinity,
    HostPorts,
    Volumes,
    Protection,
    Budgets,
    Waiting,
    PoolTypes,
    Namespaces,
    Sidecars,
    Drift,
    Overlays,
}

/// What is asked about an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Where would the pods go?
    Provision,
    /// Which nodes would go?
    Disrupt,
    /// What becomes of static pools?
    Replicas,
}

/// The input of a seed, one object an item: settings, instance types, and Kubernetes objects. And what it is about.
pub fn generate(seed: u64) -> (Vec<Value>, Vec<String>) {
    let mut rng = Rng::new(seed);
    let percent = *rng.pick(&[10, 20, 35, 50]);
    let on = rng.some(FEATURES, percent);
    let now = EPOCH + i64::try_from(rng.below(7 * 86_400)).unwrap_or(0);
    let buffers = seed >= WITH_BUFFERS;
    let mut draw = Draw {
        rng,
        now,
        types: Vec::new(),
        pools: Vec::new(),
        on,
        nodes: Vec::new(),
        pods: 0,
        buffers,
        objects: Vec::new(),
    };
    let ask = draw.ask();
    let disrupt = ask != Ask::Provision;
    draw.settings(ask);
    types::add(&mut draw);
    pools::add(&mut draw);
    overlays::add(&mut draw);
    draw.namespaces();
    daemons::declare(&mut draw);
    nodes::add(&mut draw, disrupt);
    daemons::run(&mut draw);
    apps::add(&mut draw, disrupt);
    if buffers {
        buffers::add(&mut draw);
    }
    let named = draw.on.iter().map(|feature| format!("{feature:?}"));
    let features = named.chain(buffers.then(|| "Buffers".to_owned())).collect();
    (draw.objects, features)
}

impl Draw {
    /// Whether a feature is in play.
    pub fn has(&self, feature: Feature) -> bool {
        self.on.contains(&feature)
    }

    /// Whether a feature is in play, and a draw says so.
    pub fn now_and_then(&mut self, feature: Feature, percent: usize) -> bool {
        self.has(feature) && self.rng.chance(percent)
    }

    /// Adds an object to the input.
    pub fn put(&mut self, object: Value) {
        self.objects.push(object);
    }

    /// A time some seconds ago, as the API writes it.
    pub fn ago(&self, seconds: i64) -> String {
        jiff::Timestamp::from_second(self.now - seconds).map(|at| at.to_string()).unwrap_or_default()
    }

    /// Some seconds up to two hours, often at a round number.
    pub fn seconds(&mut self) -> i64 {
        let drawn = *self.rng.pick(&[0, 10, 30, 60, 61, 300, 600, 1800, 3599, 7000]);
        i64::from(drawn)
    }

    fn ask(&mut self) -> Ask {
        match self.rng.chance(35) {
            true => Ask::Disrupt,
            false if self.now_and_then(Feature::StaticPool, 40) => Ask::Replicas,
            false => Ask::Provision,
        }
    }

    fn settings(&mut self, ask: Ask) {
        let mut settings = json!({
            "apiVersion": "oracle/v1",
            "kind": "Settings",
            "metadata": {"name": "settings"},
            "ask": format!("{ask:?}").to_lowercase(),
            "now": self.now,
            "ignorePreferences": self.rng.chance(20),
            "minValuesBestEffort": self.rng.chance(35),
            "spotToSpot": self.rng.chance(50),
            "reservedCapacity": self.rng.chance(80),
            "nodeOverlay": self.now_and_then(Feature::Overlays, 85),
        });
        if self.buffers {
            settings["capacityBuffer"] = true.into();
        }
        self.put(settings);
    }

    fn namespaces(&mut self) {
        for (name, team) in [("alpha", "red"), ("beta", "blue"), ("gamma", "red")] {
            self.put(json!({"apiVersion": "v1", "kind": "Namespace",
                            "metadata": {"name": name, "labels": {"team": team}}}));
        }
    }

    /// A namespace: the first unless namespaces are in play.
    pub fn namespace(&mut self) -> &'static str {
        if self.has(Feature::Namespaces) { NAMESPACES[self.rng.below(3)] } else { "alpha" }
    }
}

/// Puts a field into an object.
pub fn set(object: &mut Value, pointer: &str, value: Value) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    let mut at = object;
    for key in parent.split('/').skip(1) {
        at = &mut at[key.replace("~1", "/").as_str()];
    }
    at[last.replace("~1", "/").as_str()] = value;
}
