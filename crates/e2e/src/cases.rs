//! The cases by name. Each plays something on a real control plane and demands what must come of it; a case knows no
//! other, and leaves the cluster as it found it.

mod harness;
mod killed;
mod scale;
mod shadow;
mod workload;

use std::pin::Pin;

use anyhow::Result;

use crate::stage::{Needs, Stage};

/// What is worth telling about a case that passed.
pub type Notes = Vec<String>;

/// A case that runs.
pub type Play<'a> = Pin<Box<dyn Future<Output = Result<Notes>> + 'a>>;

/// Something that must work.
pub struct Case {
    /// `GROUP/NAME`.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// What it is played on.
    pub needs: Needs,
    /// Plays it.
    pub play: for<'a> fn(&'a mut Stage) -> Play<'a>,
}

/// Every case, in the order of play.
pub const ALL: [Case; 7] = [
    Case {
        name: "harness/recovery",
        about: "a program that dies is named; what was started is stopped by its files, and nothing else",
        needs: Needs::Nothing,
        play: |stage| Box::pin(harness::recovery(stage)),
    },
    Case {
        name: "harness/placement",
        about: "a pod without room stays Pending until a node comes",
        needs: Needs::ControlPlane,
        play: |stage| Box::pin(harness::placement(stage)),
    },
    Case {
        name: "scale/up-and-down",
        about: "20 pods get nodes and run; without them every node and claim goes",
        needs: Needs::Subject,
        play: |stage| Box::pin(scale::up_and_down(stage)),
    },
    Case {
        name: "shadow/beside",
        about: "a plimsoll that only watches plans for the same pods, and says what both would have done",
        needs: Needs::Subject,
        play: |stage| Box::pin(shadow::beside(stage)),
    },
    Case {
        name: "killed/autoscaler",
        about: "killed while nodes come and while they go, the next one goes on: nothing lost, nothing doubled",
        needs: Needs::Subject,
        play: |stage| Box::pin(killed::autoscaler(stage)),
    },
    Case {
        name: "killed/api-server",
        about: "the API server is killed while nodes come and while they go",
        needs: Needs::Subject,
        play: |stage| Box::pin(killed::api_server(stage)),
    },
    Case {
        name: "killed/etcd",
        about: "etcd is killed while nodes come and while they go",
        needs: Needs::Subject,
        play: |stage| Box::pin(killed::etcd(stage)),
    },
];

/// Those asked for by name or by group; all if nothing is asked for. An unknown name is an error of its own.
pub fn chosen(asked: &[String]) -> Result<Vec<&'static Case>> {
    let fits = |case: &Case, asked: &str| {
        case.name == asked || case.name.split_once('/').is_some_and(|(group, _)| group == asked)
    };
    if let Some(unknown) = asked.iter().find(|asked| !ALL.iter().any(|case| fits(case, asked))) {
        let names: Vec<&str> = ALL.iter().map(|case| case.name).collect();
        anyhow::bail!("no case {unknown}; there are {}", names.join(", "));
    }
    let wanted = |case: &&Case| asked.is_empty() || asked.iter().any(|asked| fits(case, asked));
    Ok(ALL.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str]) -> Vec<&'static str> {
        let asked: Vec<String> = asked.iter().map(|&name| name.into()).collect();
        chosen(&asked).unwrap().iter().map(|case| case.name).collect()
    }

    #[test]
    fn cases_are_chosen_by_name_and_by_group() {
        assert_eq!(names(&[]).len(), ALL.len());
        assert_eq!(names(&["harness"]), ["harness/recovery", "harness/placement"]);
        assert_eq!(
            names(&["scale/up-and-down", "harness/placement"]),
            ["harness/placement", "scale/up-and-down"]
        );
        let problem = chosen(&["harnes".into()]).err().unwrap().to_string();
        assert!(problem.starts_with("no case harnes; there are harness/recovery, "), "{problem}");
    }
}
