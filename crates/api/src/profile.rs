//! The cluster profile (`kind: Cluster`): read strictly, every gap filled from one table of defaults.

pub mod defaults;
mod facts;
mod groups;
mod network;
mod unread;
pub(crate) mod wire;
pub(crate) mod words;

pub(crate) use facts::micros;

use catalog::Catalog;
use cluster::network::Cni;
use cluster::profile::{Latencies, Order, Profile, Provider};
use cluster::{FieldPath, Kind, Location, Name, Node, ObjectKey};
use serde_json::Value;

use crate::context::Pattern;
use crate::decode::{Around, decode_around};
use crate::object::{Object, Place};
use crate::problem::Reporter;
use crate::scenario::{self, Step};
use crate::suggest::did_you_mean;
use crate::{code, duration};
use defaults::default_of;
use wire::{WireAddon, WireCluster, WireSpec};

/// What a profile says, beside the model's own part.
pub(crate) struct Parsed {
    /// The model's part.
    pub(crate) profile: Profile,
    /// Nodes of the groups.
    pub(crate) nodes: Vec<Node>,
    /// Add-ons as written.
    pub(crate) addons: Vec<WireAddon>,
    /// `existing`.
    pub(crate) existing: Vec<(Pattern, bool)>,
    /// `runtimes`.
    pub(crate) runtimes: Vec<(Pattern, i64)>,
    /// `gke` or another provider's fixed ranges.
    pub(crate) ranges: Option<Cni>,
    /// `faults`.
    pub(crate) faults: Vec<Step>,
    /// What was not written, with the default that was taken.
    pub(crate) defaults: Vec<(FieldPath, Name)>,
    /// Where nodes were written that could not be read, and what became of them.
    pub(crate) unread: Vec<(Location, &'static str)>,
}

/// Collects the defaults that were relied upon.
#[derive(Default)]
pub(crate) struct Gaps(Vec<(FieldPath, Name)>);

impl Gaps {
    /// Notes a gap; the value is the table's.
    fn take(&mut self, path: &FieldPath, field: &str) {
        if let Some(default) = default_of(field) {
            self.0.push((path.clone(), default.value.into()));
        }
    }

    /// Notes a gap with the value that was worked out.
    fn computed(&mut self, path: FieldPath, value: impl Into<Name>) {
        self.0.push((path, value.into()));
    }

    /// As [`Gaps::take`], when nothing is written.
    fn unless(&mut self, written: bool, field: &'static str) {
        if !written {
            self.take(&FieldPath::of(field), field);
        }
    }
}

/// 2026-01-01T00:00:00Z.
const DEFAULT_NOW_MS: i64 = 1_767_225_600_000;

/// Two hours.
const DEFAULT_HORIZON_MS: i64 = 7_200_000;

/// Reads the profile; without a document everything is a default.
pub(crate) fn profile(
    object: Option<&Object>,
    known_zone: Option<&str>,
    catalog: &Catalog,
    reporter: Option<&mut Reporter<'_>>,
) -> Parsed {
    let made_up =
        Place { base: Location::object(ObjectKey::new(Kind::Cluster, "", "profile")), fixed: false };
    match (object, reporter) {
        (Some(object), Some(reporter)) => {
            let around: Around<WireCluster> = decode_around(object, words::WORDS, reporter);
            let (gaps, unread) = (Gaps::default(), unread::Unread::of(&around));
            Reading {
                place: &object.place,
                object: Some(object),
                catalog,
                known_zone,
                gaps,
                unread,
                reporter,
            }
            .lower(around.value.spec)
        }
        _ => {
            let mut problems = crate::problem::Problems::default();
            let nothing = Object::made_up(&made_up);
            let reporter = &mut Reporter::new(&mut problems, &nothing);
            let (gaps, unread) = (Gaps::default(), unread::Unread::default());
            Reading { place: &made_up, object: None, catalog, known_zone, gaps, unread, reporter }
                .lower(WireSpec::default())
        }
    }
}

/// One reading of a profile.
pub(crate) struct Reading<'a, 'p> {
    place: &'a Place,
    object: Option<&'a Object>,
    catalog: &'a Catalog,
    known_zone: Option<&'a str>,
    gaps: Gaps,
    unread: unread::Unread,
    reporter: &'a mut Reporter<'p>,
}

impl Reading<'_, '_> {
    fn lower(mut self, spec: WireSpec) -> Parsed {
        let provider = self.provider(spec.provider.as_deref());
        let subnets = self.subnets(&spec.network.subnets);
        self.gaps.unless(!subnets.is_empty(), "/spec/network/subnets");
        let profile = Profile {
            location: self.place.at(""),
            given: self.object.is_some(),
            name: self.object.map(|object| object.key.name.clone()).unwrap_or_default(),
            kubernetes: self.kubernetes(spec.kubernetes_version.as_ref()),
            provider,
            region: self.region(spec.region.as_deref(), &subnets),
            now_unix_ms: self.now(spec.now.as_deref()),
            horizon_ms: self.span(spec.horizon.as_deref(), "/spec/horizon", DEFAULT_HORIZON_MS),
            security_groups: self.security_groups(&spec.network.security_groups),
            fargate: self.fargate(&spec.fargate, &subnets),
            images: self.images(&spec.images),
            registries: self.registries(&spec.registries),
            volume_limits: self.volumes(&spec.volumes),
            aws: self.aws(&spec.aws),
            order: self.order(spec.order.as_deref()),
            until_horizon: self.until(spec.until.as_deref()),
            latencies: self.latencies(&spec.latencies),
            node_groups: Vec::new(),
            subnets,
        };
        self.groups(profile, spec)
    }

    /// The parts that build on the rest of the profile.
    fn groups(mut self, mut profile: Profile, spec: WireSpec) -> Parsed {
        let (node_groups, nodes) = self.node_groups(&spec.node_groups, &profile);
        profile.node_groups = node_groups;
        let faults = match self.object {
            Some(object) => {
                scenario::steps(&spec.faults, &FieldPath::of("/spec/faults"), object, self.reporter)
            }
            None => Vec::new(),
        };
        Parsed {
            nodes,
            existing: self.existing(&spec.existing),
            runtimes: self.runtimes(&spec.runtimes),
            ranges: self.ranges(spec.gke.as_ref(), profile.provider),
            addons: spec.addons,
            faults,
            defaults: self.gaps.0,
            unread: self.unread.nodes(self.place),
            profile,
        }
    }

    fn refuse(
        &mut self,
        path: &FieldPath,
        message: impl std::fmt::Display,
        help: impl Into<crate::problem::Help>,
    ) {
        self.reporter.error(path, code::BAD_VALUE, format!("{path}: {message}"), help);
    }

    /// What could not be read was reported as that.
    fn missing(&mut self, path: &FieldPath, help: &str) {
        if self.unread.holds(path) {
            return;
        }
        self.reporter.error(path, code::MISSING_FIELD, format!("{path} is required"), help);
    }

    /// One of a few words; anything else is an error with a suggestion, and counts as the first.
    fn one_of<T: Copy>(
        &mut self,
        text: Option<&str>,
        field: &'static str,
        choices: &[(&'static str, T)],
    ) -> T {
        self.gaps.unless(text.is_some(), field);
        let Some(text) = text else { return choices[0].1 };
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let help = did_you_mean(text, words.iter().copied());
        self.refuse(&FieldPath::of(field), format_args!("{text:?} is not one of {}", words.join(", ")), help);
        choices[0].1
    }

    fn provider(&mut self, text: Option<&str>) -> Provider {
        let choices = [
            ("eks", Provider::Eks),
            ("gke", Provider::Gke),
            ("aks", Provider::Aks),
            ("none", Provider::None),
        ];
        self.one_of(text, "/spec/provider", &choices)
    }

    fn order(&mut self, text: Option<&str>) -> Order {
        self.one_of(
            text,
            "/spec/order",
            &[("together", Order::Together), ("waves", Order::Waves), ("listed", Order::Listed)],
        )
    }

    fn until(&mut self, text: Option<&str>) -> bool {
        self.one_of(text, "/spec/until", &[("settled", false), ("horizon", true)])
    }

    /// `"1.34"`; YAML reads an unquoted 1.30 as the number 1.3, so numbers are refused.
    fn kubernetes(&mut self, value: Option<&Value>) -> (u32, u32) {
        let path = FieldPath::of("/spec/kubernetesVersion");
        self.gaps.unless(value.is_some(), "/spec/kubernetesVersion");
        let Some(value) = value else { return (1, 34) };
        let Some(text) = value.as_str() else {
            self.refuse(
                &path,
                format_args!("expected a string, found {value}"),
                "put the version in quotes: 1.30 would be read as 1.3",
            );
            return (1, 34);
        };
        let mut parts = text.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
        match (parts.next().flatten(), parts.next().flatten()) {
            (Some(major), Some(minor)) => (major, minor),
            _ => {
                self.refuse(&path, format_args!("{text:?} is not a version"), "such as \"1.34\"");
                (1, 34)
            }
        }
    }

    fn region(&mut self, written: Option<&str>, subnets: &[cluster::network::Subnet]) -> Name {
        if let Some(region) = written.filter(|region| !region.is_empty()) {
            return region.into();
        }
        let zone = subnets
            .iter()
            .map(|subnet| subnet.zone.as_str())
            .find(|zone| !zone.is_empty())
            .or(self.known_zone);
        let region = zone
            .map(|zone| zone.trim_end_matches(|c: char| c.is_ascii_lowercase()))
            .filter(|region| region.ends_with(|c: char| c.is_ascii_digit()));
        let region = Name::from(region.unwrap_or("us-east-1"));
        self.gaps.computed(FieldPath::of("/spec/region"), region.clone());
        region
    }

    fn instant(&mut self, text: &str, path: &FieldPath) -> Option<i64> {
        match text.parse::<jiff::Timestamp>() {
            Ok(instant) => Some(instant.as_millisecond()),
            Err(_) => {
                self.refuse(path, format_args!("{text:?} is not an instant"), "such as 2026-01-01T00:00:00Z");
                None
            }
        }
    }

    fn now(&mut self, text: Option<&str>) -> i64 {
        self.gaps.unless(text.is_some(), "/spec/now");
        text.and_then(|text| self.instant(text, &FieldPath::of("/spec/now"))).unwrap_or(DEFAULT_NOW_MS)
    }

    /// A duration that is not negative.
    fn duration(&mut self, text: &str, path: &FieldPath) -> Option<i64> {
        match duration::parse_ms(text) {
            Ok(ms) if ms >= 0 => Some(ms),
            Ok(_) => {
                self.refuse(path, format_args!("{text:?} is negative"), "");
                None
            }
            Err(error) => {
                self.refuse(path, error, "");
                None
            }
        }
    }

    fn span(&mut self, text: Option<&str>, field: &'static str, default_ms: i64) -> i64 {
        self.gaps.unless(text.is_some(), field);
        text.and_then(|text| self.duration(text, &FieldPath::of(field))).unwrap_or(default_ms)
    }

    fn latencies(&mut self, wire: &wire::WireLatencies) -> Latencies {
        let default = Latencies::default();
        Latencies {
            launch_ms: self.span(wire.launch.as_deref(), "/spec/latencies/launch", default.launch_ms),
            node_ready_ms: self.span(
                wire.node_ready.as_deref(),
                "/spec/latencies/nodeReady",
                default.node_ready_ms,
            ),
            image_pull_ms: self.span(
                wire.image_pull.as_deref(),
                "/spec/latencies/imagePull",
                default.image_pull_ms,
            ),
            pod_start_ms: self.span(
                wire.pod_start.as_deref(),
                "/spec/latencies/podStart",
                default.pod_start_ms,
            ),
            terminate_ms: self.span(
                wire.terminate.as_deref(),
                "/spec/latencies/terminate",
                default.terminate_ms,
            ),
        }
    }
}
