//! Karpenter's requirements algebra: what values a label may still take.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/scheduling/{requirement,requirements}.go`.
