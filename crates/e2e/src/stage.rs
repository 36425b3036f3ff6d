//! What a case is played on: nothing yet, a control plane, or one with a subject on it. Kept between cases, so that
//! they need not all pay for the start. What the cases do is not known here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::Client;

use crate::control_plane::{ControlPlane, Options};
use crate::karpenter;
use crate::programs::Programs;
use crate::subject::{Program, Subject};

/// What a case needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// It starts what it needs itself.
    Nothing,
    /// A control plane.
    ControlPlane,
    /// A control plane with Karpenter's CRDs, and a subject that acts on it.
    Subject,
}

/// Where cases are played.
pub struct Stage {
    programs: Programs,
    folder: PathBuf,
    subject: Subject,
    program: Option<Program>,
    starts: u32,
    /// Says what takes long.
    say: fn(&str),
    plane: Option<ControlPlane>,
    acts: bool,
}

impl Stage {
    /// An empty one, whose run directories are made in a folder.
    pub fn new(programs: Programs, folder: &Path, subject: Subject, say: fn(&str)) -> Stage {
        let folder = folder.to_owned();
        Stage { programs, folder, subject, program: None, starts: 0, say, plane: None, acts: false }
    }

    /// Why a case with such needs cannot be played here at all; `None` if it can.
    pub fn obstacle(&mut self, needs: Needs) -> Result<Option<String>> {
        if needs != Needs::Subject {
            return Ok(None);
        }
        Ok(match self.program()? {
            Program::There(..) => None,
            Program::Absent(why) => Some(why.clone()),
        })
    }

    /// Makes it fit for a case: what is there already is kept. How long the control plane took if it was started.
    pub async fn prepare(&mut self, needs: Needs) -> Result<Option<Duration>> {
        self.programs.control_plane(&self.say)?;
        if needs == Needs::Nothing {
            return Ok(None);
        }
        let started = if self.plane.is_none() {
            let plane = ControlPlane::start(&Options::of(&self.next_run()), &self.programs).await?;
            Some(self.plane.insert(plane).took)
        } else {
            None
        };
        if needs == Needs::Subject && !self.acts {
            self.start_subject().await?;
        }
        Ok(started)
    }

    /// Ends what is played on, so that the next case gets a fresh one.
    pub fn clear(&mut self) {
        self.acts = false;
        if let Some(plane) = self.plane.take() {
            plane.stop();
        }
    }

    /// Ends it and removes its run directories: nothing in them is of interest any more.
    pub fn remove(mut self) {
        self.clear();
        fs::remove_dir_all(&self.folder).ok();
    }

    /// A client of the control plane that may do everything.
    pub async fn client(&self) -> Result<Client> {
        self.plane.as_ref().context("this case needs a control plane")?.client().await
    }

    /// A run directory that was not used before.
    pub fn next_run(&mut self) -> PathBuf {
        self.starts += 1;
        self.folder.join(self.starts.to_string())
    }

    /// The programs.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Kills a program of the control plane, or the subject, and starts it again after a pause.
    pub async fn kill(&mut self, name: &str, pause: Duration) -> Result<()> {
        self.plane.as_mut().context("this case needs a control plane")?.kill(name, pause).await
    }

    /// Who adds the nodes.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// The control plane.
    pub fn plane(&mut self) -> Result<&mut ControlPlane> {
        self.plane.as_mut().context("this case needs a control plane")
    }

    /// Which program has ended by itself, if one has.
    pub fn complaint(&mut self) -> Option<String> {
        self.plane.as_mut().and_then(ControlPlane::complaint)
    }

    /// Where the logs are.
    pub fn logs(&self) -> PathBuf {
        self.plane.as_ref().map_or(self.folder.clone(), |plane| plane.run().join("logs"))
    }

    fn program(&mut self) -> Result<&Program> {
        if self.program.is_none() {
            self.program = Some(self.subject.program(&self.programs, false, &self.say)?);
        }
        self.program.as_ref().context("no program")
    }

    async fn start_subject(&mut self) -> Result<()> {
        let Program::There(path, arguments) = self.program()?.clone() else { return Ok(()) };
        let plane = self.plane.as_mut().context("no control plane")?;
        let client = plane.client().await?;
        karpenter::install(&client, &self.programs.karpenter_module()?).await?;
        self.subject.start(&path, &arguments, plane, &client).await?;
        self.acts = true;
        Ok(())
    }
}
