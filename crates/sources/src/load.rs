//! From texts to [`Inputs`]: splits, parses, unfolds, and turns every fault into a problem with a place.

use std::sync::Arc;

use api::{Problem, Severity};
use cluster::FieldPath;
use serde_json::Value;

use crate::builder::{Builder, Built, Fault};
use crate::codes;
use crate::document::{Document, Part, is_object, unfold};
use crate::file::{File, FileId, to_u32};
use crate::inputs::Inputs;
use crate::limits::Limits;
use crate::mend::Mender;
use crate::node::Bytes;
use crate::split::{Chunk, split};

/// Collects texts and makes [`Inputs`] of them. Documents keep the order in which their texts were added.
#[derive(Debug)]
pub struct Loader {
    limits: Limits,
    files: Vec<Arc<File>>,
    documents: Vec<Arc<Document>>,
    problems: Vec<Problem>,
    bytes: u64,
    alias_bytes_left: u64,
}

/// A document as it was parsed, before `List`s are unfolded.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub built: Built,
    pub bytes: Bytes,
    pub json: bool,
}

impl Loader {
    /// An empty input.
    pub fn new(limits: Limits) -> Loader {
        let (files, documents, problems) = (Vec::new(), Vec::new(), Vec::new());
        Loader { limits, files, documents, problems, bytes: 0, alias_bytes_left: limits.alias_bytes }
    }

    /// The bounds that it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Adds a file's bytes under the name that messages give it.
    pub fn add_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        match String::from_utf8(bytes) {
            Ok(text) => self.add_text(name, text),
            Err(error) => {
                let offset = error.utf8_error().valid_up_to();
                let bytes = error.into_bytes();
                let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
                let message = match utf16 {
                    true => "the file is UTF-16".to_owned(),
                    false => format!("the file is not UTF-8 text: the byte at offset {offset} fits nowhere"),
                };
                self.add_problem(name, codes::NOT_TEXT, &message, Some("save it as UTF-8"));
            }
        }
    }

    /// Adds a text under the name that messages give it.
    pub fn add_text(&mut self, name: &str, text: String) {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        if text.len() as u64 > self.limits.file_bytes || self.bytes > self.limits.total_bytes {
            let most = if self.bytes > self.limits.total_bytes {
                self.limits.total_bytes
            } else {
                self.limits.file_bytes
            };
            let message = format!("the input is larger than {} MiB", most >> 20);
            return self.add_problem(name, codes::TOO_LARGE, &message, None);
        }
        if self.files.len() >= self.limits.files {
            return self.add_problem(name, codes::TOO_LARGE, "too many files", None);
        }
        let file = FileId(to_u32(self.files.len()));
        self.files.push(File::new(name, text));
        let text = Arc::clone(&self.files[file.0 as usize]);
        if let Some(offset) = text.text.bytes().position(is_control) {
            let byte = text.text.as_bytes()[offset];
            let fault = Fault::new(
                codes::NOT_TEXT,
                Bytes::new(offset, offset + 1),
                format!("the control character U+{byte:04X} at offset {offset} may not stand in YAML"),
            );
            return self.fault(file, &text, fault);
        }
        self.add_chunks(file, &text);
    }

    /// Notes something that is wrong with an input as a whole.
    pub fn add_problem(&mut self, name: &str, code: &'static str, message: &str, help: Option<&str>) {
        self.note(name, Severity::Error, code, message, help);
    }

    /// Like [`Loader::add_problem`], with a severity.
    pub fn note(
        &mut self,
        name: &str,
        severity: Severity,
        code: &'static str,
        message: &str,
        help: Option<&str>,
    ) {
        let file = FileId(to_u32(self.files.len()));
        self.files.push(File::new(name, String::new()));
        let place = Bytes::default();
        let document =
            self.push(Document { file, bytes: place, place, parts: vec![], source: None, edits: vec![] });
        let (message, help) = (message.to_owned(), help.map(str::to_owned));
        self.problems.push(Problem { severity, code, document, path: FieldPath::root(), message, help });
    }

    /// Files that the scenarios among what was added apply, and that were not added.
    pub(crate) fn applied_files(&self) -> Vec<String> {
        let is_new = |name: &String| !self.files.iter().any(|file| crate::later::is_below(&file.name, name));
        crate::later::files(&self.files, &self.documents).into_iter().filter(is_new).collect()
    }

    /// All that was added.
    pub fn finish(self) -> Inputs {
        Inputs::new(self.files, self.documents, self.problems)
    }

    fn add_chunks(&mut self, file: FileId, text: &Arc<File>) {
        for chunk in split(&text.text) {
            if self.documents.len() >= self.limits.documents {
                let at = Bytes::new(chunk.start, chunk.start);
                let message = format!("more than {} documents", self.limits.documents);
                return self.fault(file, text, Fault::new(codes::TOO_LARGE, at, message));
            }
            match parse_chunk(&text.text, &chunk, &self.limits, &mut self.alias_bytes_left) {
                Ok(parsed) => {
                    for document in parsed {
                        self.add_parsed(file, text, &chunk, document);
                    }
                }
                Err(fault) => self.fault(file, text, explain(fault, &text.text, &chunk)),
            }
        }
    }

    fn add_parsed(&mut self, file: FileId, text: &Arc<File>, chunk: &Chunk, parsed: Parsed) {
        let Built { value, node, faults } = parsed.built;
        if !faults.is_empty() {
            return faults.into_iter().for_each(|fault| self.fault(file, text, fault));
        }
        if value.is_null() {
            return;
        }
        let place = node.value;
        let (parts, others): (Vec<Part>, Vec<Part>) = unfold(value, node)
            .into_iter()
            .partition(|part| is_object(&part.value) && !is_kustomization(&part.value));
        let source = chunk.source.clone();
        for part in &others {
            let at = if part.node.value.is_empty() { place } else { part.node.value };
            self.not_an_object(file, at, &part.value);
        }
        if !parts.is_empty() {
            self.push(Document { file, bytes: parsed.bytes, place, parts, source, edits: vec![] });
        }
    }

    fn not_an_object(&mut self, file: FileId, place: Bytes, value: &Value) {
        let document =
            self.push(Document { file, bytes: place, place, parts: vec![], source: None, edits: vec![] });
        let message = match (value.get("apiVersion").is_some(), value.get("kind").is_some()) {
            _ if is_kustomization(value) => "this is input of kustomize, not an object: it is left out",
            (true, false) => "this has no kind: it is left out",
            (false, true) => "this has no apiVersion: it is left out",
            _ => "this is no Kubernetes object (no apiVersion, no kind): it is left out",
        };
        let (severity, code, path) = (Severity::Note, codes::NOT_AN_OBJECT, FieldPath::root());
        self.problems.push(Problem {
            severity,
            code,
            document,
            path,
            message: message.to_owned(),
            help: None,
        });
    }

    fn fault(&mut self, file: FileId, text: &Arc<File>, fault: Fault) {
        let place = fault.at;
        let document =
            self.push(Document { file, bytes: place, place, parts: vec![], source: None, edits: vec![] });
        let message = match fault.first {
            Some(first) => {
                let (line, _) = text.position(place.start as usize);
                let (first, _) = text.position(first.start as usize);
                format!("{}: on line {first} and on line {line}", fault.message)
            }
            None => fault.message,
        };
        let (severity, code, path, help) = (Severity::Error, fault.code, FieldPath::root(), fault.help);
        self.problems.push(Problem { severity, code, document, path, message, help });
    }

    fn push(&mut self, document: Document) -> u32 {
        let index = to_u32(self.documents.len());
        self.documents.push(Arc::new(document));
        index
    }
}

fn is_control(byte: u8) -> bool {
    (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f
}

/// What kustomize reads and never hands on: Kustomizations, Components, its own transformers.
fn is_kustomization(value: &Value) -> bool {
    let version = value.get("apiVersion").and_then(Value::as_str);
    version.is_some_and(|version| version.starts_with("kustomize.config.k8s.io/") || version == "builtin")
}

/// Parses the document in a stretch of `text`; several when it is a row of JSON values.
pub(crate) fn parse_chunk(
    text: &str,
    chunk: &Chunk,
    limits: &Limits,
    alias_bytes_left: &mut u64,
) -> Result<Vec<Parsed>, Fault> {
    let content = content_start(text, chunk);
    let json = matches!(text.as_bytes().get(content), Some(b'{' | b'['));
    let json_fault = match json.then(|| parse_json(text, content, chunk.end, limits)) {
        Some(Ok(parsed)) => return Ok(parsed),
        Some(Err(fault)) => Some(fault),
        None => None,
    };
    match parse_yaml(text, chunk, limits, alias_bytes_left) {
        Ok(built) => {
            let bytes = Bytes::new(chunk.start, chunk.end);
            Ok(built.map(|built| Parsed { built, bytes, json: false }).into_iter().collect())
        }
        // Whichever reader came further had the better idea of what it is.
        Err(fault) => match json_fault {
            Some(other) if other.at.start > fault.at.start => Err(other),
            _ => Err(fault),
        },
    }
}

/// Reads YAML; what our parser refuses and kubectl's would take is mended and read again.
fn parse_yaml(
    text: &str,
    chunk: &Chunk,
    limits: &Limits,
    alias_bytes_left: &mut u64,
) -> Result<Option<Built>, Fault> {
    let budget = *alias_bytes_left;
    let mut read = |mended: Option<&str>| {
        *alias_bytes_left = budget;
        let mut builder = Builder::new(limits, alias_bytes_left);
        let done = crate::yaml::read(text, chunk.start..chunk.end, mended, limits, &mut builder);
        done.map(|()| builder.finish())
    };
    let mut failure = match read(None) {
        Ok(built) => return Ok(built),
        Err(failure) => failure,
    };
    let first = failure.fault.clone();
    let mut mender = Mender::new(text.get(chunk.start..chunk.end).unwrap_or(""));
    while let Some((known, stopped)) = failure.stopped {
        if !mender.mend(&failure.fault.message, known, stopped) {
            break;
        }
        match read(Some(&mender.text())) {
            Ok(built) => return Ok(built),
            Err(next) => failure = next,
        }
    }
    Err(first)
}

fn parse_json(text: &str, start: usize, end: usize, limits: &Limits) -> Result<Vec<Parsed>, Fault> {
    let text = text.get(..end).unwrap_or(text);
    let mut documents = Vec::new();
    let mut at = start;
    while at < end {
        let mut none = 0;
        let mut builder = Builder::new(limits, &mut none);
        let next = crate::json::read(text, at, &mut builder)?;
        documents.extend(builder.finish().map(|built| Parsed {
            built,
            bytes: Bytes::new(at, next),
            json: true,
        }));
        let rest = text.get(next..).unwrap_or("");
        at = next + (rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len());
    }
    Ok(documents)
}

/// Where the document itself starts: after the `---`.
fn content_start(text: &str, chunk: &Chunk) -> usize {
    let body = text.get(chunk.start..chunk.end).unwrap_or("");
    let body = body.strip_prefix("---").unwrap_or(body);
    chunk.end - body.trim_start_matches([' ', '\t', '\r', '\n']).len()
}

/// Adds what usually is behind a fault.
fn explain(fault: Fault, text: &str, chunk: &Chunk) -> Fault {
    if fault.help.is_some() || fault.code != codes::SYNTAX {
        return fault;
    }
    let body = text.get(chunk.start..chunk.end).unwrap_or("");
    let line = text.get(crate::file::line_start(text, fault.at.start as usize)..).unwrap_or("");
    if body.contains("{{") {
        fault.help("this looks like a template: render it first, e.g. with `helm template`")
    } else if line.starts_with(['\t', ' ']) && line.trim_start_matches(' ').starts_with('\t') {
        fault.help("indent with spaces: YAML does not take tabs")
    } else {
        fault
    }
}
