//! Runs the binary as a person in the story's folder would, with nothing of the surroundings getting in.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code; -1 when a signal ended it.
    pub exit_code: i32,
}

/// How often a running command is looked at, and for how long before it is ended: two minutes for a debug build.
const LOOK: Duration = Duration::from_millis(5);
const LOOKS: u32 = 24_000;

/// Runs `plimsoll` in `folder`. `jobs` is the number of threads; `None` leaves it to the command.
pub fn run(folder: &Path, arguments: &[String], jobs: Option<u32>) -> Result<Output, String> {
    let fault = |error: std::io::Error| format!("cannot run plimsoll: {error}");
    // Files, not pipes: nothing has to be read while it runs.
    let streams = tempfile::tempdir().map_err(fault)?;
    let (stdout, stderr) = (streams.path().join("stdout"), streams.path().join("stderr"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.stdout(File::create(&stdout).map_err(fault)?).stderr(File::create(&stderr).map_err(fault)?);
    isolate(&mut command, streams.path());
    if let Some(jobs) = jobs {
        command.env("PLIMSOLL_JOBS", jobs.to_string());
    }
    let mut child = command.spawn().map_err(fault)?;
    for _ in 0..LOOKS {
        if let Some(status) = child.try_wait().map_err(fault)? {
            let read = |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let (stdout, stderr) = (read(stdout).map_err(fault)?, read(stderr).map_err(fault)?);
            return Ok(Output { stdout, stderr, exit_code: status.code().unwrap_or(-1) });
        }
        std::thread::sleep(LOOK);
    }
    child.kill().and_then(|()| child.wait()).map_err(fault)?;
    Err(format!("not done after {} s", (LOOK * LOOKS).as_secs()))
}

/// No settings of the person who runs the tests, and no colour.
fn isolate(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PLIMSOLL_") {
            command.env_remove(name);
        }
    }
    command.env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1").env("TERM", "dumb");
    command.env("HOME", home).env("XDG_CONFIG_HOME", home);
}
