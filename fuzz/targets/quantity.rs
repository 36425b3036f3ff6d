//! Any text as a quantity: it is parsed or refused, and its roundings agree with each other.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(quantity) = cluster::Quantity::parse(text.trim_end()) else { return };
    let (units, millis) = (quantity.units(), quantity.milli());
    if millis > i64::MIN && millis < i64::MAX {
        assert_eq!(millis.div_euclid(1000) + i64::from(millis.rem_euclid(1000) != 0), units);
    }
    let _ = (cluster::quantity::format_bytes(units), cluster::quantity::format_cpu(millis));
});
