//! "Did you mean …?": the known word that is nearest to the one written.

/// The nearest of `known` to `written`, when it is near enough to be a slip of the pen: the same letters in another
/// case, or a Damerau-Levenshtein distance of at most a third of the length.
pub(crate) fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if written.len() > 100 {
        return None;
    }
    let lower = written.to_ascii_lowercase();
    let allowed = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&lower, &word.to_ascii_lowercase()), word))
        .filter(|(distance, word)| *distance <= allowed && *word != written)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `did you mean \`X\`?`, or nothing.
pub(crate) fn did_you_mean<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    nearest(written, known).map(|word| format!("did you mean `{word}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["hostNetwork", "hostPID", "nodeSelector"];
        assert_eq!(nearest("hostnetwork", known), Some("hostNetwork"));
        assert_eq!(nearest("nodeSelectors", known), Some("nodeSelector"));
        assert_eq!(nearest("volumes", known), None);
    }
}
