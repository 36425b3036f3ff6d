//! Which finding of one run is which of another: by what it says, not by where in the file it is written.

use api::Problem;
use findings::Finding;
use sources::Inputs;

/// Of a finding: its code, its first place and the objects affected; not the numbers, which drift.
pub fn of_finding(finding: &Finding) -> String {
    let mut parts = vec![finding.code.id.to_owned()];
    if let Some(primary) = &finding.primary {
        parts.push(primary.location.object.to_string());
        parts.push(primary.location.path.0.clone());
    }
    let mut objects: Vec<String> = finding.objects.iter().map(ToString::to_string).collect();
    objects.sort_unstable();
    parts.extend(objects);
    of_text(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Of a problem: its code, its file, its field and what is wrong with it.
pub fn of_problem(inputs: &Inputs, problem: &Problem) -> String {
    let file = inputs.problem_span(problem).map_or_else(String::new, |span| span.name);
    let object = crate::suppress::object_of(inputs, problem).map_or_else(String::new, |key| key.to_string());
    of_text(&[problem.code, &file, &object, &problem.path.0, &problem.message])
}

/// FNV-1a over 64 bits, parts kept apart: stable over versions and machines, and no secret is in it.
pub(crate) fn of_text(parts: &[&str]) -> String {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain(std::iter::once(0)));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart_and_the_hash_is_the_published_one() {
        assert_ne!(of_text(&["ab", "c"]), of_text(&["a", "bc"]));
        // FNV-1a of the one byte 0 (draft-eastlake-fnv, test vectors).
        assert_eq!(of_text(&[""]), "af63bd4c8601b7df");
    }
}
