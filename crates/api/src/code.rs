//! The stable codes of configuration problems, one line each. Nothing is decided here.

/// A code and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// `CONF101`.
    pub code: &'static str,
    /// `unknown-field`.
    pub name: &'static str,
    /// What it means, in one sentence without a full stop.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $code:literal, $name:literal, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub(crate) const $constant: &str = $code;)*

        /// Every code, in order.
        pub const CODES: &[Code] = &[$(Code { code: $code, name: $name, meaning: $meaning },)*];
    };
}

// CONF109 and CONF118 were what ADM103 is now.
codes! {
    MALFORMED_OBJECT = "CONF100", "malformed-object", "A document is not a Kubernetes object: it lacks apiVersion, kind or a name";
    UNKNOWN_FIELD = "CONF101", "unknown-field", "A field does not exist in this kind: the API server drops it or refuses the object";
    BAD_VALUE = "CONF102", "bad-value", "A value has the wrong type or is outside of what the API server accepts";
    WRONG_API_VERSION = "CONF103", "wrong-api-version", "The kind is not served in the API version that is written";
    MISSING_FIELD = "CONF104", "missing-field", "A required field is not there";
    DUPLICATE_OBJECT = "CONF105", "duplicate-object", "Two documents are the same object: the later one replaces the earlier one";
    UNKNOWN_INSTANCE_TYPE = "CONF106", "unknown-instance-type", "No EC2 instance type has this name";
    ROLE_NAME_TOO_LONG = "CONF107", "role-name-too-long", "An IAM role's name is longer than the 64 characters that IAM allows";
    UNKNOWN_PRIORITY_CLASS = "CONF108", "unknown-priority-class", "No PriorityClass of the input has this name: unless it exists elsewhere, the API server refuses to create the pods";
    SELECTOR_MISMATCH = "CONF110", "selector-mismatch", "A workload's selector does not select its own template's labels";
    EXCLUSIVE_FIELDS = "CONF111", "exclusive-fields", "Fields that exclude each other are both written";
    RESTRICTED_LABEL = "CONF112", "restricted-label", "A label or requirement uses a key or domain that Karpenter keeps for itself";
    SEVERAL_PROFILES = "CONF113", "several-profiles", "There is more than one cluster profile";
    TOO_MANY_PODS = "CONF114", "too-many-pods", "More pods are asked for than a run can hold";
    UNKNOWN_REFERENCE = "CONF115", "unknown-reference", "A name refers to something that is not declared; where it may exist elsewhere, it is taken to exist";
    UNKNOWN_ADDON = "CONF116", "unknown-addon", "An add-on is neither known nor described by a pod template";
    OUTDATED_CRD = "CONF117", "outdated-crd", "A CustomResourceDefinition of the input does not serve the version that its objects need";
    NOT_MODELLED = "CONF119", "not-modelled", "A setting that matters is understood but not modelled";
    NO_SUCH_RELEASE = "CONF120", "no-such-release", "An image tag is written in a way that the project never released";
    FINALIZER_WITHOUT_CONTROLLER = "CONF121", "finalizer-without-controller", "An object is being deleted and waits for a controller that is not there";
    NOT_ADOPTED = "CONF126", "not-adopted-by-helm", "A CustomResourceDefinition carries a part of what Helm wants to find on what it adopts: it refuses to install the chart";
    FEATURE_GATE_OFF = "CONF127", "feature-gate-off", "An object does nothing because a feature gate of Karpenter's is off";
    IMPOSSIBLE_STEP = "CONF130", "impossible-step", "A step of a scenario cannot be carried out";
}

/// The code with this text.
pub fn code(text: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.code == text || code.name == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_unique_and_in_order() {
        assert!(CODES.windows(2).all(|pair| pair[0].code < pair[1].code));
        let names: std::collections::BTreeSet<_> = CODES.iter().map(|code| code.name).collect();
        assert_eq!(names.len(), CODES.len());
        assert_eq!(code("unknown-field").map(|code| code.code), Some("CONF101"));
    }
}
