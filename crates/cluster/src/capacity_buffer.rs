//! CapacityBuffers (`autoscaling.x-k8s.io/v1beta1`): room for pods that are not there yet, and what is said of them.
//!
//! What becomes of a buffer is not decided here.

use std::sync::Arc;

use crate::location::{Location, ObjectKey};
use crate::template::PodTemplate;
use crate::{Kind, Name};

/// The kind, as it is written.
pub const KIND: &str = "CapacityBuffer";

/// A CapacityBuffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapacityBuffer {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Where it is written.
    pub location: Location,
    /// `metadata.generation`; 0 in manifests.
    pub generation: i64,
    /// What one of its pods looks like.
    pub shape: BufferShape,
    /// `spec.replicas`.
    pub replicas: Option<u32>,
    /// `spec.percentage`: of the replicas of what the scalable reference names.
    pub percentage: Option<u32>,
    /// `spec.limits`, in the units of [`crate::Resources::get`]; `None` when absent.
    pub limits: Option<Vec<(Name, i64)>>,
    /// `spec.provisioningStrategy`.
    pub strategy: Option<Name>,
}

/// What one of a buffer's pods looks like. References are looked up when the input is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BufferShape {
    /// It names nothing.
    Unset,
    /// `spec.podTemplateRef`.
    PodTemplate {
        /// Its name.
        name: Name,
        /// The PodTemplate, and its `metadata.generation`.
        found: Option<(Arc<PodTemplate>, i64)>,
    },
    /// `spec.scalableRef` to something that Karpenter can read.
    Scalable {
        /// What it names.
        of: ObjectKey,
        /// Its template as it is written (no admission has seen it), and its `spec.replicas`.
        found: Option<(Arc<PodTemplate>, u32)>,
    },
    /// `spec.scalableRef` to something else: Karpenter's own words.
    Unsupported(Name),
}

impl CapacityBuffer {
    /// The key of a buffer.
    pub fn key(namespace: impl Into<Name>, name: impl Into<Name>) -> ObjectKey {
        ObjectKey::new(Kind::from(KIND), namespace, name)
    }

    /// Whether this is what its pods are made like, whether or not it is there.
    pub fn is_made_from(&self, key: &ObjectKey) -> bool {
        match &self.shape {
            BufferShape::PodTemplate { name, .. } => {
                key.kind.as_str() == "PodTemplate" && key.namespace == self.key.namespace && key.name == *name
            }
            BufferShape::Scalable { of, .. } => of == key,
            BufferShape::Unset | BufferShape::Unsupported(_) => false,
        }
    }
}

/// The status of a buffer, as it is in the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BufferStatus {
    /// `podTemplateRef.name`.
    pub pod_template: Option<Name>,
    /// `podTemplateGeneration`.
    pub pod_template_generation: Option<i64>,
    /// `replicas`: the pods that there is to be room for.
    pub replicas: Option<i32>,
    /// `provisioningStrategy`.
    pub strategy: Option<Name>,
    /// Condition `ReadyForProvisioning`: its pods are known.
    pub ready: Option<BufferCondition>,
    /// Condition `Provisioning`: there is room for all of them.
    pub provisioning: Option<BufferCondition>,
}

impl BufferStatus {
    /// Whether its pods are known.
    pub fn is_ready(&self) -> bool {
        self.ready.as_ref().is_some_and(|ready| ready.holds)
    }
}

/// A condition of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferCondition {
    /// `status`: True or False.
    pub holds: bool,
    /// `reason`.
    pub reason: Name,
    /// `message`.
    pub message: Name,
    /// `observedGeneration`.
    pub generation: i64,
}
