//! What a scenario's steps apply: read with the input, but no part of it before its step.
//!
//! A file that a step names (relative to the scenario's file), and objects written in a step, are documents like
//! any other, so that everything can point into them. They are held back until [`Inputs::applied`] adds them.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::{FieldPath, Kind, Location};
use serde_json::Value;

use crate::document::{Document, Part, is_object, unfold};
use crate::file::File;
use crate::inputs::{Inputs, Slot, is_generated, key_of};
use crate::node::{Node, child_index};

/// Which documents are held back, and which objects were replaced by applied ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Later {
    pub held: BTreeSet<u32>,
    pub replaced: BTreeSet<Slot>,
}

impl Inputs {
    /// The input with what this step of a scenario applies: its files and the objects written in it. An object that
    /// is there already is replaced.
    #[must_use]
    pub fn applied(&self, step: &Location, files: &[cluster::Name]) -> Inputs {
        let mut inputs = self.clone();
        let Some(slot) = self.slot(&step.object) else { return inputs };
        let (Some(scenario), Some(part)) = (self.documents.get(slot.0 as usize), self.part(slot)) else {
            return inputs;
        };
        let own = self.name_of(scenario).to_owned();
        let files: Vec<String> = files.iter().map(|path| beside(&own, path)).collect();
        let written = format!("{}{}/objects/", part.root.0, step.path.0);
        let mut later = Later::clone(&inputs.later);
        for index in &self.later.held {
            let Some(document) = self.documents.get(*index as usize) else { continue };
            let inline = document.file == scenario.file && document.bytes == scenario.bytes;
            let is_meant = match document.parts.first().filter(|_| inline) {
                Some(part) => part.root.0.starts_with(&written),
                None => files.iter().any(|file| is_below(self.name_of(document), file)),
            };
            if is_meant {
                // A name that the API server makes is a new one: nothing is replaced.
                for part in document.parts.iter().filter(|part| !is_generated(&part.value)) {
                    let known =
                        self.slot(&key_of(&part.value)).filter(|slot| !self.later.held.contains(&slot.0));
                    later.replaced.extend(known);
                }
                later.held.remove(index);
            }
        }
        inputs.later = Arc::new(later);
        inputs.reindex();
        inputs
    }

    /// The files that a step names and that were not read.
    pub fn missing_files<'f>(&self, step: &Location, files: &'f [cluster::Name]) -> Vec<&'f str> {
        let own = self.slot(&step.object).and_then(|slot| self.documents.get(slot.0 as usize));
        let own = own.map_or("", |document| self.name_of(document));
        let is_read = |path: &str| {
            let name = beside(own, path);
            self.documents
                .iter()
                .any(|document| !document.parts.is_empty() && is_below(self.name_of(document), &name))
        };
        files.iter().map(cluster::Name::as_str).filter(|path| !is_read(path)).collect()
    }

    /// The document that an object stands in, for problems about it.
    pub fn document_of(&self, location: &Location) -> Option<u32> {
        self.slot(&location.object).map(|slot| slot.0)
    }

    fn name_of(&self, document: &Document) -> &str {
        self.files.get(document.file.0 as usize).map_or("", |file| file.name.as_str())
    }
}

/// The files that the scenarios among `documents` apply, as they are named from the current directory.
pub(crate) fn files(files: &[Arc<File>], documents: &[Arc<Document>]) -> Vec<String> {
    let mut found = Vec::new();
    for document in documents {
        let own = files.get(document.file.0 as usize).map_or("", |file| file.name.as_str());
        for part in document.parts.iter().filter(|part| is_scenario(part)) {
            let paths = steps(&part.value).filter_map(|(_, step)| step.get("apply")?.as_array());
            found.extend(paths.flatten().filter_map(Value::as_str).map(|path| beside(own, path)));
        }
    }
    found
}

/// Finds what is to be held back, and makes documents of the objects that are written in steps.
pub(crate) fn hold_back(files: &[Arc<File>], documents: &mut Vec<Arc<Document>>) -> Later {
    let named = self::files(files, documents);
    let mut held = BTreeSet::new();
    let mut written = Vec::new();
    for (document, index) in documents.iter().zip(0u32..) {
        let name = files.get(document.file.0 as usize).map_or("", |file| file.name.as_str());
        let scenarios = document.parts.iter().filter(|part| is_scenario(part));
        let before = written.len();
        written.extend(scenarios.clone().flat_map(|part| inline(document, part)));
        if written.len() == before && scenarios.count() == 0 && named.iter().any(|file| is_below(name, file))
        {
            held.insert(index);
        }
    }
    for document in written {
        held.insert(crate::file::to_u32(documents.len()));
        documents.push(Arc::new(document));
    }
    Later { held, replaced: BTreeSet::new() }
}

/// The objects written in the steps of a scenario, each a document of its own.
fn inline(document: &Document, scenario: &Part) -> Vec<Document> {
    let mut found = Vec::new();
    for (index, step) in steps(&scenario.value) {
        let objects = step.get("objects").and_then(Value::as_array).into_iter().flatten();
        for (number, object) in objects.enumerate() {
            let path = format!("/spec/steps/{index}/objects/{number}");
            let Some(node) = node_at(scenario, &path) else { continue };
            let root = format!("{}{path}", scenario.root);
            let parts = unfold(object.clone(), node).into_iter();
            let parts = parts.filter(|part| is_object(&part.value)).map(|part| {
                let root = FieldPath(format!("{root}{}", part.root));
                Part { root, ..part }
            });
            found.push(Document { parts: parts.collect(), edits: Vec::new(), ..document.clone() });
        }
    }
    found.retain(|document| !document.parts.is_empty());
    found
}

fn node_at(part: &Part, path: &str) -> Option<Node> {
    let (mut value, mut node) = (part.value.as_ref(), part.node.as_ref());
    for segment in crate::pointer::segments(path) {
        let (index, inner) = child_index(value, &segment)?;
        (value, node) = (inner, node.children.get(index)?);
    }
    Some(node.clone())
}

fn is_scenario(part: &Part) -> bool {
    key_of(&part.value).kind == Kind::Scenario
}

fn steps(scenario: &Value) -> impl Iterator<Item = (usize, &Value)> {
    scenario.pointer("/spec/steps").and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// A path that is written in the file `own`, as it is named from where `own` is named from.
fn beside(own: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let folder = own.rsplit_once('/').map(|(folder, _)| folder);
    let mut parts: Vec<&str> = Vec::new();
    let written = folder.into_iter().flat_map(|folder| folder.split('/')).chain(path.split('/'));
    for (index, part) in written.enumerate() {
        match part {
            "" if index == 0 && own.starts_with('/') => parts.push(""),
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "")) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a file is this one, or in this folder.
pub(crate) fn is_below(file: &str, named: &str) -> bool {
    file.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Loader};

    #[test]
    fn paths_are_relative_to_the_scenario() {
        assert_eq!(beside("scenario.yaml", "app.yaml"), "app.yaml");
        assert_eq!(beside("a/b/scenario.yaml", "./app.yaml"), "a/b/app.yaml");
        assert_eq!(beside("a/b/scenario.yaml", "../c/app.yaml"), "a/c/app.yaml");
        assert_eq!(beside("a/scenario.yaml", "../../app.yaml"), "../app.yaml");
        assert_eq!(beside("/a/scenario.yaml", "app.yaml"), "/a/app.yaml");
        assert_eq!(beside("a/scenario.yaml", "/b/app.yaml"), "/b/app.yaml");
        assert!(
            is_below("apps/web.yaml", "apps") && is_below("apps", "apps") && !is_below("apps2/a", "apps")
        );
    }

    const SCENARIO: &str = "\
apiVersion: plimsoll.dev/v1alpha1
kind: Scenario
metadata: {name: s}
spec:
  steps:
  - at: 1m
    apply: [web.yaml]
  - at: 2m
    objects:
    - {apiVersion: v1, kind: Pod, metadata: {name: one}}
    - apiVersion: v1
      kind: List
      items:
      - {apiVersion: v1, kind: Pod, metadata: {name: two}}
";

    fn config(name: &str, value: &str) -> String {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: {value}}}\n")
    }

    fn names(inputs: &Inputs) -> Vec<String> {
        inputs.raw_objects().iter().map(|object| key_of(&object.value).to_string()).collect()
    }

    #[test]
    fn a_generated_name_replaces_nothing() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n";
        let mut loader = Loader::new(Limits::default());
        loader.add_text("base.yaml", pod.to_owned());
        loader.add_text("scenario.yaml", SCENARIO.to_owned());
        loader.add_text("web.yaml", pod.to_owned());
        let inputs = loader.finish();
        let step = Location::object(cluster::ObjectKey::new(Kind::Scenario, "", "s")).at("/spec/steps/0");
        assert_eq!((names(&inputs).len(), names(&inputs.applied(&step, &["web.yaml".into()])).len()), (2, 3));
    }

    #[test]
    fn what_a_step_applies_is_no_part_of_the_input_before_it() {
        let mut loader = Loader::new(Limits::default());
        loader.add_text("dir/base.yaml", config("web", "old"));
        loader.add_text("dir/scenario.yaml", SCENARIO.to_owned());
        loader.add_text("dir/web.yaml", config("web", "new"));
        let inputs = loader.finish();
        assert_eq!(inputs.problems, []);
        let scenario = cluster::ObjectKey::new(Kind::Scenario, "", "s");
        assert_eq!(names(&inputs).len(), 2, "{:?}", names(&inputs));
        let step = |index: usize| Location::object(scenario.clone()).at(&format!("/spec/steps/{index}"));
        assert_eq!(inputs.missing_files(&step(0), &["web.yaml".into()]), [""; 0]);
        assert_eq!(inputs.missing_files(&step(0), &["x.yaml".into()]), ["x.yaml"]);

        let first = inputs.applied(&step(0), &["web.yaml".into()]);
        let values = first.raw_objects();
        let web = values.iter().filter(|object| key_of(&object.value).name == "web");
        assert_eq!(web.map(|object| &object.value["data"]["a"]).collect::<Vec<_>>(), ["new"]);

        let second = first.applied(&step(1), &[]);
        assert_eq!(names(&second).len(), 4, "{:?}", names(&second));
        let two = Location::object(cluster::ObjectKey::new(Kind::Pod, "", "two")).at("/metadata/name");
        let span = inputs.span(&two).unwrap();
        assert_eq!((span.name.as_str(), span.line), ("dir/scenario.yaml", 14), "even before it is applied");
    }
}
