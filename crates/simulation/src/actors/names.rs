//! Names of pods: deterministic, and shaped like those of the real controllers.

use cluster::{Name, ObjectKey};

/// The letters of `k8s.io/apimachinery` `pkg/util/rand` `SafeEncodeString`: no vowels, so no words.
const SAFE: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// `pod-template-hash` / `controller-revision-hash` of an owner's revision: FNV-1a over its identity and number.
pub fn revision_hash(owner: &ObjectKey, revision: u32) -> Name {
    let mut hash = 0x811c_9dc5_u32;
    let text = format!("{owner}#{revision}");
    for byte in text.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string()
        .bytes()
        .map(|digit| char::from(SAFE[digit as usize % SAFE.len()]))
        .collect::<String>()
        .into()
}

/// `<base>-<index>`, with the base cut so that the name stays a DNS subdomain
/// (`k8s.io/apiserver` `pkg/storage/names` `maxNameLength` 63, 5 for the suffix).
pub fn indexed(base: &str, index: u32) -> Name {
    const LONGEST_BASE: usize = 57;
    let cut = base.char_indices().nth(LONGEST_BASE).map_or(base.len(), |(at, _)| at);
    Name::from(format!("{}-{index}", &base[..cut]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::Kind;

    #[test]
    fn the_same_revision_has_the_same_hash_and_others_differ() {
        let web = ObjectKey::new(Kind::Deployment, "apps", "web");
        assert_eq!(revision_hash(&web, 0), revision_hash(&web, 0));
        assert_ne!(revision_hash(&web, 0), revision_hash(&web, 1));
        assert!(revision_hash(&web, 0).bytes().all(|letter| SAFE.contains(&letter)));
    }

    #[test]
    fn long_names_are_cut_before_the_index() {
        assert_eq!(indexed("web", 3), "web-3");
        assert_eq!(indexed(&"ä".repeat(80), 12).chars().count(), 60);
    }
}
