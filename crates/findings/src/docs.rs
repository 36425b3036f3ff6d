//! The documentation of codes: the sections that each one has.

/// The headings of a code's documentation, in order; each stands on a line of its own as `## Heading`.
pub const SECTIONS: [&str; 7] =
    ["What it is", "Why it deadlocks", "Evidence", "Example", "Remedy", "Exceptions", "References"];

#[cfg(test)]
mod tests {
    use crate::rules::RULES;

    use super::SECTIONS;

    #[test]
    fn every_code_documents_every_section_in_order() {
        for rule in RULES {
            let headings: Vec<&str> = rule.docs.lines().filter_map(|line| line.strip_prefix("## ")).collect();
            assert_eq!(headings, SECTIONS, "{:?}", rule.code);
        }
    }

    #[test]
    fn codes_are_unique_and_in_order() {
        let ids: Vec<&str> = RULES.iter().map(|rule| rule.code.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
    }
}
