//! `plimsoll explain`: what a code means, or which pods an add-on brings.

use std::fmt::Write;

use findings::Code;
use findings::rules::RULES;

/// What to print, or why there is nothing.
pub fn explain(words: &[String]) -> Result<String, String> {
    match words {
        [] => Ok(list()),
        [code] => match Code::parse(code) {
            Some(code) => Ok(docs(code)),
            None => of_input(code)
                .ok_or_else(|| format!("nothing has the code {code}; `plimsoll explain` lists them all")),
        },
        [addon, name] if addon == "addon" => {
            api::addons::addon(name).map(|addon| addon.manifest.to_owned()).ok_or_else(|| {
                format!("no add-on is named {name}; known are: {}", api::addons::addon_names().join(", "))
            })
        }
        _ => Err("explain takes a code, `addon NAME`, or nothing".to_owned()),
    }
}

/// Findings first, then what can be wrong with the input.
fn list() -> String {
    let findings =
        RULES.iter().map(|rule| (rule.code.id, rule.code.name, rule.docs.lines().next().unwrap_or_default()));
    let mut out = String::new();
    for (code, name, summary) in findings.chain(input_codes()) {
        let _ = writeln!(out, "{code:<9} {name:<32} {summary}");
    }
    out
}

/// Code, name and meaning of everything that can be wrong with the input, in code order.
fn input_codes() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let objects = api::code::CODES.iter().map(|code| (code.code, code.name, code.meaning));
    objects.chain(sources::codes::ALL)
}

fn of_input(wanted: &str) -> Option<String> {
    let is_meant = |text: &str| text.eq_ignore_ascii_case(wanted);
    let (code, name, meaning) = input_codes().find(|(code, name, _)| is_meant(code) || is_meant(name))?;
    Some(format!("# {code} {name}\n\n{}.\n", meaning.trim_end_matches('.')))
}

fn docs(code: Code) -> String {
    let rule = RULES.iter().find(|rule| rule.code == code);
    format!("# {} {}\n\n{}", code.id, code.name, rule.map_or("", |rule| rule.docs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: &str) -> Result<String, String> {
        explain(&[code.to_owned()])
    }

    #[test]
    fn every_code_is_listed_and_explained() {
        let list = list();
        let codes: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
        let mut unique = codes.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), codes.len(), "no code twice");
        for code in codes {
            assert!(told(code).is_ok_and(|text| text.starts_with(&format!("# {code} "))), "{code}");
        }
    }

    #[test]
    fn codes_of_the_input_are_found_by_code_and_by_name() {
        assert_eq!(told("conf107"), told("role-name-too-long"));
        assert!(
            told("INPUT103")
                .is_ok_and(|text| text.starts_with("# INPUT103 broken-document\n\nThe document is"))
        );
        assert!(told("CONF999").is_err());
    }
}
