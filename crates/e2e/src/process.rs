//! Programs in the background, and which of them are ours: every one is recorded in a file with its process id and
//! the kernel's start time of it, so that nothing is ever signalled that was not started here. What the programs are
//! is not known here.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// How long a look at a process that was told to end is put off.
const GLANCE: Duration = Duration::from_millis(20);

/// A process as it can be found again after a crash of whoever started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its program's name: the file that it is recorded in.
    pub name: String,
    /// Its process id, which the kernel gives to another one some day.
    pub pid: u32,
    /// When the kernel started it, in clock ticks since the machine booted: the other one has a later one.
    pub started_ticks: u64,
}

/// What the kernel says of a process, in `/proc/PID/stat` (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `Z` is a process that has ended and that nobody asked about yet.
    pub state: char,
    /// CPU time in user and kernel mode, in clock ticks.
    pub cpu_ticks: u64,
    /// When it started, in clock ticks since the machine booted.
    pub started_ticks: u64,
}

impl Stat {
    /// Of a process that is there.
    pub fn of(pid: u32) -> Option<Stat> {
        Stat::read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Reads the line. The program's name is in parentheses and may hold spaces and parentheses itself.
    fn read(line: &str) -> Option<Stat> {
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Stat {
            state: fields.first()?.chars().next()?,
            cpu_ticks: number(11)?.saturating_add(number(12)?),
            started_ticks: number(19)?,
        })
    }
}

impl Recorded {
    /// Whether this very process still runs.
    pub fn runs(&self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.started_ticks == self.started_ticks && stat.state != 'Z')
    }

    /// Everything recorded in a folder, in the order in which it was started; empty if there is no such folder.
    pub fn all(folder: &Path) -> Vec<Recorded> {
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<Recorded> = files.filter_map(|file| Recorded::read(&file)).collect();
        found.sort_by_key(|process| (process.started_ticks, process.pid));
        found
    }

    /// One file, `PID STARTED`; `None` for anything else.
    fn read(file: &Path) -> Option<Recorded> {
        let text = fs::read_to_string(file).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        let name = file.file_name()?.to_str()?.to_owned();
        Some(Recorded { name, pid: pid.parse().ok()?, started_ticks: started.parse().ok()? })
    }

    fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let file = folder.join(&self.name);
        fs::write(&file, format!("{} {}\n", self.pid, self.started_ticks))
            .with_context(|| format!("write {}", file.display()))
    }

    /// Sends a signal if this very process still runs.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.runs()) {
            // It may end between the look and the signal; then there is nothing left to do.
            kill_process(pid, signal).ok();
        }
    }

    /// Asks it to end, waits at most `grace`, kills it if it is still there; then forgets its record.
    pub fn stop(&self, folder: &Path, grace: Duration) {
        self.signal(Signal::TERM);
        self.await_end(grace);
        self.signal(Signal::KILL);
        self.await_end(Duration::from_secs(5));
        if !self.runs() {
            fs::remove_file(folder.join(&self.name)).ok();
        }
    }

    fn await_end(&self, most: Duration) {
        let mut waited = Duration::ZERO;
        while self.runs() && waited < most {
            sleep(GLANCE);
            waited += GLANCE;
        }
    }
}

/// Stops everything that is recorded in a folder, what was started last first; the names of what still ran.
pub fn stop_all(folder: &Path, grace: Duration) -> Vec<String> {
    let mut stopped = Vec::new();
    for process in Recorded::all(folder).into_iter().rev() {
        if process.runs() {
            stopped.push(process.name.clone());
        }
        process.stop(folder, grace);
    }
    stopped
}

/// A process that this one started.
#[derive(Debug)]
pub struct Started {
    /// How it is found again.
    pub record: Recorded,
    command: Command,
    log: PathBuf,
    child: Child,
}

impl Started {
    /// Starts a program in a process group of its own, so that ^C ends the caller and the caller ends it; records it
    /// in `DIR/pids`, its output goes to `DIR/logs`.
    pub fn new(name: &str, mut command: Command, run: &Path) -> Result<Started> {
        let logs = run.join("logs");
        fs::create_dir_all(&logs)?;
        let log = logs.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let program = command.get_program().to_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let pid = child.id();
        let recorded = Stat::of(pid).context("a process without a start time").and_then(|stat| {
            let record = Recorded { name: name.to_owned(), pid, started_ticks: stat.started_ticks };
            record.write(&folder(run)).map(|()| record)
        });
        match recorded {
            Ok(record) => Ok(Started { record, command, log, child }),
            // What cannot be recorded must not stay.
            Err(problem) => {
                child.kill().ok();
                child.wait().ok();
                Err(problem)
            }
        }
    }

    /// Nothing, or that it has ended although nobody asked it to, with the end of its log.
    pub fn complaint(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        let name = &self.record.name;
        Some(format!("{name} died ({status}); the end of {}:\n{}", self.log.display(), tail(&self.log, 8)))
    }

    /// Kills it, as a machine that loses its power does: it has no say in it.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts the same program again, after it has ended.
    pub fn again(self, run: &Path) -> Result<Started> {
        Started::new(&self.record.name, self.command, run)
    }

    /// Stops it, see [`Recorded::stop`], and asks for its exit status so that nothing of it stays.
    pub fn stop(&mut self, run: &Path, grace: Duration) {
        self.record.stop(&folder(run), grace);
        self.child.try_wait().ok();
    }
}

/// Where the processes of a run are recorded.
pub fn folder(run: &Path) -> PathBuf {
    run.join("pids")
}

/// The last lines of a log.
fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let skipped = text.lines().count().saturating_sub(lines);
    let last =
        text.lines().skip(skipped).map(|line| format!("  {}", line.chars().take(400).collect::<String>()));
    last.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("e2e-process-{name}-{}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn sleeper(run: &Path) -> Started {
        let mut command = Command::new("sleep");
        command.arg("60");
        Started::new("sleeper", command, run).unwrap()
    }

    #[test]
    fn the_name_of_a_program_may_hold_anything() {
        let rest = "S 1 7 7 0 -1 4194304 100 0 0 0 11 4 0 0 20 0 1 0 5678 1000 1";
        for name in ["sleep", "a b", "a) S (b"] {
            let stat = Stat::read(&format!("42 ({name}) {rest}")).unwrap();
            assert_eq!(stat, Stat { state: 'S', cpu_ticks: 15, started_ticks: 5678 });
        }
        assert_eq!(Stat::read("42 (short) S 1"), None);
        assert_eq!(Stat::read(""), None);
    }

    #[test]
    fn what_was_started_is_found_by_its_file_and_stopped() {
        let run = scratch("stop");
        let mut started = sleeper(&run);
        assert_eq!(Recorded::all(&folder(&run)), [started.record.clone()]);
        assert!(started.record.runs());
        assert_eq!(started.complaint(), None);
        assert_eq!(stop_all(&folder(&run), Duration::from_secs(5)), ["sleeper"]);
        assert!(!started.record.runs());
        assert_eq!(Recorded::all(&folder(&run)), []);
        assert!(started.complaint().unwrap().starts_with("sleeper died (signal: 15"));
        fs::remove_dir_all(&run).unwrap();
    }

    #[test]
    fn what_was_killed_is_started_again() {
        let run = scratch("again");
        let mut started = sleeper(&run);
        let first = started.record.clone();
        started.kill().unwrap();
        assert!(!first.runs());
        let mut started = started.again(&run).unwrap();
        assert!(started.record.runs() && started.record != first);
        assert_eq!(Recorded::all(&folder(&run)), [started.record.clone()]);
        started.stop(&run, Duration::from_secs(5));
        fs::remove_dir_all(&run).unwrap();
    }

    #[test]
    fn a_recycled_process_id_is_left_alone() {
        let run = scratch("recycled");
        let mut started = sleeper(&run);
        let earlier = Recorded { started_ticks: started.record.started_ticks - 1, ..started.record.clone() };
        earlier.write(&folder(&run)).unwrap();
        assert!(!earlier.runs());
        assert_eq!(stop_all(&folder(&run), Duration::from_secs(5)), Vec::<String>::new());
        assert!(started.record.runs());
        assert_eq!(Recorded::all(&folder(&run)), []);
        started.stop(&run, Duration::from_secs(5));
        assert!(!started.record.runs());
        fs::remove_dir_all(&run).unwrap();
    }

    #[test]
    fn what_does_not_listen_is_killed() {
        let run = scratch("deaf");
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"]);
        let mut started = Started::new("deaf", command, &run).unwrap();
        // Only once it says so has it stopped listening.
        while tail(&started.log, 1) != "  deaf" {
            sleep(GLANCE);
        }
        started.stop(&run, Duration::from_millis(100));
        assert!(!started.record.runs());
        fs::remove_dir_all(&run).unwrap();
    }

    #[test]
    fn a_file_that_is_no_record_is_no_process() {
        let run = scratch("files");
        for (name, text) in [("empty", ""), ("words", "a b"), ("one", "1"), ("negative", "-1 5")] {
            fs::write(run.join(name), text).unwrap();
        }
        assert_eq!(Recorded::all(&run), []);
        assert_eq!(Recorded::all(&run.join("absent")), []);
        fs::remove_dir_all(&run).unwrap();
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let run = scratch("absent");
        let problem = Started::new("absent", Command::new("/nowhere/absent"), &run).unwrap_err();
        assert_eq!(problem.to_string(), "start /nowhere/absent");
        fs::remove_dir_all(&run).unwrap();
    }
}
