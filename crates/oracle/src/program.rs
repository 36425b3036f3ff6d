//! A child process that reads a JSON value a line and answers each with one line. Nothing about what is asked.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// A program that answers lines; started at the first question, and again after it died or did not answer.
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    timeout_ms: u64,
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    answers: Receiver<std::io::Result<String>>,
}

impl Program {
    /// A program, and how long it may take for one answer.
    pub fn new(path: &Path, arguments: &[&str], timeout_ms: u64) -> Program {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Program { path: path.to_owned(), arguments, timeout_ms, running: None }
    }

    /// Asks one question and waits for the answer. After an error the next question starts the program afresh.
    pub fn ask(&mut self, question: &Value) -> Result<Value> {
        let answer = self.exchange(question);
        if answer.is_err() {
            self.stop();
        }
        answer
    }

    fn exchange(&mut self, question: &Value) -> Result<Value> {
        if self.running.is_none() {
            self.running = Some(start(&self.path, &self.arguments)?);
        }
        let running = self.running.as_mut().context("the program was just started")?;
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        running.input.write_all(&line)?;
        running.input.flush()?;
        match running.answers.recv_timeout(Duration::from_millis(self.timeout_ms)) {
            Ok(line) => Ok(serde_json::from_str(&line?)?),
            Err(RecvTimeoutError::Timeout) => bail!("no answer within {} ms", self.timeout_ms),
            Err(RecvTimeoutError::Disconnected) => bail!("{} ended", self.path.display()),
        }
    }

    /// Ends the child, if it runs.
    fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.input);
            // It may be gone already: then there is nothing to end.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the child with a thread that reads its answers; the thread ends with the child's output.
fn start(path: &Path, arguments: &[String]) -> Result<Running> {
    let mut child = Command::new(path)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", path.display()))?;
    let input = child.stdin.take().context("the child has no input")?;
    let output = child.stdout.take().context("the child has no output")?;
    let (sender, answers) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    Ok(Running { child, input, answers })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_line_is_answered_and_a_dead_program_is_started_again() {
        let mut echo = Program::new(Path::new("cat"), &[], 5_000);
        assert_eq!(echo.ask(&json!({"a": 1})).unwrap(), json!({"a": 1}));
        echo.stop();
        assert_eq!(echo.ask(&json!([2])).unwrap(), json!([2]));
    }

    #[test]
    fn silence_and_absence_are_errors() {
        let mut silent = Program::new(Path::new("sleep"), &["5"], 50);
        assert_eq!(silent.ask(&json!(1)).unwrap_err().to_string(), "no answer within 50 ms");
        let mut absent = Program::new(Path::new("./no-such-program"), &[], 50);
        assert!(absent.ask(&json!(1)).is_err());
    }
}
