//! The room of many instance types, resource by resource, so that all of them are compared at once.
//!
//! Says the same as [`Resources::exceeds`] type by type. Types are indexes; nothing here knows what they are.

use cluster::{Name, Resources};

use crate::bits::Bits;

/// Whether `requests` asks for more of anything than `room` has; see [`Resources::exceeds`].
pub fn exceeds(requests: &Resources, room: &Resources) -> bool {
    let more = |asked: i64, room: i64| asked != 0 && asked > room;
    more(requests.cpu_millis, room.cpu_millis)
        || more(requests.memory_bytes, room.memory_bytes)
        || more(requests.ephemeral_bytes, room.ephemeral_bytes)
        || more(requests.pods, room.pods)
        || requests.extended.iter().any(|(name, asked)| more(*asked, room.get(name)))
}

/// Room by resource, then by type.
#[derive(Clone, Debug, Default)]
pub struct Rooms {
    columns: Vec<(Name, Vec<i64>)>,
    types: usize,
}

impl Rooms {
    /// The rooms of types, in their order.
    pub fn of(rooms: &[Resources]) -> Rooms {
        let column =
            |name: &str, of: fn(&Resources) -> i64| (Name::from(name), rooms.iter().map(of).collect());
        let mut columns = vec![
            column("cpu", |room| room.cpu_millis),
            column("memory", |room| room.memory_bytes),
            column("ephemeral-storage", |room| room.ephemeral_bytes),
            column("pods", |room| room.pods),
        ];
        for (index, room) in rooms.iter().enumerate() {
            for (name, amount) in &room.extended {
                // A handful of names over a thousand types.
                let place = columns.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                    columns.push((name.clone(), vec![0; rooms.len()]));
                    columns.len() - 1
                });
                columns[place].1[index] = *amount;
            }
        }
        Rooms { columns, types: rooms.len() }
    }

    /// Those of `types` that hold what is asked for.
    #[must_use]
    pub fn holding(&self, requests: &Resources, types: &Bits) -> Bits {
        let asked: Vec<(Option<&[i64]>, i64)> = requests
            .iter()
            .map(|(name, amount)| {
                let column = self.columns.iter().find(|(own, _)| own == name);
                (column.map(|(_, amounts)| amounts.as_slice()), amount)
            })
            .collect();
        types.keep_words(|word, candidates| {
            let (from, to) = (word * 64, self.types.min(word * 64 + 64));
            let mut kept = candidates;
            for (column, amount) in &asked {
                let mut fits = 0u64;
                match column {
                    Some(column) => {
                        for (bit, room) in column[from.min(to)..to].iter().enumerate() {
                            fits |= u64::from(amount <= room) << bit;
                        }
                    }
                    None => fits = if *amount <= 0 { u64::MAX } else { 0 },
                }
                kept &= fits;
            }
            kept
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amounts() -> impl Strategy<Value = Resources> {
        (-2i64..6, 0i64..6, 0i64..3, prop::collection::btree_map("[ab]", 0i64..4, 0..2)).prop_map(
            |(cpu_millis, memory_bytes, pods, more)| {
                let mut amounts = Resources { cpu_millis, memory_bytes, pods, ..Resources::ZERO };
                more.iter().for_each(|(name, amount)| amounts.set(name, *amount));
                amounts
            },
        )
    }

    proptest! {
        #[test]
        fn as_type_by_type(
            rooms in prop::collection::vec(amounts(), 0..150),
            requests in amounts(),
            some in prop::collection::btree_set(0usize..150, 0..150),
        ) {
            let types: Bits = some.into_iter().filter(|index| *index < rooms.len()).collect();
            let one_by_one: Bits =
                types.iter().filter(|&index| requests.exceeds(&rooms[index]).is_none()).collect();
            prop_assert_eq!(Rooms::of(&rooms).holding(&requests, &types), one_by_one);
            for room in &rooms {
                prop_assert_eq!(exceeds(&requests, room), requests.exceeds(room).is_some());
            }
        }
    }
}
