//! One finding or problem with its snippets.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use api::Problem;
use findings::{Finding, Label, Severity};
use sources::Span;

use super::Style;
use super::fold::fold;
use crate::suppress::{self, Fault};
use crate::{Judged, span};

/// A finding with these notes; `whole`: with what is written at its places.
pub(super) fn finding(
    judged: &Judged<'_>,
    finding: &Finding,
    notes: &[&str],
    whole: bool,
    style: Style,
) -> String {
    let labels = finding.primary.iter().chain(&finding.secondary);
    let marks: Vec<Mark<'_>> = labels.filter_map(|label| mark(judged, finding, label)).collect();
    let level = level(finding.severity);
    let mut group = Group::with_title(level.primary_title(finding.title.as_str()).id(finding.code.id));
    for file in files(&marks) {
        let mut in_file = marks.iter().filter(|mark| mark.span.name == file);
        if whole {
            let mut snippet = Snippet::source(judged.inputs.text(marks_file(&marks, file))).path(file);
            for mark in in_file {
                let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
                snippet = snippet.annotation(kind.span(mark.span.head.clone()).label(mark.text));
            }
            group = group.element(snippet);
        } else if let Some(mark) = in_file.next() {
            group = group.element(origin(file, mark.span.line, mark.span.column));
        }
    }
    let notes: Vec<String> = notes.iter().map(|note| fold_note(style, note)).collect();
    for note in &notes {
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
        let text = judged.inputs.text(place.file);
        group = match text.is_empty() {
            true => group.element(Origin::path(place.name.as_str())),
            false => {
                let annotation = AnnotationKind::Primary.span(place.head.clone());
                group.element(Snippet::source(text).path(place.name.as_str()).annotation(annotation))
            }
        };
    }
    let help = problem.help.as_deref().map(|help| fold_note(style, help));
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    format!("{}\n\n", renderer(style).render(&[group]))
}

/// Something wrong with a suppression.
pub(super) fn fault(fault: &Fault, style: Style) -> String {
    let title = Level::WARNING.primary_title(fault.message.as_str()).id(suppress::CODE);
    let group = Group::with_title(title)
        .element(origin(&fault.file, fault.line, fault.column))
        .element(Level::HELP.message(fault.help.as_str()));
    format!("{}\n\n", renderer(style).render(&[group]))
}

/// A place without what is written there.
fn origin(file: &str, line: u32, column: u32) -> Origin<'_> {
    Origin::path(file).line(line as usize).char_column(column as usize)
}

/// Notes stand behind `     = note: `.
fn fold_note(style: Style, note: &str) -> String {
    const TAKEN: usize = 14;
    let folded = fold(style, TAKEN, note);
    folded.replace(&format!("\n{}", " ".repeat(TAKEN)), "\n")
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
    let renderer = renderer.decor_style(decor);
    style.width.map_or(renderer.clone(), |width| renderer.term_width(width))
}
