//! The programs of a control plane and the real Karpenter: where they are, and how those that are missing are built
//! from their Go modules (`e2e/control-plane` and `oracle/karpenter` pin the versions). Nothing is started here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::suites::Suite;

/// Each program, and the Go package that it is made of; etcd's is called `server`, as its package.
const PACKAGES: [(&str, &str); 5] = [
    ("server", "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    ("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
];

/// Karpenter with its KWOK provider.
const KARPENTER: (&str, &str) = ("karpenter", "sigs.k8s.io/karpenter/kwok");

/// The module whose `go.mod` pins Karpenter's version.
const KARPENTER_PIN: &str = "oracle/karpenter";

/// The module whose `go.mod` pins the control plane's versions.
const CONTROL_PLANE_PIN: &str = "e2e/control-plane";

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    repository: PathBuf,
    folder: PathBuf,
}

impl Programs {
    /// Those of a clone of this repository, in `target/control-plane`.
    pub fn of(repository: &Path) -> Programs {
        Programs { repository: repository.to_owned(), folder: repository.join("target/control-plane") }
    }

    /// One of them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The root of the repository.
    pub fn repository(&self) -> &Path {
        &self.repository
    }

    /// Builds what is missing of the control plane, or was built from other versions; says so before.
    pub fn control_plane(&self, say: &dyn Fn(&str)) -> Result<()> {
        let names: Vec<&str> = PACKAGES.iter().map(|(name, _)| *name).collect();
        if !self.wants(&names, CONTROL_PLANE_PIN)? {
            return Ok(());
        }
        say(
            "building etcd, kube-apiserver, kube-controller-manager, kube-scheduler and KWOK: some ten minutes",
        );
        for (at, (name, package)) in PACKAGES.iter().enumerate() {
            say(&format!("building {package} ({} of {})", at + 1, PACKAGES.len()));
            self.build(CONTROL_PLANE_PIN, name, package)?;
        }
        self.stamp(&names, CONTROL_PLANE_PIN)
    }

    /// Builds the real Karpenter if it is missing, or was built from another version; says so before. Where it is.
    pub fn karpenter(&self, say: &dyn Fn(&str)) -> Result<PathBuf> {
        let (name, package) = KARPENTER;
        if self.wants(&[name], KARPENTER_PIN)? {
            say(&format!("building {package}: some minutes"));
            self.build(KARPENTER_PIN, name, package)?;
            self.stamp(&[name], KARPENTER_PIN)?;
        }
        Ok(self.path(name))
    }

    /// The folder of Karpenter's Go module, which is downloaded if need be: its CRDs are in there.
    pub fn karpenter_module(&self) -> Result<PathBuf> {
        let mut list = self.go(KARPENTER_PIN, "list")?;
        let said =
            list.args(["-m", "-f", "{{.Dir}}", "sigs.k8s.io/karpenter"]).output().context("run go list")?;
        let folder = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim());
        if said.status.success() && folder.is_dir() {
            return Ok(folder);
        }
        let mut download = self.go(KARPENTER_PIN, "mod")?;
        run(download.args(["download", "sigs.k8s.io/karpenter"]))?;
        let said = list.output().context("run go list")?;
        let folder = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim());
        if !folder.is_dir() {
            bail!("no Go module sigs.k8s.io/karpenter: {}", String::from_utf8_lossy(&said.stderr).trim());
        }
        Ok(folder)
    }

    /// Builds one of Karpenter's own suites, in its module and with the versions that are pinned there.
    pub fn suite(&self, name: &str, say: &dyn Fn(&str)) -> Result<Suite> {
        let module = self.karpenter_module()?;
        let test = format!("{name}.test");
        let program = self.path(&test);
        if self.wants(&[&test], KARPENTER_PIN)? {
            say(&format!("building Karpenter's {name} suite: some minutes"));
            fs::create_dir_all(&self.folder)?;
            let mut build = self.go(KARPENTER_PIN, "test")?;
            build.current_dir(&module).args(["-c", "-o"]).arg(&program);
            run(build.arg(format!("./test/suites/{name}")))?;
            self.stamp(&[&test], KARPENTER_PIN)?;
        }
        Ok(Suite { program, folder: module.join("test/suites").join(name) })
    }

    /// plimsoll itself, as cargo makes it: optimised when it is to be measured. `E2E_PLIMSOLL` is one that is there.
    pub fn plimsoll(&self, optimised: bool) -> Result<PathBuf> {
        if let Some(there) = std::env::var_os("E2E_PLIMSOLL") {
            return Ok(there.into());
        }
        let mut build = Command::new("cargo");
        build.current_dir(&self.repository).args(["build", "--quiet", "--package", "plimsoll"]);
        if optimised {
            build.arg("--release");
        }
        run(&mut build)?;
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or(self.repository.join("target"), PathBuf::from);
        Ok(target.join(if optimised { "release" } else { "debug" }).join("plimsoll"))
    }

    /// Whether programs are missing, or were built from another `go.mod` than the one that is there now. Programs
    /// that somebody else put there are taken as they are.
    fn wants(&self, names: &[&str], pin: &str) -> Result<bool> {
        if names.iter().any(|name| !self.path(name).is_file()) {
            return Ok(true);
        }
        let built_from = fs::read(self.stamp_of(names)).ok();
        Ok(built_from.is_some_and(|versions| Some(versions) != self.versions(pin).ok()))
    }

    fn stamp(&self, names: &[&str], pin: &str) -> Result<()> {
        Ok(fs::write(self.stamp_of(names), self.versions(pin)?)?)
    }

    fn stamp_of(&self, names: &[&str]) -> PathBuf {
        self.path(&format!("{}.built-from", names.first().copied().unwrap_or_default()))
    }

    fn versions(&self, pin: &str) -> Result<Vec<u8>> {
        let file = self.repository.join(pin).join("go.mod");
        fs::read(&file).with_context(|| format!("read {}", file.display()))
    }

    /// Small programs for the control plane, which is all that its module is for. Karpenter's module is the oracle's:
    /// with the same settings as there, what Go has built for one is not built again for the other.
    fn build(&self, pin: &str, name: &str, package: &str) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut build = self.go(pin, "build")?;
        if pin == CONTROL_PLANE_PIN {
            build.env("CGO_ENABLED", "0").args(["-p", "2", "-trimpath", "-ldflags", "-s -w"]);
        }
        run(build.arg("-o").arg(self.path(name)).arg(package))
    }

    /// `go VERB` in a module; an error without Go.
    fn go(&self, pin: &str, verb: &str) -> Result<Command> {
        if !Command::new("go").arg("version").output().is_ok_and(|said| said.status.success()) {
            bail!("Go is not there: the programs of a control plane are built from their Go modules");
        }
        let mut go = Command::new("go");
        go.current_dir(self.repository.join(pin)).arg(verb);
        Ok(go)
    }
}

/// Runs a command whose output goes to the terminal; an error if it fails.
fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_built_when_they_are_missing_or_of_another_version() {
        let root = std::env::temp_dir().join(format!("e2e-programs-{}", std::process::id()));
        let programs = Programs::of(&root);
        let wants = || programs.wants(&["a", "b"], "pin").unwrap();
        fs::create_dir_all(root.join("pin")).unwrap();
        fs::create_dir_all(root.join("target/control-plane")).unwrap();
        fs::write(root.join("pin/go.mod"), "v1").unwrap();
        fs::write(programs.path("a"), "").unwrap();
        assert!(wants(), "b is missing");
        fs::write(programs.path("b"), "").unwrap();
        assert!(!wants(), "somebody put them there");
        programs.stamp(&["a", "b"], "pin").unwrap();
        assert!(!wants(), "built from these versions");
        fs::write(root.join("pin/go.mod"), "v2").unwrap();
        assert!(wants(), "built from others");
        fs::remove_dir_all(&root).unwrap();
    }
}
