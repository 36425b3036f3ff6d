//! What a type's name says about its price: category, generation, suffix and size factor. Pure.

/// A family name taken apart: `m7i-flex` is category `m`, generation 7, suffix `i-flex`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    /// Leading letters.
    pub category: String,
    /// The number.
    pub generation: u32,
    /// The rest.
    pub suffix: String,
}

impl Family {
    /// Takes a family name apart; `None` for those without a number after the letters (`u-6tb1`).
    pub fn parse(name: &str) -> Option<Family> {
        let letters = name.find(|c: char| !c.is_ascii_lowercase())?;
        let digits = name[letters..].find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len() - letters);
        let generation = name[letters..letters + digits].parse().ok()?;
        Some(Family {
            category: name[..letters].to_string(),
            generation,
            suffix: name[letters + digits..].to_string(),
        })
    }

    /// The name again.
    pub fn name(&self) -> String {
        format!("{}{}{}", self.category, self.generation, self.suffix)
    }
}

/// Family and size of a type.
pub fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}

/// How many times the price of a `medium` a size costs in a family whose price is linear in size; `None` for
/// bare metal, whose factor is that of the size with as many vCPUs.
pub fn size_factor(size: &str) -> Option<f64> {
    Some(match size {
        "nano" => 0.125,
        "micro" => 0.25,
        "small" => 0.5,
        "medium" => 1.0,
        "large" => 2.0,
        "xlarge" => 4.0,
        _ => 4.0 * size.strip_suffix("xlarge")?.parse::<f64>().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        for name in ["m7i-flex", "c6gn", "t4g", "inf2", "x2iedn"] {
            assert_eq!(Family::parse(name).unwrap().name(), name);
        }
        let flex = Family::parse("m7i-flex").unwrap();
        assert_eq!((flex.category.as_str(), flex.generation, flex.suffix.as_str()), ("m", 7, "i-flex"));
        assert_eq!(Family::parse("u-6tb1"), None);
    }

    #[test]
    fn factors() {
        let sizes = [("nano", 0.125), ("medium", 1.0), ("large", 2.0), ("xlarge", 4.0), ("24xlarge", 96.0)];
        for (size, factor) in sizes {
            assert_eq!(size_factor(size), Some(factor), "{size}");
        }
        assert_eq!((size_factor("metal"), size_factor("metal-24xl")), (None, None));
    }
}
