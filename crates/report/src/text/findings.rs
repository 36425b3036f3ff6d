//! Findings as people read them: the first of a code whole, further ones of it shortened, nothing said twice.

use std::collections::BTreeSet;

use super::{Style, count, diagnostic};
use crate::Judged;

/// The findings that count.
pub(super) fn render(judged: &Judged<'_>, style: Style) -> String {
    let mut out = String::new();
    let mut said: BTreeSet<&str> = BTreeSet::new();
    let mut codes = BTreeSet::new();
    let mut shortened = 0;
    for (finding, why) in judged.findings() {
        if why.is_some() {
            continue;
        }
        let first = codes.insert(finding.code) || style.verbose;
        let unsaid = finding.notes.iter().filter(|note| said.insert(note.as_str()) || style.verbose);
        let mut notes: Vec<&str> = unsaid.map(String::as_str).collect();
        if !first {
            notes.truncate(1);
            shortened += 1;
        }
        out.push_str(&diagnostic::finding(judged, finding, &notes, first, style));
    }
    if shortened > 0 {
        let (findings, are) = (count(shortened, "finding"), if shortened == 1 { "is" } else { "are" });
        out.push_str(&format!(
            "note: {findings} like those above {are} shortened; `-v` shows all of them\n\n"
        ));
    }
    out
}
