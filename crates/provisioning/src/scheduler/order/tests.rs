//! What is asked, in which order, and what is not asked again.

use proptest::prelude::*;

use super::*;

/// Notes which claims are asked, none of which takes anything.
struct Asking<F, J> {
    asked: Vec<usize>,
    misfit: F,
    may_join: J,
}

impl<F: Fn(usize) -> Misfit, J: Fn(Key) -> bool> Seeker for Asking<F, J> {
    type Fit = ();

    fn may_join(&mut self, key: Key) -> bool {
        (self.may_join)(key)
    }

    fn ask(&mut self, claim: usize) -> Result<(), Misfit> {
        self.asked.push(claim);
        Err((self.misfit)(claim))
    }
}

fn asked_with(
    order: &Order,
    refused: &mut Refused,
    barred: &mut Refused,
    misfit: impl Fn(usize) -> Misfit,
    may_join: impl Fn(Key) -> bool,
) -> Vec<usize> {
    let mut asking = Asking { asked: Vec::new(), misfit, may_join };
    order.first(refused, barred, &mut asking);
    asking.asked
}

/// Claims in the order in which they are asked.
fn asked(order: &Order, refused: &mut Refused, misfit: impl Fn(usize) -> Misfit) -> Vec<usize> {
    asked_with(order, refused, &mut Refused::default(), misfit, |_| true)
}

/// One of three lanes.
fn lane(of: usize) -> Key {
    (of % 3, SetId::default())
}

#[test]
fn what_refused_for_good_is_not_asked_again() {
    let mut order = Order::default();
    (0..4).for_each(|_| order.enter(lane(0)));
    order.advance(1, lane(0));
    order.advance(2, lane(0));
    let mut refused = Refused::default();
    let misfit = |claim| if claim == 3 { Misfit::NotNow } else { Misfit::Never };
    assert_eq!(asked(&order, &mut refused, misfit), [0, 3, 2, 1]);
    order.enter(lane(0));
    order.advance(0, lane(0));
    assert_eq!(asked(&order, &mut refused, misfit), [3, 4, 0]);
    assert_eq!(asked(&order, &mut refused, misfit), [3]);
}

#[test]
fn what_bars_one_class_bars_those_with_the_same_rules() {
    let mut order = Order::default();
    (0..5).for_each(|_| order.enter(lane(0)));
    let mut barred = Refused::default();
    let mut ask = |refused: &mut Refused| {
        let misfit = |claim| if claim == 2 { Misfit::Never } else { Misfit::Barred };
        asked_with(&order, refused, &mut barred, misfit, |_| true)
    };
    let mut first = Refused::default();
    assert_eq!(ask(&mut first), [0, 1, 2, 3, 4]);
    assert_eq!(ask(&mut first), [0; 0], "all five for good");
    assert_eq!(ask(&mut Refused::default()), [2], "the others are barred");
}

#[test]
fn a_lane_that_cannot_be_joined_is_passed_by() {
    let mut order = Order::default();
    (0..6).for_each(|claim| order.enter(lane(claim)));
    order.advance(3, lane(1));
    order.advance(2, lane(2));
    order.advance(5, lane(1));
    let closed = |key| key != lane(1);
    let (mut refused, mut barred) = (Refused::default(), Refused::default());
    let asked = asked_with(&order, &mut refused, &mut barred, |_| Misfit::NotNow, closed);
    assert_eq!(asked, [0, 2]);
}

proptest! {
    /// As a list that is kept sorted by number of pods, each claim moving behind those that have fewer.
    #[test]
    fn as_a_sorted_list(steps in prop::collection::vec(prop::option::of(0usize..40), 1..120)) {
        let mut order = Order::default();
        let (mut list, mut pods): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for step in steps {
            match step.filter(|claim| *claim < pods.len()) {
                None => {
                    order.enter(lane(pods.len()));
                    let at = list.partition_point(|&claim: &usize| pods[claim] <= 1);
                    list.insert(at, pods.len());
                    pods.push(1);
                }
                Some(claim) => {
                    order.advance(claim, lane(claim + pods[claim]));
                    list.retain(|other| *other != claim);
                    pods[claim] += 1;
                    let at = list.partition_point(|&other| pods[other] < pods[claim]);
                    list.insert(at, claim);
                }
            }
            let (mut refused, mut barred) = (Refused::default(), Refused::default());
            prop_assert_eq!(asked(&order, &mut refused, |_| Misfit::NotNow), list.clone());
            // What refuses for good is asked once, whichever way it does; the others again and again.
            let of = |claim: usize| [Misfit::NotNow, Misfit::Never, Misfit::Barred][claim * 7 % 3];
            let all = asked_with(&order, &mut refused, &mut barred, of, |_| true);
            prop_assert_eq!(all, list.clone());
            let open = |only: &[Misfit]| -> Vec<usize> {
                list.iter().copied().filter(|&claim| only.contains(&of(claim))).collect()
            };
            let again = asked_with(&order, &mut refused, &mut barred, of, |_| true);
            prop_assert_eq!(again, open(&[Misfit::NotNow]));
            let other = asked_with(&order, &mut Refused::default(), &mut barred, of, |_| true);
            prop_assert_eq!(other, open(&[Misfit::NotNow, Misfit::Never]));
        }
    }
}
