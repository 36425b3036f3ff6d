//! From differences to replacements in the text: each touches the fewest lines it can.
//!
//! A planner that is sometimes wrong: YAML has more ways to write things than are known here. `rewrite` reads the
//! result back, and asks for a coarser plan when it is not what was meant.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use crate::changes::{Change, Steps};
use crate::file::{line_end, line_start, next_line};
use crate::node::{Node, Style};
use crate::render::{self, INDENT, Layout};

/// Text that takes the place of a stretch.
pub(crate) type Splice = (Range<usize>, String);

/// Plans all changes; `None` when one of them cannot be made in place.
pub(crate) fn plan(text: &str, root: &Node, json: bool, changes: &[Change<'_>]) -> Option<Vec<Splice>> {
    let removed =
        changes.iter().filter(|change| matches!(change, Change::Remove { .. })).map(Change::at).collect();
    let layout = Layout { json, dash: dash_offset(text, root) };
    let planner = Planner { text, root, layout, removed };
    let mut splices = Vec::with_capacity(changes.len());
    for change in changes {
        splices.push(planner.splice(change)?);
    }
    splices.sort_by_key(|(range, _)| range.start);
    let apart = splices.windows(2).all(|pair| pair[0].0.end <= pair[1].0.start);
    apart.then_some(splices)
}

/// Gives the splices the line breaks that the text begins with.
pub(crate) fn with_breaks_of(text: &str, mut splices: Vec<Splice>) -> Vec<Splice> {
    let crlf = text.find('\n').is_some_and(|at| text[..at].ends_with('\r'));
    if crlf {
        for (_, new) in &mut splices {
            *new = new.replace('\n', "\r\n");
        }
    }
    splices
}

/// Puts the splices into the text.
pub(crate) fn put(text: &str, splices: &[Splice]) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for (range, new) in splices {
        out.push_str(text.get(at..range.start)?);
        out.push_str(new);
        at = range.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

struct Planner<'p> {
    text: &'p str,
    root: &'p Node,
    layout: Layout,
    removed: BTreeSet<&'p Steps>,
}

/// A node with what it stands in.
struct Place<'p> {
    node: &'p Node,
    parent: Option<&'p Node>,
    in_flow: bool,
}

impl<'p> Planner<'p> {
    fn splice(&self, change: &Change<'_>) -> Option<Splice> {
        let place = self.place(change.at())?;
        match change {
            Change::Replace { value, .. } if place.node.merged => {
                // What `<<` brought is overridden by a key of its own.
                let (_, above) = change.at().split_last()?;
                let key = self.text.get(place.node.key.range())?;
                let map = self.place(above)?;
                self.insert_key(&map, above, key.trim_matches(['"', '\'']), value)
            }
            _ if place.node.merged => None,
            Change::Replace { value, .. } => self.replace(&place, value),
            Change::InsertKey { at, key, value } => self.insert_key(&place, at, key, value),
            Change::InsertItem { at, index, value } => self.insert_item(&place, at, *index, value),
            Change::Remove { at } => self.remove(&place, at),
        }
    }

    fn place(&self, at: &[usize]) -> Option<Place<'p>> {
        let mut place = Place { node: self.root, parent: None, in_flow: self.layout.json };
        for step in at {
            if place.node.style == Style::Alias || place.node.merged {
                return None;
            }
            let in_flow = place.in_flow || place.node.style.is_flow();
            place = Place { node: place.node.children.get(*step)?, parent: Some(place.node), in_flow };
        }
        Some(place)
    }

    fn column(&self, offset: usize) -> usize {
        self.text.get(line_start(self.text, offset)..offset).map_or(0, |before| before.chars().count())
    }

    /// The column in which the lines of what a node's parent holds start.
    fn parent_column(&self, place: &Place<'_>) -> usize {
        match place.parent {
            Some(parent) if parent.style == Style::BlockMap => self.column(place.node.key.start as usize),
            Some(parent) => self.column(parent.value.start as usize),
            None => 0,
        }
    }

    fn after_colon(&self, node: &Node) -> Option<usize> {
        let key_end = node.key.end as usize;
        let colon = self.text.get(key_end..)?.find(':')?;
        Some(key_end + colon + 1)
    }

    fn replace(&self, place: &Place<'_>, value: &Value) -> Option<Splice> {
        let node = place.node;
        let range = node.value.range();
        if place.in_flow {
            let space = if node.style == Style::Empty { " " } else { "" };
            return Some((range, format!("{space}{}", render::flow(value, node.style, self.layout))));
        }
        let column = self.parent_column(place);
        let is_block = matches!(node.style, Style::BlockMap | Style::BlockList);
        let stays_flow = node.style == Style::FlowList && is_row_of_scalars(value);
        if is_block && render::is_block(value) {
            let column = self.column(range.start);
            return Some((range, render::block(value, column, self.layout)));
        }
        if stays_flow {
            return Some((range, render::flow(value, Style::Plain, self.layout)));
        }
        let parent_is_map = place.parent.is_some_and(|parent| parent.style == Style::BlockMap);
        if parent_is_map {
            let new = render::after_key(value, node.style, column, self.layout);
            // A scalar for a scalar leaves what is between the colon and it (anchor, tag, spaces) alone.
            let in_place =
                !is_block && !matches!(node.style, Style::Empty | Style::Alias) && !new.starts_with('\n');
            let start = if in_place { range.start } else { self.after_colon(node)?.min(range.start) };
            let new = if in_place { new.trim_start_matches(' ').to_owned() } else { new };
            return Some((start..range.end, new));
        }
        let new = render::after_dash(value, node.style, column, self.layout);
        let space = if node.style == Style::Empty && place.parent.is_some() { " " } else { "" };
        Some((range, format!("{space}{new}")))
    }

    /// The last child that stays and was written here.
    fn last_kept(&self, node: &'p Node, at: &[usize]) -> Option<&'p Node> {
        let mut path = at.to_vec();
        node.children.iter().enumerate().rev().find_map(|(index, child)| {
            path.push(index);
            let kept = !child.merged && !self.removed.contains(&path);
            path.pop();
            kept.then_some(child)
        })
    }

    fn insert_key(&self, place: &Place<'p>, at: &[usize], key: &str, value: &Value) -> Option<Splice> {
        let node = place.node;
        if place.in_flow || node.style == Style::FlowMap {
            let last = self.last_kept(node, at)?;
            let key = render::text(key, Style::Plain, true, self.layout);
            let entry = format!("{key}: {}", render::flow(value, last.style, self.layout));
            return self.insert_in_flow(node, last, &entry);
        }
        if node.style != Style::BlockMap {
            return None;
        }
        let last = self.last_kept(node, at);
        let end = last.map_or(node.value.end, |last| last.value.end.max(last.key.end)) as usize;
        let column = self.column(node.value.start as usize);
        let like = last.map_or(Style::Plain, |last| last.style);
        let like = if matches!(like, Style::Single | Style::Double) { like } else { Style::Plain };
        let entry = render::entry(key, value, like, column, self.layout);
        self.insert_line(end, column, &entry)
    }

    /// A new line after the one that `offset` is in.
    fn insert_line(&self, offset: usize, column: usize, entry: &str) -> Option<Splice> {
        let end = line_end(self.text, offset);
        Some((end..end, format!("\n{:column$}{entry}", "")))
    }

    /// A new entry behind `last`, separated as the others are.
    fn insert_in_flow(&self, node: &Node, last: &Node, entry: &str) -> Option<Splice> {
        if !matches!(node.style, Style::FlowMap | Style::FlowList) {
            return None;
        }
        let first = node.children.iter().find(|child| !child.merged)?;
        let lead = self.text.get(node.value.start as usize + 1..first.whole().start as usize)?;
        let lead = if lead.contains('\n') && lead.trim().is_empty() { lead } else { " " };
        let end = last.whole().end as usize;
        Some((end..end, format!(",{}{entry}", lead.replace("\r\n", "\n"))))
    }

    fn insert_item(&self, place: &Place<'p>, at: &[usize], index: usize, value: &Value) -> Option<Splice> {
        let node = place.node;
        if place.in_flow || node.style == Style::FlowList {
            let like = node.children.first().map_or(Style::Plain, |child| child.style);
            let entry = render::flow(value, like, self.layout);
            if let Some(next) = node.children.get(index) {
                let start = next.value.start as usize;
                return (node.style == Style::FlowList).then(|| (start..start, format!("{entry}, ")));
            }
            return self.insert_in_flow(node, self.last_kept(node, at)?, &entry);
        }
        if node.style != Style::BlockList {
            return None;
        }
        let column = self.column(node.value.start as usize);
        let like = node.children.first().map_or(Style::Plain, |child| child.style);
        let like = if matches!(like, Style::Single | Style::Double) { like } else { Style::Plain };
        let entry = format!("- {}", render::after_dash(value, like, column, self.layout));
        if index < node.children.len() {
            let dash = self.dash(node, index)?;
            return Some((dash..dash, format!("{entry}\n{:column$}", "")));
        }
        let last = self.last_kept(node, at)?;
        let end = (last.value.end as usize).max(self.dash(node, node.children.len().checked_sub(1)?)?);
        self.insert_line(end, column, &entry)
    }

    /// Where the dash of an item is: on the first line after the item before that has one in the list's column.
    fn dash(&self, list: &Node, index: usize) -> Option<usize> {
        let start = list.value.start as usize;
        let Some(before) = index.checked_sub(1).and_then(|index| list.children.get(index)) else {
            return Some(start);
        };
        let column = self.column(start);
        let item_end = list.children.get(index)?.value.end as usize;
        let mut line = next_line(self.text, before.value.end as usize);
        while line <= item_end && line < self.text.len() {
            let rest = self.text.get(line..)?;
            let spaces = rest.bytes().take_while(|byte| *byte == b' ').count();
            if spaces == column && rest.as_bytes().get(spaces) == Some(&b'-') {
                return Some(line + spaces);
            }
            line = next_line(self.text, line);
        }
        None
    }

    fn remove(&self, place: &Place<'p>, at: &[usize]) -> Option<Splice> {
        let parent = place.parent?;
        let (index, above) = at.split_last()?;
        match parent.style {
            Style::FlowMap | Style::FlowList => self.remove_in_flow(parent, *index, above),
            Style::BlockMap => {
                let start = place.node.key.start as usize;
                let end = place.node.value.end.max(place.node.key.end) as usize;
                let next = parent.children.get(index + 1).map(|next| next.key.start as usize);
                self.remove_lines(start, end, next)
            }
            Style::BlockList => {
                let start = self.dash(parent, *index)?;
                let end = (place.node.value.end as usize).max(start + 1);
                let next = self.dash(parent, index + 1);
                self.remove_lines(start, end, next)
            }
            _ => None,
        }
    }

    /// Whole lines; when something stands before it on its line (`- name: x`), up to what comes `next`.
    fn remove_lines(&self, start: usize, end: usize, next: Option<usize>) -> Option<Splice> {
        let line = line_start(self.text, start);
        if self.text.get(line..start)?.trim().is_empty() {
            return Some((line..next_line(self.text, end), String::new()));
        }
        Some((start..next?, String::new()))
    }

    fn remove_in_flow(&self, parent: &Node, index: usize, above: &[usize]) -> Option<Splice> {
        let node = parent.children.get(index)?.whole();
        let is_removed = |index: usize| {
            let path: Steps = above.iter().copied().chain([index]).collect();
            self.removed.contains(&path)
        };
        let keeps_later = (index + 1..parent.children.len()).any(|index| !is_removed(index));
        if keeps_later {
            let next = parent.children.get(index + 1)?.whole();
            return Some((node.start as usize..next.start as usize, String::new()));
        }
        let before = parent.children.get(index.checked_sub(1)?)?.whole();
        Some((before.end as usize..node.end as usize, String::new()))
    }
}

fn is_row_of_scalars(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.iter().any(|item| item.is_object() || item.is_array()))
}

/// How far the dashes of this document's lists stand behind their keys: as its first such list has it.
fn dash_offset(text: &str, root: &Node) -> usize {
    let column = |offset: usize| offset - line_start(text, offset);
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if node.style == Style::BlockList && !node.key.is_empty() && !node.merged {
            return column(node.value.start as usize)
                .saturating_sub(column(node.key.start as usize))
                .min(INDENT);
        }
        open.extend(node.children.iter().rev());
    }
    0
}
