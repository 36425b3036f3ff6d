//! What is measured while nodes come and go.

use kubernetes::Resource;
use kubernetes::metrics::text;

use super::started;

/// The value of a series, as it is scraped.
fn value(scraped: &str, series: &str) -> Option<String> {
    let line =
        scraped.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    Some(line.rsplit(' ').next()?.to_owned())
}

#[test]
fn nodes_that_come_and_go_are_counted_as_karpenter_counts_them() {
    let mut server = started(20);
    server.run_for_s(60);
    let claims = server.all(Resource::NodeClaim);
    let told = text::render(&server.edge().scrape(0));
    let is = |told: &str, series: &str, expected: &str| {
        assert_eq!(value(told, series).as_deref(), Some(expected), "{series} in\n{told}");
    };
    let count = claims.len().to_string();
    is(
        &told,
        r#"karpenter_nodeclaims_created_total{reason="provisioned",nodepool="default",min_values_relaxed="false"}"#,
        &count,
    );
    is(&told, "karpenter_cluster_state_node_count", &count);
    is(&told, "karpenter_cluster_state_synced", "1");
    is(&told, "karpenter_pods_bound_duration_seconds_count", "20");
    is(&told, "karpenter_pods_startup_duration_seconds_count", "20");
    is(&told, "karpenter_pods_scheduling_decision_duration_seconds_count", "20");
    is(&told, r#"karpenter_nodepools_usage{resource_type="nodes",nodepool="default"}"#, &count);
    is(&told, r#"karpenter_nodepools_allowed_disruptions{nodepool="default",reason="Empty"}"#, &count);
    is(
        &told,
        r#"karpenter_cloudprovider_duration_seconds_count{controller="nodeclaim.lifecycle",method="Create",provider="kwok"}"#,
        &count,
    );
    is(
        &told,
        r#"karpenter_cloudprovider_instance_type_offering_price_estimate{instance_type="c-1x-amd64-linux",capacity_type="spot",zone="test-zone-a"}"#,
        "0.019003",
    );
    assert_eq!(told.matches("karpenter_pods_state{").count(), 20);
    assert_eq!(told.matches("plimsoll_node_pods_capacity{").count(), claims.len());
    assert!(!told.contains("karpenter_pods_unbound_time_seconds"), "none waits");
    assert!(!told.contains("plimsoll_subnet"), "nothing is known of subnets");

    server.delete_all(Resource::Pod);
    server.run_for_s(180);
    let told = text::render(&server.edge().scrape(0));
    is(
        &told,
        r#"karpenter_nodeclaims_disrupted_total{reason="empty",nodepool="default",capacity_type="on-demand"}"#,
        &count,
    );
    let gone: usize = told
        .lines()
        .filter(|line| line.starts_with("karpenter_nodeclaims_terminated_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok())
        .sum();
    assert_eq!(gone, claims.len());
    is(&told, r#"karpenter_nodeclaims_termination_duration_seconds_count{nodepool="default"}"#, &count);
    is(&told, r#"karpenter_nodes_drained_total{nodepool="default"}"#, &count);
    is(&told, r#"karpenter_nodes_lifetime_duration_seconds_count{nodepool="default"}"#, &count);
    is(
        &told,
        r#"karpenter_voluntary_disruption_decisions_total{decision="delete",reason="empty",consolidation_type="empty"}"#,
        "1",
    );
    is(&told, "karpenter_cluster_state_node_count", "0");
    let ready =
        r#"operator_nodeclaim_status_condition_transitions_total{type="Ready",status="True",reason="Ready","#;
    assert!(told.contains(ready), "{told}");
}

#[test]
fn pods_that_wait_are_told_with_their_age() {
    let mut server = started(0);
    server.apply(Resource::Pod, super::pod("huge", "500"));
    server.run_for_s(30);
    let told = text::render(&server.edge().scrape(0));
    assert_eq!(
        value(&told, r#"karpenter_scheduler_unschedulable_pods_count{controller="provisioner"}"#).as_deref(),
        Some("1")
    );
    let age = value(&told, r#"karpenter_pods_unbound_time_seconds{name="huge",namespace="shop"}"#).unwrap();
    assert!(age.parse::<i64>().unwrap_or(29) >= 28, "{age}");
    assert!(!told.contains("karpenter_pods_provisioning_unbound_time_seconds"), "no plan has a place for it");
}
