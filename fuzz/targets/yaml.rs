//! Any bytes as a stream of documents: it is read or refused, and every place that is named is in the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sources::{Inputs, Limits, Loader, Node};

fuzz_target!(|data: &[u8]| {
    let mut loader = Loader::new(Limits { alias_bytes: 1 << 20, ..Limits::default() });
    loader.add_bytes("fuzz.yaml", data.to_vec());
    let inputs: Inputs = loader.finish();
    for document in &inputs.documents {
        let text = inputs.text(document.file);
        assert!(text.get(document.bytes.start as usize..document.bytes.end as usize).is_some());
        for part in &document.parts {
            check(text, &part.value, &part.node);
        }
    }
    for problem in &inputs.problems {
        assert!(inputs.problem_span(problem).is_some());
    }
    for object in inputs.raw_objects() {
        assert!(inputs.document_span(object.document, &object.root).is_some());
    }
});

/// A node for every value, each inside the text.
fn check(text: &str, value: &Value, node: &Node) {
    for bytes in [node.key, node.value, node.whole()] {
        assert!(text.get(bytes.start as usize..bytes.end as usize).is_some(), "{bytes:?}");
    }
    let inner: Vec<&Value> = match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    // `apiVersion` and `kind` of a list's items may have been filled in.
    assert!(node.children.len() <= inner.len() && node.children.len() + 2 >= inner.len());
    for (value, node) in inner.into_iter().zip(&node.children) {
        check(text, value, node);
    }
}
