//! A pod's volumes: those that need a claim, and the objects that the others are filled from.

use cluster::template::PodVolume;
use cluster::{FieldPath, Kind, Name, ObjectKey};
use k8s_openapi::api::core::v1 as core;

use crate::code;
use crate::problem::Reporter;

/// Volumes that need a claim, and the objects that the others are filled from.
pub(crate) fn volumes(
    spec: &core::PodSpec,
    namespace: &Name,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> (Vec<PodVolume>, Vec<ObjectKey>) {
    let (mut volumes, mut needed) = (Vec::new(), Vec::new());
    let mut need = |kind: Kind, name: &str, optional: Option<bool>| {
        if optional != Some(true) && !name.is_empty() {
            needed.push(ObjectKey::new(kind, namespace.clone(), name));
        }
    };
    for (index, wire) in spec.volumes.iter().flatten().enumerate() {
        if wire.name.is_empty() {
            let at = path.child("volumes").child(index).child("name");
            reporter.error(&at, code::MISSING_FIELD, format!("{at}: required value"), "name the volume");
        }
        if let Some(claim) = &wire.persistent_volume_claim {
            volumes.push(PodVolume::Claim(claim.claim_name.as_str().into()));
        }
        if let Some(template) =
            wire.ephemeral.as_ref().and_then(|ephemeral| ephemeral.volume_claim_template.as_ref())
        {
            let storage_class = template.spec.storage_class_name.as_deref().map(Name::from);
            volumes.push(PodVolume::Template {
                name: wire.name.as_str().into(),
                storage_class,
                stateful: false,
            });
        }
        if let Some(source) = &wire.config_map {
            need(Kind::ConfigMap, &source.name, source.optional);
        }
        if let Some(source) = &wire.secret {
            need(Kind::Secret, source.secret_name.as_deref().unwrap_or_default(), source.optional);
        }
        for source in wire.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
            if let Some(source) = &source.config_map {
                need(Kind::ConfigMap, &source.name, source.optional);
            }
            if let Some(source) = &source.secret {
                need(Kind::Secret, &source.name, source.optional);
            }
        }
    }
    (volumes, needed)
}
