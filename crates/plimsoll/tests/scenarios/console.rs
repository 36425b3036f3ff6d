//! `console` blocks: commands, and what they are expected to print.

use std::ops::Range;

/// A command and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The line as it is written, without `$ `.
    pub line: String,
    /// The arguments after `plimsoll`.
    pub arguments: Vec<String>,
    /// What it must print.
    pub expected: Expected,
}

/// What a command must print and return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This output and exit code.
    Output {
        /// Lines, with elisions.
        lines: Vec<String>,
        /// The exit code.
        exit_code: i32,
        /// Where this is written in the file.
        place: Range<usize>,
    },
    /// Nothing is said but the expectations of a scenario.
    Expectations,
}

/// Reads a block's body, which starts at byte `start` of the file.
pub fn commands(body: &str, start: usize) -> Result<Vec<Command>, String> {
    let mut commands: Vec<Command> = Vec::new();
    let mut offset = start;
    for line in body.split_inclusive('\n') {
        offset += line.len();
        let content = line.trim_end();
        if let Some(command) = content.strip_prefix("$ ") {
            commands.push(command_of(command, offset)?);
        } else if let Some(command) = commands.last_mut() {
            if let Expected::Output { lines, place, .. } = &mut command.expected {
                lines.push(content.to_owned());
                place.end = offset;
            }
        } else if !content.is_empty() {
            return Err(format!("{content:?} comes before the first command"));
        }
    }
    for command in &mut commands {
        if let Expected::Output { lines, exit_code, .. } = &mut command.expected {
            *exit_code = take_exit_code(lines)?;
        }
    }
    Ok(commands)
}

fn command_of(line: &str, offset: usize) -> Result<Command, String> {
    let mut words = words(line)?.into_iter();
    if words.next().as_deref() != Some("plimsoll") {
        return Err(format!("`{line}`: only plimsoll is run here"));
    }
    let expected = Expected::Output { lines: Vec::new(), exit_code: 0, place: offset..offset };
    Ok(Command { line: line.to_owned(), arguments: words.collect(), expected })
}

/// Takes the trailing blank lines and the `# exit N` away.
fn take_exit_code(lines: &mut Vec<String>) -> Result<i32, String> {
    trim(lines);
    let Some(code) = lines.last().and_then(|last| last.strip_prefix("# exit ")) else { return Ok(0) };
    let code = code.trim().parse().map_err(|_| format!("`# exit {code}` is no exit code"))?;
    lines.pop();
    trim(lines);
    Ok(code)
}

fn trim(lines: &mut Vec<String>) {
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
}

/// Splits at blanks; single and double quotes keep blanks, and nothing else means anything.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(format!("`{line}`: a quote is not closed"));
    }
    words.extend(word);
    Ok(words)
}

/// An output as it is written into a `console` block.
pub fn written(stdout: &str, exit_code: i32) -> String {
    let mut lines: Vec<String> = stdout.lines().map(|line| line.trim_end().to_owned()).collect();
    trim(&mut lines);
    if exit_code != 0 {
        lines.push(format!("# exit {exit_code}"));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}
