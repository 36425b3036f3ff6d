//! The profile document as it is written. Every field is optional; what is absent is filled in by the lowering.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Deserialize;
use serde_json::Value;

use crate::requirement::WireTaint;
use crate::scenario::wire::WireStep;

macro_rules! wire {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => { $(
        $(#[$meta])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[allow(dead_code, reason = "fields that are only accepted")]
        pub(crate) struct $name { $($(#[$field_meta])* pub(crate) $field: $type,)* }
    )* };
}
pub(crate) use wire;

wire! {
    /// The document.
    WireCluster {
        api_version: String,
        kind: String,
        metadata: Value,
        spec: WireSpec,
    }
    /// `spec`.
    WireSpec {
        kubernetes_version: Option<Value>,
        provider: Option<String>,
        region: Option<String>,
        now: Option<String>,
        horizon: Option<String>,
        network: WireNetwork,
        node_groups: Vec<WireNodeGroup>,
        addons: Vec<WireAddon>,
        fargate: Vec<WireFargate>,
        existing: Vec<WireExisting>,
        images: Vec<WireImage>,
        registries: Vec<WireRegistry>,
        volumes: Vec<WireVolume>,
        aws: WireAws,
        gke: Option<WireGke>,
        runtimes: Vec<WireRuntime>,
        order: Option<String>,
        until: Option<String>,
        latencies: WireLatencies,
        faults: Vec<WireStep>,
    }
    /// `spec.network`.
    WireNetwork {
        subnets: Vec<WireSubnet>,
        security_groups: Vec<WireSecurityGroup>,
    }
    /// A subnet.
    WireSubnet {
        id: String,
        zone: Option<String>,
        cidr: Option<String>,
        free_addresses: Option<u32>,
        free_prefixes: Option<u32>,
        reservations: Vec<WireReservation>,
        tags: BTreeMap<String, String>,
    }
    /// A CIDR reservation.
    WireReservation {
        cidr: String,
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    /// A security group.
    WireSecurityGroup {
        id: String,
        name: Option<String>,
        tags: BTreeMap<String, String>,
    }
    /// A node group.
    WireNodeGroup {
        name: Option<String>,
        node_pool: Option<String>,
        scaling: Option<WireScaling>,
        managed: Option<bool>,
        instance_type: Option<String>,
        count: Option<u32>,
        ami_family: Option<String>,
        max_pods: Option<u32>,
        labels: BTreeMap<String, String>,
        taints: Vec<WireTaint>,
        startup_taints: Vec<WireTaint>,
        subnets: Option<Vec<String>>,
        address_mode: Option<String>,
        held: Option<WireHeld>,
        reserved: Option<WireReserved>,
    }
    /// `scaling`.
    WireScaling {
        min: Option<u32>,
        max: Option<u32>,
        by: Option<String>,
    }
    /// `held`.
    WireHeld {
        interfaces: u32,
        addresses: u32,
        prefixes: u32,
    }
    /// `reserved`.
    WireReserved {
        cpu: Option<Quantity>,
        memory: Option<Quantity>,
    }
    /// An add-on.
    WireAddon {
        name: String,
        namespace: Option<String>,
        kind: Option<String>,
        replicas: Option<i64>,
        tolerations: Option<Value>,
        version: Option<String>,
        values: Option<Value>,
        pods: Option<WirePods>,
    }
    /// The pods of an add-on that is not known by name.
    WirePods {
        count: Option<i64>,
        template: Value,
    }
    /// A Fargate profile.
    WireFargate {
        name: Option<String>,
        namespaces: Vec<String>,
        labels: BTreeMap<String, String>,
        subnets: Option<Vec<String>>,
    }
    /// What exists at t=0.
    WireExisting {
        kind: String,
        namespace: String,
        name: String,
        pods: Option<String>,
    }
    /// A rule about images.
    WireImage {
        #[serde(rename = "match")]
        pattern: String,
        os: Option<String>,
        architectures: Option<Vec<String>>,
        pull: Option<String>,
    }
    /// A registry.
    WireRegistry {
        host: String,
        pull_secret: Option<String>,
        token_issued: Option<String>,
    }
    /// A driver's attach limit.
    WireVolume {
        driver: String,
        attach_limit: Option<u32>,
    }
    /// `aws`.
    WireAws {
        service_linked_roles: Option<Vec<String>>,
        reachable: BTreeMap<String, bool>,
        controller_permissions: Option<Value>,
        unavailable: Vec<WireUnavailable>,
        quotas: BTreeMap<String, i64>,
        prices: Vec<WirePrice>,
    }
    /// Insufficient capacity.
    WireUnavailable {
        instance_type: Option<String>,
        zone: Option<String>,
        capacity_type: Option<String>,
    }
    /// A price.
    WirePrice {
        instance_type: Option<String>,
        zone: Option<String>,
        capacity_type: Option<String>,
        usd_per_hour: Option<Value>,
    }
    /// `gke`.
    WireGke {
        pod_range: Option<String>,
        max_pods_per_node: Option<u32>,
    }
    /// How long finite work runs.
    WireRuntime {
        kind: String,
        namespace: String,
        name: String,
        duration: Option<String>,
    }
    /// `latencies`.
    WireLatencies {
        launch: Option<String>,
        node_ready: Option<String>,
        image_pull: Option<String>,
        pod_start: Option<String>,
        terminate: Option<String>,
    }
}
