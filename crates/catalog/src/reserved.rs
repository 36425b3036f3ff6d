//! What a node keeps for itself: kube-reserved, system-reserved, hard eviction thresholds.
//!
//! Karpenter (`pkg/providers/instancetype/types.go`, v1.14), nodeadm (`nodeadm/internal/kubelet/config.go`), the
//! AL2 `bootstrap.sh` and Bottlerocket (`schnauzer`, `kube_reserve_*`) share these formulas; they differ only in
//! which number of pods enters [`kube_reserved`], which the callers decide.

use cluster::node_class::KubeletSettings;
use cluster::{Name, Quantity, Resources};

/// One MiB.
pub const MIB: i64 = 1 << 20;

/// One GiB.
pub const GIB: i64 = 1 << 30;

/// Tiers of reserved CPU: up to that many millicores, that many hundredths of a per cent.
const CPU_TIERS: [(i64, i64); 4] = [(1000, 600), (2000, 100), (4000, 50), (i64::MAX, 25)];

/// CPU reserved for the kubelet and the runtime: 6 % of the first core, 1 % of the second, 0.5 % of the next two,
/// 0.25 % of the rest; whole millicores in each tier.
pub fn cpu_millis(vcpus: u32) -> i64 {
    let total = i64::from(vcpus) * 1000;
    let mut start = 0;
    let mut reserved = 0;
    for (end, share) in CPU_TIERS {
        reserved += (total.min(end) - start).max(0) * share / 10_000;
        start = end;
    }
    reserved
}

/// Memory reserved for the kubelet and the runtime: 11 MiB a pod and 255 MiB.
pub fn memory_bytes(pods: u32) -> i64 {
    (11 * i64::from(pods) + 255) * MIB
}

/// Kube-reserved: the family's own amounts, each replaced by the user's where there is one.
pub fn kube_reserved(vcpus: u32, pods: u32, kubelet: &KubeletSettings) -> Resources {
    let mut reserved = Resources {
        cpu_millis: cpu_millis(vcpus),
        memory_bytes: memory_bytes(pods),
        ephemeral_bytes: GIB,
        ..Resources::ZERO
    };
    set_all(&mut reserved, &kubelet.kube_reserved);
    reserved
}

/// System-reserved: only what the user wrote.
pub fn system_reserved(kubelet: &KubeletSettings) -> Resources {
    let mut reserved = Resources::ZERO;
    set_all(&mut reserved, &kubelet.system_reserved);
    reserved
}

/// Hard eviction thresholds: 100 MiB of memory and 10 % of the disk unless the user says otherwise. Soft ones do
/// not reduce what pods can use. A threshold that cannot be read leaves the default.
pub fn eviction(capacity: &Resources, kubelet: &KubeletSettings) -> Resources {
    let written =
        |signal: &str| kubelet.eviction_hard.iter().find(|(name, _)| name == signal).map(|(_, value)| value);
    let threshold = |signal, of| written(signal).and_then(|value| threshold_bytes(value, of));
    Resources {
        memory_bytes: threshold("memory.available", capacity.memory_bytes).unwrap_or(100 * MIB),
        ephemeral_bytes: threshold("nodefs.available", capacity.ephemeral_bytes)
            .unwrap_or_else(|| share_rounded_up(capacity.ephemeral_bytes, 10_000)),
        ..Resources::ZERO
    }
}

/// An amount, or a percentage of `capacity_bytes` rounded up; `100%` switches the threshold off.
fn threshold_bytes(value: &Name, capacity_bytes: i64) -> Option<i64> {
    match value.strip_suffix('%') {
        None => Quantity::parse(value).ok().map(Quantity::units),
        Some(percent) => {
            let thousandths = Quantity::parse(percent).ok()?.milli();
            Some(if thousandths == 100_000 { 0 } else { share_rounded_up(capacity_bytes, thousandths) })
        }
    }
}

/// `amount × millipercent / 100,000`, rounded up.
pub fn share_rounded_up(amount: i64, millipercent: i64) -> i64 {
    let product = i128::from(amount) * i128::from(millipercent);
    let rounded = product.div_euclid(100_000) + i128::from(product.rem_euclid(100_000) != 0);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

/// Sets every named amount.
fn set_all(resources: &mut Resources, amounts: &[(Name, i64)]) {
    for (name, amount) in amounts {
        resources.set(name, *amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_tiers() {
        for (vcpus, millis) in [(1, 60), (2, 70), (3, 75), (4, 80), (8, 90), (16, 110), (64, 230), (192, 550)]
        {
            assert_eq!(cpu_millis(vcpus), millis, "{vcpus}");
        }
    }

    #[test]
    fn memory_follows_pods() {
        assert_eq!(memory_bytes(29) / MIB, 574);
        assert_eq!(memory_bytes(35) / MIB, 640);
        assert_eq!(memory_bytes(60) / MIB, 915);
    }

    #[test]
    fn the_user_replaces_amounts_one_by_one() {
        let kubelet =
            KubeletSettings { kube_reserved: vec![("cpu".into(), 500)], ..KubeletSettings::default() };
        let reserved = kube_reserved(2, 29, &kubelet);
        assert_eq!((reserved.cpu_millis, reserved.memory_bytes), (500, 574 * MIB));
    }

    #[test]
    fn eviction_thresholds() {
        let capacity = Resources { memory_bytes: 1000 * MIB, ephemeral_bytes: 1001, ..Resources::ZERO };
        let of = |memory: &str| {
            let hard = vec![(Name::new("memory.available"), Name::new(memory))];
            eviction(&capacity, &KubeletSettings { eviction_hard: hard, ..KubeletSettings::default() })
                .memory_bytes
        };
        assert_eq!(of("500Mi"), 500 * MIB);
        assert_eq!(of("10%"), 100 * MIB);
        assert_eq!(of("7.5%"), 75 * MIB);
        assert_eq!(of("100%"), 0);
        assert_eq!(of("nonsense"), 100 * MIB);
        let default = eviction(&capacity, &KubeletSettings::default());
        assert_eq!((default.memory_bytes, default.ephemeral_bytes), (100 * MIB, 101));
    }
}
