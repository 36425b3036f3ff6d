//! What the controller is told at its start.

use autoscaler::Provisioner;
use cluster::Name;
use cluster::declared::KarpenterSettings;

/// What the controller is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose decisions are made.
    pub provisioner: Provisioner,
    /// Tells this run's claims from those of others; a few letters and digits.
    pub run: Name,
    /// Whether it only says what it would do, beside what is done by whoever leads.
    pub shadow: bool,
    /// Those that are Karpenter's as well.
    pub karpenter: KarpenterSettings,
}
