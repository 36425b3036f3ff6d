//! `plimsoll simulate --replay`: a recording of a controller, played again.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use kubernetes::record::{self, Recording, Replayed};
use serde_json::{Value, json};

use crate::output;

/// The longest text of a difference that is shown to people.
const SHOWN: usize = 400;

/// Plays it, says what was decided, and whether it is decided again: 0 if so, else 1.
pub fn replay(path: &Path, formats: &[String]) -> anyhow::Result<u8> {
    let bytes = std::fs::read(path).with_context(|| format!("--replay {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let recording = match record::read(&text) {
        Ok(recording) => recording,
        Err(problems) => {
            let lines: Vec<String> = problems
                .iter()
                .map(|problem| format!("{}:{}: {}", path.display(), problem.line, problem.message))
                .collect();
            bail!("the recording cannot be read\n{}", lines.join("\n"));
        }
    };
    let replayed = record::replay(&recording);
    let text = match formats {
        [] => people(path, &recording, &replayed),
        [format] if format == "text" => people(path, &recording, &replayed),
        [format] if format == "json" => format!("{}\n", serde_json::to_string_pretty(&programs(&replayed))?),
        _ => bail!("-o: a replay is told as text or json"),
    };
    output::print(&text)?;
    Ok(u8::from(replayed.difference.is_some()))
}

fn people(path: &Path, recording: &Recording, replayed: &Replayed) -> String {
    let mut text = String::new();
    for step in &replayed.steps {
        let again = if step.tries > 0 { format!(" (try {})", step.tries + 1) } else { String::new() };
        let (seconds, ms) = (step.at_ms / 1_000, step.at_ms % 1_000);
        let _ = writeln!(text, "{seconds:>6}.{ms:03} s  {}{again}  [line {}]", step.what, step.line);
    }
    let _ = writeln!(
        text,
        "\n{} decisions at {} instants in {} s.",
        replayed.steps.len(),
        replayed.acts,
        replayed.lasted_ms / 1_000
    );
    if recording.torn {
        text.push_str("The last line is torn and was left out.\n");
    }
    match &replayed.difference {
        None => text.push_str("Everything is decided again, byte for byte.\n"),
        Some(difference) => {
            let shown = |what: &Option<String>| {
                what.as_ref().map_or("nothing more".to_owned(), |what| what.chars().take(SHOWN).collect())
            };
            let _ = writeln!(
                text,
                "{}:{}: here the replay parts from the recording.\n  recorded: {}\n  replayed: {}",
                path.display(),
                difference.line,
                shown(&difference.recorded),
                shown(&difference.replayed)
            );
        }
    }
    text
}

fn programs(replayed: &Replayed) -> Value {
    let steps = replayed
        .steps
        .iter()
        .map(|step| json!({"line": step.line, "atMs": step.at_ms, "what": step.what, "tries": step.tries}));
    json!({
        "same": replayed.difference.is_none(),
        "instants": replayed.acts,
        "lastedMs": replayed.lasted_ms,
        "decisions": steps.collect::<Vec<Value>>(),
        "difference": replayed.difference.as_ref().map(|difference| {
            json!({"line": difference.line, "recorded": difference.recorded, "replayed": difference.replayed})
        }),
    })
}
