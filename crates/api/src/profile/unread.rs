//! What of the profile could not be read, and what that leaves open: nodes that are there in truth and not in the run.

use cluster::{FieldPath, Location};

use crate::decode::Around;
use crate::object::Place;

/// The fields that say which nodes there are, and for which pods.
const OF_NODES: [&str; 2] = ["/spec/nodeGroups", "/spec/fargate"];

/// What could not be read.
#[derive(Default)]
pub(super) struct Unread {
    /// Fields with a wrong type.
    fields: Vec<FieldPath>,
    /// Node groups that were left out.
    groups: Vec<FieldPath>,
    /// Nodes are written where nothing reads them.
    misplaced: bool,
}

impl Unread {
    /// What a reading left out.
    pub(super) fn of<T>(around: &Around<T>) -> Unread {
        let says_nodes = |field: &String| OF_NODES.iter().any(|of_nodes| is_within(field, of_nodes));
        let misplaced = around.meant.iter().any(says_nodes);
        Unread { fields: around.unread.clone(), groups: Vec::new(), misplaced }
    }

    /// Whether a field was reported as one that could not be read, by itself or with what it is in.
    pub(super) fn holds(&self, path: &FieldPath) -> bool {
        self.fields.iter().any(|field| is_within(&path.0, &field.0))
    }

    /// A group was left out.
    pub(super) fn leave_out(&mut self, group: &FieldPath) {
        self.groups.push(group.clone());
    }

    /// Where nodes were written that are not in the run as they are in truth, and why.
    pub(super) fn nodes(&self, place: &Place) -> Vec<(Location, &'static str)> {
        let at = |path: &FieldPath| place.at(&path.0);
        let out = |path: &FieldPath| self.groups.iter().any(|group| is_within(&path.0, &group.0));
        let says_nodes = |field: &&FieldPath| {
            let either = |of_nodes: &&str| is_within(&field.0, of_nodes) || is_within(of_nodes, &field.0);
            OF_NODES.iter().any(either) && !out(field)
        };
        let groups = self.groups.iter().map(|group| (at(group), "the group was left out"));
        let fields = self.fields.iter().filter(says_nodes).map(|field| (at(field), "taken as unsaid"));
        let misplaced = self.misplaced.then(|| (place.at("/spec"), "nodes are written in unknown fields"));
        groups.chain(fields).chain(misplaced).collect()
    }
}

fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use cluster::declared::Decides;

    use crate::testing::{lowered, shown};

    /// What is said, which groups are there with their nodes, and what is open.
    fn read(spec: &str) -> (String, Vec<(String, usize)>, Vec<String>) {
        let text = format!(
            "apiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nmetadata: {{name: a}}\nspec: {spec}\n"
        );
        let lowered = lowered(&text);
        let declared = &lowered.declared;
        let nodes = |index| declared.nodes.iter().filter(|node| node.group == Some(index)).count();
        let groups = (0u32..).zip(&declared.profile.node_groups);
        let groups = groups.map(|(index, group)| (group.name.to_string(), nodes(index))).collect();
        let open = declared.would_matter.iter().filter(|open| open.decides == Decides::Unread);
        let open = open.map(|open| format!("{}: {}", open.location.path, open.why)).collect();
        (shown(&lowered.problems), groups, open)
    }

    #[test]
    fn a_group_without_a_known_type_is_left_out_and_leaves_it_open() {
        let good = "{name: good, instanceType: m5.large, count: 2}";
        for (bad, said) in [
            (
                "m5.large",
                "Error CONF102 [spec.nodeGroups[0]] spec.nodeGroups[0]: expected a mapping, found the string \"m5.large\"\n",
            ),
            (
                "{instanceType: [m5.large]}",
                "Error CONF102 [spec.nodeGroups[0].instanceType] spec.nodeGroups[0].instanceType: expected a string, found a list\n",
            ),
            (
                "{name: b}",
                "Error CONF104 [spec.nodeGroups[0].instanceType] spec.nodeGroups[0].instanceType is required\n",
            ),
            (
                "{instanceType: m5.lrg}",
                "Error CONF106 [spec.nodeGroups[0].instanceType] spec.nodeGroups[0].instanceType: there is no instance type \"m5.lrg\"\n",
            ),
        ] {
            let (problems, groups, open) = read(&format!("{{nodeGroups: [{bad}, {good}]}}"));
            let note = "Note CONF106 [spec.nodeGroups[0]] spec.nodeGroups[0]: the group is left out: nothing is known about its nodes\n";
            let at_group = bad == "m5.large";
            let both = if at_group { format!("{said}{note}") } else { format!("{note}{said}") };
            assert_eq!(problems, both);
            assert_eq!(groups, [("good".to_owned(), 2)]);
            assert_eq!(open, ["spec.nodeGroups[0]: the group was left out"]);
        }
    }

    #[test]
    fn a_field_with_a_wrong_type_counts_as_unsaid_and_leaves_nodes_open() {
        let (problems, groups, open) =
            read("{nodeGroups: [{name: a, instanceType: m5.large, count: two}], horizon: 5}");
        assert_eq!(
            problems,
            "Error CONF102 [spec.horizon] spec.horizon: expected a string, found the number 5\n\
             Error CONF102 [spec.nodeGroups[0].count] spec.nodeGroups[0].count: expected a whole number that is not negative, found the string \"two\"\n"
        );
        assert_eq!(
            (groups, open),
            (vec![("a".to_owned(), 1)], vec!["spec.nodeGroups[0].count: taken as unsaid".to_owned()])
        );
    }

    #[test]
    fn nodes_in_unknown_fields_leave_it_open_and_other_unknown_fields_do_not() {
        let group = "{name: a, instanceType: m5.large}";
        let open = |spec: &str| read(spec).2;
        assert_eq!(
            open(&format!("{{managedNodeGroups: [{group}]}}")),
            ["spec: nodes are written in unknown fields"]
        );
        assert!(open(&format!("{{nodeGroups: [{group}], subnets: [], nonsense: 1}}")).is_empty());
        let with_disk = "{name: a, instanceType: m5.large, diskSize: 20}";
        assert!(open(&format!("{{nodeGroups: [{with_disk}]}}")).is_empty());
    }
}
