//! What an instance type's name says: category, family, generation, size.
//!
//! Follows the pattern `(^[a-z]+)(\-[0-9]+tb)?([0-9]+).*\.` of the Karpenter AWS provider
//! (`pkg/providers/instancetype/types.go`, v1.14).

/// The parts of an instance type's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceName<'a> {
    /// Leading letters; empty when the name does not follow the pattern.
    pub category: &'a str,
    /// Before the dot.
    pub family: &'a str,
    /// The number after the category; 0 when the name does not follow the pattern.
    pub generation: u32,
    /// After the dot.
    pub size: &'a str,
}

impl<'a> InstanceName<'a> {
    /// Takes a name apart; `None` without exactly one dot.
    pub fn parse(name: &'a str) -> Option<InstanceName<'a>> {
        let (family, size) = name.split_once('.').filter(|(_, size)| !size.contains('.'))?;
        let letters = family.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(family.len());
        let (category, rest) = family.split_at(letters);
        let rest = skip_terabytes(rest);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let generation = rest[..digits].parse().unwrap_or(0);
        let category = if digits == 0 { "" } else { category };
        Some(InstanceName { category, family, generation, size })
    }
}

/// Skips the memory size in the names of the first high-memory types (`u-6tb1`).
fn skip_terabytes(rest: &str) -> &str {
    let Some(after_dash) = rest.strip_prefix('-') else { return rest };
    let digits = after_dash.find(|c: char| !c.is_ascii_digit()).unwrap_or(after_dash.len());
    let after_size = after_dash[digits..].strip_prefix("tb");
    after_size.filter(|_| digits > 0).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_apart() {
        for (name, category, generation) in [
            ("m7g.large", "m", 7),
            ("c7i-flex.large", "c", 7),
            ("u-6tb1.56xlarge", "u", 1),
            ("u7i-12tb.224xlarge", "u", 7),
            ("p6-b200.48xlarge", "p", 6),
            ("im4gn.large", "im", 4),
            ("hpc7a.96xlarge", "hpc", 7),
            ("x2gd.metal", "x", 2),
            ("t4g.micro", "t", 4),
        ] {
            let parsed = InstanceName::parse(name).unwrap();
            assert_eq!((parsed.category, parsed.generation), (category, generation), "{name}");
            assert_eq!(format!("{}.{}", parsed.family, parsed.size), name);
        }
    }

    #[test]
    fn refuses_what_is_no_name() {
        for name in ["", "m7g", "m7g.large.extra"] {
            assert_eq!(InstanceName::parse(name), None, "{name}");
        }
        assert_eq!(
            InstanceName::parse("odd.large").map(|name| (name.category, name.generation)),
            Some(("", 0))
        );
    }
}
