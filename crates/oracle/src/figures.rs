//! Numbers as the reports write them.

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How much is the same, cut off: only all of it is 100 %.
pub fn percent(all: u64, different: u64) -> String {
    if different == 0 {
        return "100 %".into();
    }
    let same = u128::from(all.saturating_sub(different)) * 10_000 / u128::from(all.max(1));
    format!("{}.{:02} %", same / 100, same % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_only_all_is_all() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [(10, 0), (3, 1), (1_000_000, 1)].map(|(all, different)| percent(all, different)),
            ["100 %", "66.66 %", "99.99 %"]
        );
    }
}
