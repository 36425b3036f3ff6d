//! One finding or problem with its snippets.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use api::Problem;
use findings::{Finding, Label, Severity};
use sources::Span;

use super::Style;
use crate::{Judged, span};

/// A finding.
pub(super) fn finding(judged: &Judged<'_>, finding: &Finding, style: Style) -> String {
    let labels = finding.primary.iter().chain(&finding.secondary);
    let marks: Vec<Mark<'_>> = labels.filter_map(|label| mark(judged, finding, label)).collect();
    let level = level(finding.severity);
    let mut group = Group::with_title(level.primary_title(finding.title.as_str()).id(finding.code.id));
    for file in files(&marks) {
        let in_file = marks.iter().filter(|mark| mark.span.name == file);
        let mut snippet = Snippet::source(judged.inputs.text(marks_file(&marks, file))).path(file);
        for mark in in_file {
            let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            snippet = snippet.annotation(kind.span(mark.span.head.clone()).label(mark.text));
        }
        group = group.element(snippet);
    }
    for note in &finding.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    format!("{}\n\n", renderer(style).render(&[group]))
}

/// A problem of the input.
pub(super) fn problem(judged: &Judged<'_>, problem: &Problem, style: Style) -> String {
    let level = match problem.severity {
        api::Severity::Error => Level::ERROR,
        api::Severity::Warning => Level::WARNING,
        api::Severity::Note => Level::NOTE,
    };
    let mut group = Group::with_title(level.primary_title(problem.message.as_str()).id(problem.code));
    let place = judged.inputs.problem_span(problem);
    if let Some(place) = &place {
        let annotation = AnnotationKind::Primary.span(place.head.clone());
        let snippet = Snippet::source(judged.inputs.text(place.file)).path(place.name.as_str());
        group = group.element(snippet.annotation(annotation));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    format!("{}\n\n", renderer(style).render(&[group]))
}

/// A place with its remark.
struct Mark<'a> {
    span: Span,
    text: &'a str,
    primary: bool,
}

fn mark<'a>(judged: &Judged<'_>, finding: &Finding, label: &'a Label) -> Option<Mark<'a>> {
    let primary = finding.primary.as_ref() == Some(label);
    span::of(judged.inputs, &label.location).map(|span| Mark { span, text: &label.text, primary })
}

/// The files of the marks, each once, the primary's first.
fn files<'m>(marks: &'m [Mark<'_>]) -> Vec<&'m str> {
    let mut files: Vec<&str> = Vec::new();
    for mark in marks {
        if !files.contains(&mark.span.name.as_str()) {
            files.push(&mark.span.name);
        }
    }
    files
}

fn marks_file(marks: &[Mark<'_>], name: &str) -> sources::FileId {
    let found = marks.iter().find(|mark| mark.span.name == name);
    found.map_or(sources::FileId(0), |mark| mark.span.file)
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

fn renderer(style: Style) -> Renderer {
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.ascii || !style.color { DecorStyle::Ascii } else { DecorStyle::Unicode };
    renderer.decor_style(decor)
}
