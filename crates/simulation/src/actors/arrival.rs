//! How the input comes into the cluster: what exists, then add-ons, then the manifests by the profile's order.
//!
//! Waves follow argoproj/argo-cd v3.1 `gitops-engine/pkg/sync/{sync_context,sync_tasks}.go` (phase, wave; all of
//! a wave healthy before the next; Helm hooks are Argo hooks with their weight as wave) with its pause of two
//! seconds between waves. `listed` is `kubectl apply`: stream order at its client's 50 requests a second.
//!
//! Objects whose arrival the model does not keep (Services, budgets, volume claims, …) are there from the start.
//! Not modelled: the time-outs of Argo CD and Helm (a wave that is never healthy is waited for for ever), and the
//! deletion of hooks that succeeded: finished pods hold nothing.

use std::collections::BTreeSet;

use cluster::arrival::{Arrival, HookPhase};
use cluster::profile::Order;
use cluster::role::Program;
use cluster::{Change, Declared, Kind, ObjectKey, Timestamp, WorkloadId};

use super::health::Health;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// `ARGOCD_SYNC_WAVE_DELAY`.
const WAVE_DELAY_MS: i64 = 2_000;
/// `kubectl`'s client allows 50 requests a second.
const LISTED_GAP_MS: i64 = 20;

/// Something that arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Anything but a workload.
    Object(ObjectKey),
    /// A workload.
    Workload(WorkloadId),
    /// A volume claim of the input, by index.
    VolumeClaim(u32),
}

/// What arrives together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wave {
    /// In the order of arrival.
    pub items: Vec<Item>,
    /// Whether the next wave waits until these workloads are healthy.
    pub awaited: bool,
}

/// Whoever applies the manifests.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    health: Health,
    waves: Vec<Wave>,
    /// The wave after the one that has arrived last.
    next: usize,
    /// The workloads of the wave that is waited for.
    waited_for: BTreeSet<WorkloadId>,
    started: bool,
    due: bool,
    /// Workloads that run one of these programs are brought by the engine, when all else has come to rest.
    late: Vec<Program>,
}

impl Actor for Arrivals {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let moved = self.health.observe(change, context.cluster);
        self.due |= moved.iter().any(|workload| self.waited_for.contains(workload));
    }

    fn wake_at(&self) -> Option<Timestamp> {
        if self.started { self.health.next() } else { Some(Timestamp::ZERO) }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        if context.cluster.now < Timestamp::ZERO {
            return; // What exists at t=0 is being brought into being.
        }
        if !std::mem::replace(&mut self.started, true) {
            self.waves = waves(&context.cluster.declared);
            self.due = true;
        }
        let moved = self.health.ripen(context.cluster);
        self.due |= moved.iter().any(|workload| self.waited_for.contains(workload));
        if !std::mem::take(&mut self.due) {
            return;
        }
        // Nothing is waited for before the first wave; after it, the pause comes on top of the health.
        let mut delay_ms = if self.awaited().is_some() { WAVE_DELAY_MS } else { 0 };
        while self.previous_is_healthy(context) {
            let Some(wave) = self.waves.get(self.next) else { break };
            self.next += 1;
            let gap_ms = if context.cluster.declared.profile.order == Order::Listed && self.next > 1 {
                LISTED_GAP_MS
            } else {
                0
            };
            for item in wave.items.iter().filter(|item| !self.is_late(item, context)) {
                delay_ms += gap_ms;
                effects.after(delay_ms, arrive(item, &context.cluster.declared));
            }
            self.waited_for =
                if wave.awaited { self.on_time(wave, context).collect() } else { BTreeSet::new() };
            if !self.waited_for.is_empty() {
                break;
            }
        }
    }
}

impl Arrivals {
    /// Everything arrives in its order, but what runs one of the `late` programs.
    pub fn new(late: Vec<Program>) -> Arrivals {
        Arrivals { late, ..Arrivals::default() }
    }

    fn is_late(&self, item: &Item, context: Context<'_>) -> bool {
        let program = |id: &WorkloadId| context.cluster.declared.workload(*id).template.role.program;
        matches!(item, Item::Workload(id) if self.late.contains(&program(id)))
    }

    fn on_time<'a>(&'a self, wave: &'a Wave, context: Context<'a>) -> impl Iterator<Item = WorkloadId> + 'a {
        workloads(wave).filter(move |id| !self.is_late(&Item::Workload(*id), context))
    }

    /// The wave that is waited for.
    fn awaited(&self) -> Option<&Wave> {
        self.next.checked_sub(1).and_then(|last| self.waves.get(last)).filter(|wave| wave.awaited)
    }

    fn previous_is_healthy(&self, context: Context<'_>) -> bool {
        let healthy = |id: WorkloadId| self.health.is_healthy(context.cluster, id);
        self.awaited().is_none_or(|wave| self.on_time(wave, context).all(healthy))
    }
}

fn arrive(item: &Item, declared: &Declared) -> Effect {
    match item {
        Item::Object(key) => Effect::Arrive(key.clone()),
        Item::Workload(id) => Effect::ArriveWorkload(*id),
        Item::VolumeClaim(index) => {
            let claim = &declared.volume_claims[*index as usize];
            Effect::CreateVolumeClaim(
                claim.namespace.clone(),
                claim.name.clone(),
                claim.storage_class.clone(),
            )
        }
    }
}

fn workloads(wave: &Wave) -> impl Iterator<Item = WorkloadId> {
    wave.items.iter().filter_map(|item| match item {
        Item::Workload(id) => Some(*id),
        Item::Object(_) | Item::VolumeClaim(_) => None,
    })
}

/// Everything that is declared, in the order in which it arrives. The first wave is what is there from the
/// start and the add-ons; it is never waited for.
pub fn waves(declared: &Declared) -> Vec<Wave> {
    let mut items = with_arrival(declared);
    let order = declared.profile.order;
    items.sort_by_key(|(arrival, _)| (position(arrival, order), !arrival.existing, arrival.index));
    let mut first = Wave { items: without_arrival(declared, &items), awaited: false };
    let mut waves: Vec<(Position, Wave)> = Vec::new();
    for (arrival, item) in items {
        let at = position(&arrival, order);
        match waves.last_mut() {
            _ if at == Position::START => first.items.push(item),
            Some((last, wave)) if *last == at => wave.items.push(item),
            _ => waves.push((at, Wave { items: vec![item], awaited: order == Order::Waves })),
        }
    }
    std::iter::once(first).chain(waves.into_iter().map(|(_, wave)| wave)).collect()
}

/// Phase and wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position(u8, i32);

impl Position {
    const START: Position = Position(0, 0);
}

fn position(arrival: &Arrival, order: Order) -> Position {
    match (&arrival.hook, order) {
        _ if arrival.existing || arrival.addon => Position::START,
        (_, Order::Together | Order::Listed) => Position(2, 0),
        (Some(hook), Order::Waves) => match hook.phase {
            HookPhase::Before => Position(1, hook.weight),
            HookPhase::After => Position(3, hook.weight),
        },
        (None, Order::Waves) => Position(2, arrival.wave),
    }
}

/// Workloads, pools, node classes, webhook configurations, and what else has an arrival.
fn with_arrival(declared: &Declared) -> Vec<(Arrival, Item)> {
    let object = |arrival: &Arrival, key: &ObjectKey| (arrival.clone(), Item::Object(key.clone()));
    let mut items: Vec<(Arrival, Item)> =
        declared
            .workload_ids()
            .map(|(id, workload)| (workload.arrival.clone(), Item::Workload(id)))
            .chain(
                declared.node_pools.iter().map(|pool| {
                    object(&pool.arrival, &ObjectKey::new(Kind::NodePool, "", pool.name.clone()))
                }),
            )
            .chain(declared.node_classes.iter().map(|class| {
                object(&class.arrival, &ObjectKey::new(Kind::Ec2NodeClass, "", class.name.clone()))
            }))
            .collect();
    items.extend(declared.arrivals.iter().map(|(key, arrival)| object(arrival, key)));
    let mut configurations = BTreeSet::new();
    for webhook in &declared.webhooks {
        if configurations.insert(&webhook.location.object) {
            items.push(object(&webhook.arrival, &webhook.location.object));
        }
    }
    items
}

/// Objects of the input that carry no arrival of their own.
fn without_arrival(declared: &Declared, others: &[(Arrival, Item)]) -> Vec<Item> {
    let known: BTreeSet<&ObjectKey> = others
        .iter()
        .filter_map(|(_, item)| match item {
            Item::Object(key) => Some(key),
            Item::Workload(_) | Item::VolumeClaim(_) => None,
        })
        .chain(declared.workloads.iter().map(|workload| &workload.key))
        .collect();
    let comes_otherwise = |kind: &Kind| {
        matches!(kind, Kind::Pod | Kind::Node | Kind::NodeClaim | Kind::Cluster | Kind::Scenario)
    };
    let rest = declared.objects.keys().filter(|key| !known.contains(key) && !comes_otherwise(&key.kind));
    let claims = (0u32..).zip(&declared.volume_claims).map(|(index, _)| Item::VolumeClaim(index));
    rest.map(|key| Item::Object(key.clone())).chain(claims).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::deployment::Deployments;
    use crate::actors::kubelet::Kubelets;
    use crate::actors::stage_hand::{StageHand, declared, deployment, node};
    use cluster::Workload;
    use cluster::arrival::Hook;

    const HOUR: Timestamp = Timestamp(3_600_000);

    fn at_wave(name: &str, wave: i32, index: u32) -> Workload {
        let mut workload = deployment(name, 1);
        workload.arrival = Arrival { wave, index, ..Arrival::default() };
        workload
    }

    fn hand(workloads: Vec<Workload>, order: Order) -> StageHand {
        let mut declared = declared(workloads, vec![node("a")]);
        declared.profile.order = order;
        let actors: Vec<Box<dyn Actor>> = vec![
            Box::new(Arrivals::default()),
            Box::new(Deployments::default()),
            Box::new(Kubelets::new(|_, _| None)),
        ];
        StageHand::new(declared, actors)
    }

    fn arrivals(hand: &StageHand) -> Vec<(u32, i64)> {
        let arrived = hand.log.iter().filter_map(|(at, change)| match change {
            Change::WorkloadArrived(id) => Some((id.0, at.0)),
            _ => None,
        });
        arrived.collect()
    }

    #[test]
    fn waves_wait_for_the_health_of_the_one_before() {
        let mut hand =
            hand(vec![at_wave("late", 5, 0), at_wave("early", -1, 1), at_wave("middle", 0, 2)], Order::Waves);
        assert!(hand.run(HOUR));
        // 8 s pull and 2 s start, then Argo CD's pause of 2 s.
        assert_eq!(arrivals(&hand), [(1, 0), (2, 12_000), (0, 24_000)]);
    }

    #[test]
    fn a_wave_that_is_never_healthy_keeps_the_rest_away() {
        let mut hand = hand(vec![at_wave("first", 0, 0), at_wave("second", 1, 1)], Order::Waves);
        hand.schedules = false;
        assert!(hand.run(HOUR));
        assert_eq!(arrivals(&hand), [(0, 0)]);
    }

    #[test]
    fn add_ons_and_what_exists_come_first_and_are_not_waited_for() {
        let mut addon = at_wave("addon", 9, 3);
        addon.arrival.addon = true;
        let mut existing = at_wave("existing", 9, 4);
        existing.arrival.existing = true;
        let mut hand = hand(vec![at_wave("first", 0, 0), addon, existing], Order::Waves);
        hand.schedules = false;
        assert!(hand.run(HOUR));
        assert_eq!(arrivals(&hand), [(2, 0), (1, 0), (0, 0)]);
    }

    #[test]
    fn hooks_run_before_and_after_in_the_order_of_their_weight() {
        let hook = |name, phase, weight| {
            let mut workload = at_wave(name, 0, 0);
            workload.arrival.hook = Some(Hook { phase, weight, delete_on_success: false });
            workload
        };
        let workloads = vec![
            hook("after", HookPhase::After, 0),
            at_wave("main", 0, 1),
            hook("second", HookPhase::Before, 1),
            hook("first", HookPhase::Before, -5),
        ];
        let mut hand = hand(workloads, Order::Waves);
        assert!(hand.run(HOUR));
        let order: Vec<u32> = arrivals(&hand).into_iter().map(|(id, _)| id).collect();
        assert_eq!(order, [3, 2, 1, 0]);
    }

    #[test]
    fn listed_is_stream_order_without_waiting() {
        let mut hand = hand(vec![at_wave("b", 5, 1), at_wave("a", 0, 2)], Order::Listed);
        hand.schedules = false;
        assert!(hand.run(HOUR));
        assert_eq!(arrivals(&hand), [(0, 20), (1, 40)]);
    }

    #[test]
    fn together_is_one_instant() {
        let mut hand = hand(vec![at_wave("b", 5, 1), at_wave("a", 0, 2)], Order::Together);
        assert!(hand.run(HOUR));
        assert_eq!(arrivals(&hand), [(0, 0), (1, 0)]);
    }
}
