//! What Karpenter serves and plimsoll does not, and why. The page of metrics tells it.

/// Families by their names (`*` for any), and the reason.
pub(super) static ABSENT: &[(&str, &str)] = &[
    (
        "karpenter_scheduler_scheduling_duration_seconds, karpenter_scheduler_unfinished_work_seconds, \
         karpenter_scheduler_queue_depth, karpenter_voluntary_disruption_decision_evaluation_duration_seconds",
        "One decision looks at everything at once; how long it takes is `plimsoll_decision_duration_seconds`.",
    ),
    (
        "karpenter_scheduler_ignored_pods_count, karpenter_scheduler_pending_pods_by_effective_zone_count",
        "No pod is ignored without an event that says why; zones of pending pods are not worked out apart from a plan.",
    ),
    (
        "karpenter_voluntary_disruption_eligible_nodes, karpenter_voluntary_disruption_failed_validations_total, \
         karpenter_voluntary_disruption_queue_failures_total",
        "Candidates, failed second looks and failed replacements are not told by the autoscaler yet.",
    ),
    (
        "karpenter_consolidation_score, karpenter_consolidation_moves_total",
        "The policy `Balanced` decides without telling its scores yet.",
    ),
    (
        "karpenter_nodeclaims_unhealthy_disrupted_total",
        "Needs the condition for which a node was repaired, which is not told with the claim's deletion yet.",
    ),
    (
        "karpenter_nodepools_cost_tracker_errors_total",
        "Costs are summed up when they are asked for; there is no tracker that could go wrong.",
    ),
    (
        "operator_status_condition_*, operator_termination_*",
        "Deprecated upstream; the same is in `operator_nodeclaim_*`, `operator_nodepool_*` and `operator_node_*`.",
    ),
    (
        "controller_runtime_*, workqueue_*, rest_client_*",
        "There are no such controllers and queues; `plimsoll_work_*` and `client_go_request_*` tell of work and calls.",
    ),
    ("go_*, certwatcher_*", "It is not a Go program."),
    (
        "process_open_fds, process_max_fds, process_virtual_memory_max_bytes, process_network_*",
        "Nothing here comes near a limit of them.",
    ),
];
