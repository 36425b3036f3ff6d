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
            None => Err(format!("no finding has the code {code}; `plimsoll explain` lists them all")),
        },
        [addon, name] if addon == "addon" => {
            api::addons::addon(name).map(|addon| addon.manifest.to_owned()).ok_or_else(|| {
                format!("no add-on is named {name}; known are: {}", api::addons::addon_names().join(", "))
            })
        }
        _ => Err("explain takes a code, `addon NAME`, or nothing".to_owned()),
    }
}

fn list() -> String {
    let mut out = String::new();
    for rule in RULES {
        let summary = rule.docs.lines().next().unwrap_or_default();
        let _ = writeln!(out, "{:<9} {:<32} {summary}", rule.code.id, rule.code.name);
    }
    out
}

fn docs(code: Code) -> String {
    let rule = RULES.iter().find(|rule| rule.code == code);
    format!("# {} {}\n\n{}", code.id, code.name, rule.map_or("", |rule| rule.docs))
}
