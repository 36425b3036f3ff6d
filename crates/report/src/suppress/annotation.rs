//! `plimsoll.dev/ignore.CODE: "reason"` on objects of the input.

use cluster::FieldPath;
use serde_json::Value;
use sources::Inputs;

use super::entry::Entry;

/// What the annotation's name starts with; the code follows.
const PREFIX: &str = "plimsoll.dev/ignore.";

/// Every such annotation of the input, in its order.
pub(super) fn entries(inputs: &Inputs) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (document, number) in inputs.documents.iter().zip(0u32..) {
        for part in &document.parts {
            let Some(annotations) = part.value.pointer("/metadata/annotations").and_then(Value::as_object)
            else {
                continue;
            };
            let text = |pointer: &str| {
                part.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            for (key, value) in annotations {
                let Some(code) = key.strip_prefix(PREFIX) else { continue };
                let path = part.root.join(&FieldPath::of("/metadata/annotations").child(key));
                let place = inputs
                    .document_span(number, &path)
                    .map_or_else(Default::default, |span| (span.name, span.line, span.column));
                let namespace = match text("/metadata/namespace") {
                    none if none.is_empty() => "default".to_owned(),
                    written => written,
                };
                let object = [text("/kind"), namespace, text("/metadata/name")];
                entries.push(Entry::of_annotation(object, code, value.as_str().unwrap_or_default(), place));
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use cluster::{Kind, ObjectKey};

    use super::*;

    fn pool(annotation: &str) -> Vec<Entry> {
        let text = format!(
            "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata:\n  name: batch\n  annotations:\n    {annotation}\n"
        );
        entries(&fixtures::inputs(&text))
    }

    #[test]
    fn an_annotation_covers_its_object_only() {
        let found = pool("plimsoll.dev/ignore.NODE102: the limit is meant");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].invalid, None);
        assert!(found[0].fits_code(("NODE102", "pool-limit-reached")));
        assert!(found[0].fits_object(&ObjectKey::new(Kind::NodePool, "", "batch")));
        assert!(!found[0].fits_object(&ObjectKey::new(Kind::NodePool, "", "web")));
        assert_eq!(found[0].fault().line, 6);
    }

    #[test]
    fn a_reason_is_compulsory() {
        let found = pool("plimsoll.dev/ignore.NODE102: \" \"");
        assert_eq!(found[0].invalid, Some("the suppression of NODE102 gives no reason".to_owned()));
    }

    #[test]
    fn other_annotations_are_none() {
        assert!(pool("example.org/ignore.NODE102: x").is_empty());
    }
}
