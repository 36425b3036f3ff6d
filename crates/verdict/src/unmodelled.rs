//! Where something that was read and is not modelled decides: then nothing can be said, and only then.
//!
//! A run in which everything is running is doubted only for pods whose placement is not modelled (other schedulers,
//! devices). A stuck run is doubted when everything that waits could be helped by what is not modelled: nodes that
//! others make, parts that are deployed from elsewhere. Whatever waits for another reason keeps its verdict.

use std::collections::BTreeSet;

use cluster::declared::{Decides, Unmodelled};
use cluster::{Cluster, Waiting};
use findings::{Party, Wait, WaitGraph, Why};
use simulation::Run;

/// What leaves the outcome of a run open; empty when the run says it.
pub fn deciding(run: &Run, graph: &WaitGraph) -> Vec<Unmodelled> {
    let known = &run.cluster.declared.would_matter;
    if known.is_empty() {
        return Vec::new();
    }
    if run.unmet.is_empty() {
        return known.iter().filter(|found| places_a_workload(found, &run.cluster)).cloned().collect();
    }
    let mut deciding = BTreeSet::new();
    for unmet in &run.unmet {
        let reached = reach(graph, &Party::Workload(unmet.workload()));
        let helps = |index: &usize| reached.iter().any(|wait| could_end(&known[*index], wait, &run.cluster));
        let helping: Vec<usize> = (0..known.len()).filter(helps).collect();
        if helping.is_empty() {
            return Vec::new();
        }
        deciding.extend(helping);
    }
    deciding.into_iter().map(|index| known[index].clone()).collect()
}

/// Whether it decides where the pods of a workload that is still there go.
fn places_a_workload(found: &Unmodelled, cluster: &Cluster) -> bool {
    let mut workloads = cluster.declared.workload_ids();
    found.decides == Decides::Placement
        && workloads.any(|(id, workload)| {
            workload.key == found.location.object && !cluster.deleted_workloads.contains(&id)
        })
}

/// Every wait behind a party.
fn reach<'g>(graph: &'g WaitGraph, from: &Party) -> Vec<&'g Wait> {
    let mut seen = BTreeSet::from([from.clone()]);
    let mut queue = vec![from.clone()];
    let mut reached = Vec::new();
    while let Some(party) = queue.pop() {
        for wait in graph.waits.iter().filter(|wait| wait.who == party) {
            reached.push(wait);
            if seen.insert(wait.on.clone()) {
                queue.push(wait.on.clone());
            }
        }
    }
    reached
}

/// Whether it could bring what is waited for.
fn could_end(found: &Unmodelled, wait: &Wait, cluster: &Cluster) -> bool {
    match found.decides {
        Decides::Nodes | Decides::Unread => {
            matches!(
                wait.why,
                Why::Pods(Waiting::Unschedulable(_)) | Why::NeedsNode | Why::Pool(_) | Why::NoSuchLabel(_)
            )
        }
        Decides::Parts => matches!(wait.why, Why::NoProvider),
        Decides::Placement => match wait.who {
            Party::Workload(id) => cluster.declared.workload(id).key == found.location.object,
            _ => false,
        },
        Decides::Extent => false,
    }
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;
    use findings::Outcome;

    use crate::judge::{Options, judge};

    const GROUP: &str = "
        apiVersion: plimsoll.dev/v1alpha1
        kind: Cluster
        metadata: {name: test}
        spec:
          region: us-west-2
          nodeGroups: [{name: system, instanceType: m7g.large, count: 1}]
        ";

    /// The outcome of one pod with this spec beside these documents, and why it is open.
    fn outcome(pod: &str, documents: &str) -> (Outcome, usize) {
        let one = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: one}}\nspec: {{containers: [{{name: a, image: a}}], {pod}}}\n"
        );
        let text = format!("{}---\n{one}---\n{documents}", fixtures::unindent(GROUP));
        let verdict = judge(
            &fixtures::inputs(&text),
            Catalog::embedded(),
            Options { search: false, ..Options::default() },
        );
        (verdict.outcome, verdict.told.open.len())
    }

    const ELSEWHERE: &str = "nodeSelector: {pool: batch}";
    const MACHINES: &str =
        "apiVersion: cluster.x-k8s.io/v1beta1\nkind: MachineDeployment\nmetadata: {name: batch}\n";
    const AUTOSCALER: &str =
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n";

    #[test]
    fn nodes_that_others_make_leave_open_what_finds_no_node_and_nothing_else() {
        assert_eq!(outcome("", MACHINES), (Outcome::Converges, 0));
        assert_eq!(outcome(ELSEWHERE, MACHINES), (Outcome::Inconclusive, 1));
        let stuck = outcome(ELSEWHERE, AUTOSCALER);
        assert!(!matches!(stuck.0, Outcome::Converges | Outcome::Inconclusive) && stuck.1 == 0, "{stuck:?}");
        assert_eq!(outcome("", AUTOSCALER), (Outcome::Converges, 0));
    }

    #[test]
    fn nodes_that_could_not_be_read_leave_open_what_finds_no_node() {
        let with = |group: &str, pod: &str| {
            let text = fixtures::unindent(GROUP).replace("nodeGroups: [", &format!("nodeGroups: [{group}, "));
            let pod = format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: one}}\nspec: {{containers: [{{name: a, image: a}}], {pod}}}\n"
            );
            let inputs = fixtures::inputs(&format!("{text}---\n{pod}"));
            judge(&inputs, Catalog::embedded(), Options { search: false, ..Options::default() }).outcome
        };
        let unread = "{name: batch, instanceType: [m5.large], labels: {pool: batch}}";
        assert_eq!(with(unread, ELSEWHERE), Outcome::Inconclusive);
        assert_eq!(with(unread, ""), Outcome::Converges);
        let read = "{name: batch, instanceType: m5.large, labels: {pool: other}}";
        assert!(!matches!(with(read, ELSEWHERE), Outcome::Converges | Outcome::Inconclusive));
    }

    #[test]
    fn pods_whose_placement_is_not_modelled_leave_it_open_unless_others_are_stuck() {
        assert_eq!(outcome("schedulerName: volcano", "").0, Outcome::Inconclusive);
        let other = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: two}}\nspec: {{containers: [{{name: a, image: a}}], {ELSEWHERE}}}\n"
        );
        let stuck = outcome("schedulerName: volcano", &other);
        assert!(!matches!(stuck.0, Outcome::Converges | Outcome::Inconclusive), "{stuck:?}");
    }
}
