//! The algebra against brute force over a small universe of values.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Every value that the generated requirements can tell apart, two beyond all bounds and one that is no number.
const UNIVERSE: [&str; 9] = ["-7", "0", "1", "2", "3", "9", "a", "b", "zz"];

fn requirement() -> impl Strategy<Value = Requirement> {
    let value = prop::sample::select(vec!["0", "1", "2", "3", "a", "b"]);
    let number = prop::sample::select(vec!["0", "1", "2", "3"]);
    prop_oneof![
        prop::collection::vec(value.clone(), 0..4).prop_map(|values| Requirement::new(
            "k",
            SelectorOperator::In,
            &values
        )),
        prop::collection::vec(value, 0..4).prop_map(|values| Requirement::new(
            "k",
            SelectorOperator::NotIn,
            &values
        )),
        Just(Requirement::exists("k")),
        Just(Requirement::does_not_exist("k")),
        (
            number,
            prop::sample::select(vec![
                SelectorOperator::Gt,
                SelectorOperator::Lt,
                SelectorOperator::Gte,
                SelectorOperator::Lte,
            ])
        )
            .prop_map(|(number, operator)| Requirement::new("k", operator, &[number])),
    ]
}

proptest! {
    #[test]
    fn an_intersection_allows_what_both_allow(a in requirement(), b in requirement(), c in requirement()) {
        let both = a.intersection(&b).intersection(&c);
        for value in UNIVERSE {
            prop_assert_eq!(both.has(value), a.has(value) && b.has(value) && c.has(value), "{} in {}", value, both);
        }
    }

    #[test]
    fn an_intersection_does_not_depend_on_order(a in requirement(), b in requirement()) {
        let (left, right) = (a.intersection(&b), b.intersection(&a));
        for value in UNIVERSE {
            prop_assert_eq!(left.has(value), right.has(value));
        }
        prop_assert_eq!(a.has_intersection(&b), b.has_intersection(&a));
    }

    #[test]
    fn sharing_a_value_means_a_non_empty_intersection(a in requirement(), b in requirement()) {
        // Two complements always share something: there are infinitely many labels, but not within integer bounds.
        let shared = UNIVERSE.iter().any(|value| a.has(value) && b.has(value));
        if shared {
            prop_assert!(a.has_intersection(&b));
        }
        if !(a.complement && b.complement) {
            prop_assert_eq!(shared, a.has_intersection(&b), "{} and {}", a, b);
        }
    }

    #[test]
    fn a_set_of_labels_is_compatible_exactly_when_a_selector_would_match(
        labels in prop::collection::btree_map(
            prop::sample::select(vec!["x", "y"]), prop::sample::select(vec!["0", "1", "2", "a"]), 0..3),
        wanted in prop::collection::vec((prop::sample::select(vec!["x", "y"]), prop::sample::select(vec![
            SelectorOperator::In, SelectorOperator::NotIn, SelectorOperator::Exists, SelectorOperator::DoesNotExist,
            SelectorOperator::Gt, SelectorOperator::Lt]), prop::sample::select(vec!["0", "1", "2"])), 0..3),
    ) {
        let labels: Labels = labels.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        let mut keys: BTreeMap<&str, ()> = BTreeMap::new();
        let selectors: Vec<SelectorRequirement> = wanted.into_iter()
            .filter(|(key, _, _)| keys.insert(key, ()).is_none())
            .map(|(key, operator, value)| {
                let bare = matches!(operator, SelectorOperator::Exists | SelectorOperator::DoesNotExist);
                let values = if bare { vec![] } else { vec![value.into()] };
                SelectorRequirement { key: key.into(), operator, values, min_values: None }
            })
            .collect();
        let matches = selectors.iter().all(|selector| selector.matches(&labels));
        let compatible =
            Requirements::of_labels(&labels).compatible(&Requirements::of_selectors(&selectors), Undefined::Denied);
        prop_assert_eq!(compatible.is_ok(), matches, "{:?} against {:?}", selectors, labels);
        prop_assert_eq!(Requirements::of_selectors(&selectors).hold_for(&labels), matches);
    }
}

fn selector(key: &str, operator: SelectorOperator, values: &[&str]) -> SelectorRequirement {
    SelectorRequirement {
        key: key.into(),
        operator,
        values: values.iter().map(|value| Name::from(*value)).collect(),
        min_values: None,
    }
}

#[test]
fn bounds_are_made_inclusive_and_vanish_from_concrete_sets() {
    let above = Requirement::new("k", SelectorOperator::Gt, &["4"]);
    assert_eq!((above.at_least, above.shape()), (Some(5), Shape::Exists));
    let concrete = above.intersection(&Requirement::new("k", SelectorOperator::In, &["4", "5", "m"]));
    assert_eq!((concrete.values.as_slice(), concrete.at_least), (&[Name::from("5")][..], None));
    let nothing = above.intersection(&Requirement::new("k", SelectorOperator::Lt, &["5"]));
    assert_eq!(nothing.shape(), Shape::DoesNotExist);
    assert_eq!(
        Requirement::new("k", SelectorOperator::Gt, &["9223372036854775807"]).shape(),
        Shape::DoesNotExist
    );
}

#[test]
fn min_values_keep_the_larger() {
    let wide = Requirement { min_values: Some(2), ..Requirement::exists("k") };
    let narrow = Requirement { min_values: Some(5), ..Requirement::equal_to("k", "a") };
    assert_eq!(wide.intersection(&narrow).min_values, Some(5));
    assert_eq!(wide.intersection(&Requirement::exists("k")).min_values, Some(2));
}

#[test]
fn deprecated_keys_are_the_stable_ones() {
    assert_eq!(Requirement::exists("beta.kubernetes.io/arch").key, "kubernetes.io/arch");
    assert_eq!(
        Requirement::exists("failure-domain.beta.kubernetes.io/zone").key,
        "topology.kubernetes.io/zone"
    );
}

#[test]
fn well_known_labels_are_in_byte_order() {
    assert!(WELL_KNOWN_LABELS.is_sorted());
    assert!(is_well_known("kubernetes.io/arch") && !is_well_known("kubernetes.io/hostname"));
}

#[test]
fn an_unknown_custom_label_is_denied_and_a_well_known_one_is_not() {
    let pool = Requirements::of_selectors(&[selector("kubernetes.io/os", SelectorOperator::In, &["linux"])]);
    let custom = Requirements::of_selectors(&[selector("team", SelectorOperator::In, &["a"])]);
    let zone =
        Requirements::of_selectors(&[selector("topology.kubernetes.io/zone", SelectorOperator::In, &["z1"])]);
    let refusal = pool.compatible(&custom, Undefined::WellKnownAllowed).unwrap_err();
    assert_eq!((refusal.wanted.key.as_str(), refusal.offered.clone()), ("team", None));
    assert!(pool.compatible(&zone, Undefined::WellKnownAllowed).is_ok());
    assert!(pool.compatible(&zone, Undefined::Denied).is_err());
    let absent = Requirements::of_selectors(&[selector("team", SelectorOperator::NotIn, &["a"])]);
    assert!(pool.compatible(&absent, Undefined::Denied).is_ok());
}

#[test]
fn the_architecture_of_a_pool_and_a_pod_must_meet() {
    let pool =
        Requirements::of_selectors(&[selector("kubernetes.io/arch", SelectorOperator::In, &["amd64"])]);
    let pod = Requirements::of_selectors(&[selector("kubernetes.io/arch", SelectorOperator::In, &["arm64"])]);
    let refusal = pool.compatible(&pod, Undefined::WellKnownAllowed).unwrap_err();
    assert_eq!(refusal.wanted.to_string(), "kubernetes.io/arch In [arm64]");
    assert_eq!(refusal.offered.unwrap().to_string(), "kubernetes.io/arch In [amd64]");
}

#[test]
fn the_heaviest_preference_and_the_first_required_term_count() {
    let term = |key: &str, value: &str| NodeSelectorTerm {
        match_expressions: vec![selector(key, SelectorOperator::In, &[value])],
        match_fields: vec![],
    };
    let selected = Labels::from([("a".into(), "1".into())]);
    let all = Requirements::of_node_affinity(
        &selected,
        &[term("b", "1"), term("c", "1")],
        &[(1, term("d", "1")), (9, term("e", "1")), (9, term("f", "1"))],
    );
    assert_eq!(all.iter().map(|r| r.key.as_str()).collect::<Vec<_>>(), ["a", "b", "e"]);
}
