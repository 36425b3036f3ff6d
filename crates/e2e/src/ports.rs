//! Free ports of the loopback address.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

/// Below the range that the kernel takes the ports of outgoing connections from: a port from there could be taken
/// by a connection of ours between the look and the start of the program that is to listen.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// Ports that this process has given out: whoever got them may not listen yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// So many ports in a row that nobody listens on and that were not given out before, the first found from a place that `seed` decides: two control
/// planes that start at the same time look in different places.
pub fn free<const N: usize>(seed: u32) -> Result<[u16; N]> {
    let step = u16::try_from(N.max(1))?;
    let places = (LAST - FIRST) / step;
    // Neighbouring process ids must not look at neighbouring ports.
    let start = u16::try_from(seed.wrapping_mul(2_654_435_761) % u32::from(places))?;
    let rows = (0..places).map(|at| FIRST + (start + at) % places * step);
    let row = rows.map(|first| std::array::from_fn(|at| first + u16::try_from(at).unwrap_or_default()));
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |row: &[u16; N]| row.iter().all(|port| !given.contains(port) && is_free(*port));
    let found = { row }.find(fits).context("no free ports of 127.0.0.1")?;
    given.extend(found);
    Ok(found)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_in_use_are_passed_over() {
        let first: [u16; 4] = free(7).unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first[2])).unwrap();
        GIVEN.lock().unwrap().clear();
        let second: [u16; 4] = free(7).unwrap();
        assert!(first.iter().all(|port| !second.contains(port)), "{first:?} {second:?}");
    }

    #[test]
    fn ports_are_given_out_once() {
        let (a, b): ([u16; 4], [u16; 4]) = (free(9).unwrap(), free(9).unwrap());
        assert!(a.iter().all(|port| !b.contains(port)), "{a:?} {b:?}");
    }

    #[test]
    fn neighbours_look_elsewhere() {
        let (a, b): ([u16; 6], [u16; 6]) = (free(1).unwrap(), free(2).unwrap());
        assert!(a.iter().all(|port| !b.contains(port)), "{a:?} {b:?}");
    }
}
