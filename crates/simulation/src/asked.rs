//! What somebody wants to be told of a run besides its outcome: why a pod went where it went, or nowhere.
//!
//! Asking changes nothing: a trace runs the code of the attempt and decides nothing.

use cluster::{Cluster, Name, NodeId, PodId, Timestamp};
use scheduling::trace::Trace;

/// Pods of one workload that are followed at the most.
const PODS_MAX: usize = 100;

/// Which pods are asked about: one by its name, or those of a workload by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The namespace; `None` is any.
    pub namespace: Option<Name>,
    /// The pod's name, or its workload's.
    pub name: Name,
}

/// The last scheduling attempt of a pod.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The pod.
    pub pod: PodId,
    /// When it was tried.
    pub at: Timestamp,
    /// How often it has been tried.
    pub attempts: u32,
    /// What every filter and every score said.
    pub trace: Trace,
    /// The node that it got.
    pub chosen: Option<NodeId>,
    /// The event's message, when it got none.
    pub message: Option<String>,
}

impl Question {
    /// `NAMESPACE/NAME` or `NAME`.
    pub fn parse(text: &str) -> Question {
        match text.split_once('/') {
            Some((namespace, name)) => Question { namespace: Some(namespace.into()), name: name.into() },
            None => Question { namespace: None, name: text.into() },
        }
    }

    /// Whether it is about this pod.
    pub fn is_about(&self, cluster: &Cluster, id: PodId) -> bool {
        let pod = cluster.pod(id);
        let workload = pod.workload.map(|id| &cluster.declared.workload(id).key.name);
        self.namespace.as_ref().is_none_or(|namespace| *namespace == pod.namespace)
            && (pod.name == self.name || workload == Some(&self.name))
    }
}

/// Notes an attempt in place of the pod's last one.
pub(crate) fn note(answers: &mut Vec<Answer>, mut answer: Answer) {
    let known = answers.iter().position(|known| known.pod == answer.pod);
    match known {
        Some(index) => {
            answer.attempts = answers[index].attempts.saturating_add(1);
            answers[index] = answer;
        }
        None if answers.len() < PODS_MAX => answers.push(answer),
        None => {}
    }
}
