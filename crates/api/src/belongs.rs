//! Where a field that the kind does not have belongs: the same word at another depth, the word that others use for
//! what is meant, or the word that is nearest to it.

use cluster::FieldPath;

use crate::reader::UnknownField;
use crate::suggest::nearest;

/// A word of other tools, and what to write for it.
pub(crate) struct Word {
    /// In lower case, letters and digits only.
    pub(crate) written: &'static str,
    /// Only below this field; empty for anywhere.
    pub(crate) under: &'static str,
    /// What is meant.
    pub(crate) means: Means,
}

/// What a word of other tools means.
pub(crate) enum Means {
    /// This field, as a pointer with `*` for the items of lists.
    Field(&'static str),
    /// This field, which takes something else.
    Other(&'static str, &'static str),
    /// Nothing that is asked for; why not.
    Nothing(&'static str),
}

/// What to do about an unknown field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Belongs {
    /// In words.
    pub(crate) help: String,
    /// The fields that are meant, as pointers with `*` for the items of lists; empty when that is not known.
    pub(crate) fields: Vec<String>,
}

/// More places than this are no help.
const MAX_PLACES: usize = 3;

/// A place that is more steps away than this was not meant.
const MAX_STEPS: usize = 6;

/// Where `unknown` belongs among `fields`, see [`crate::schema::fields`]; `None` when nothing is like it.
pub(crate) fn belongs(unknown: &UnknownField, fields: &[String], words: &[Word]) -> Option<Belongs> {
    let written = starred(&unknown.path);
    let parent = written.rsplit_once('/').map_or("", |(parent, _)| parent);
    let place = Place { unknown, parent, fields };
    place
        .word(words)
        .or_else(|| place.slip(1))
        .or_else(|| place.elsewhere(|name| plain(name) == plain(&unknown.field)))
        .or_else(|| place.slip(usize::MAX))
        .or_else(|| {
            let names = fields.iter().map(|field| last(field));
            let near = nearest(&unknown.field, names)?;
            place.elsewhere(|name| name == near)
        })
}

struct Place<'a> {
    unknown: &'a UnknownField,
    parent: &'a str,
    fields: &'a [String],
}

impl Place<'_> {
    /// A slip of the pen: a field of the same place, at most so many letters away.
    fn slip(&self, letters: usize) -> Option<Belongs> {
        let written = self.unknown.field.as_str();
        let known = self.unknown.known.iter().copied();
        let same = known.clone().find(|name| plain(name) == plain(written));
        let near = same.or_else(|| {
            let near = nearest(written, known)?;
            let away = strsim::osa_distance(&plain(written), &plain(near));
            (away <= letters).then_some(near)
        })?;
        let help = format!("did you mean `{near}`?");
        Some(Belongs { help, fields: vec![format!("{}/{near}", self.parent)] })
    }

    fn word(&self, words: &[Word]) -> Option<Belongs> {
        let written = plain(&self.unknown.field);
        let fits = |word: &&Word| {
            word.written == written && is_below(self.parent, word.under) && self.is_near(&word.means)
        };
        match &words.iter().find(fits)?.means {
            Means::Field(field) => Some(self.at(&[field])),
            Means::Other(field, what) => {
                let Belongs { help, fields } = self.at(&[field]);
                Some(Belongs { help: format!("{help}: {what}"), fields })
            }
            Means::Nothing(why) => Some(Belongs { help: format!("remove it: {why}"), fields: Vec::new() }),
        }
    }

    fn is_near(&self, means: &Means) -> bool {
        match means {
            Means::Field(field) | Means::Other(field, _) => steps(self.parent, field) <= MAX_STEPS,
            Means::Nothing(_) => true,
        }
    }

    /// The nearest fields whose name is meant.
    fn elsewhere(&self, is_meant: impl Fn(&str) -> bool) -> Option<Belongs> {
        let found =
            self.fields.iter().filter(|field| is_meant(last(field)) && !field.starts_with("/status/"));
        let near = found.map(|field| (steps(self.parent, field), field.as_str()));
        let near: Vec<(usize, &str)> = near.filter(|(steps, _)| *steps <= MAX_STEPS).collect();
        let fewest = near.iter().map(|(steps, _)| *steps).min()?;
        let nearest = near.into_iter().filter(|(steps, _)| *steps == fewest);
        let nearest: Vec<&str> = nearest.map(|(_, field)| field).collect();
        (nearest.len() <= MAX_PLACES).then(|| self.at(&nearest))
    }

    fn at(&self, fields: &[&str]) -> Belongs {
        let here = |field: &str| field.rsplit_once('/').is_some_and(|(parent, _)| parent == self.parent);
        let shown: Vec<String> = fields.iter().map(|field| format!("`{}`", self.shown(field))).collect();
        let help = match fields {
            [field] if here(field) => format!("here it is called `{}`", last(field)),
            _ => format!("it belongs at {}", shown.join(" or ")),
        };
        Belongs { help, fields: fields.iter().map(|field| (*field).to_owned()).collect() }
    }

    /// As people write it: the items of lists that the unknown field is in keep their indexes.
    fn shown(&self, field: &str) -> String {
        let written: Vec<&str> = self.unknown.path.0.split('/').collect();
        let (mut out, mut same) = (String::new(), true);
        for (at, segment) in field.split('/').enumerate().skip(1) {
            let index = written.get(at).copied().filter(|index| same && index.parse::<u32>().is_ok());
            match (segment, index) {
                ("*", Some(index)) => out.push_str(&format!("[{index}]")),
                ("*", None) => out.push_str("[]"),
                (name, _) => {
                    same &= written.get(at).copied() == Some(name);
                    out.push_str(if out.is_empty() { "" } else { "." });
                    out.push_str(name);
                }
            }
        }
        out
    }
}

/// Steps up from `parent` and down to `field`.
fn steps(parent: &str, field: &str) -> usize {
    let same = parent.split('/').zip(field.split('/')).take_while(|(a, b)| a == b).count();
    let count = |path: &str| path.split('/').skip(same).count();
    count(parent) + count(field)
}

fn is_below(path: &str, under: &str) -> bool {
    path.strip_prefix(under).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || under.is_empty())
}

/// A written path as a pointer of the schema.
fn starred(path: &FieldPath) -> String {
    let star = |segment| if str::parse::<u32>(segment).is_ok() { "*" } else { segment };
    path.0.split('/').map(star).collect::<Vec<_>>().join("/")
}

fn last(field: &str) -> &str {
    field.rsplit('/').next().unwrap_or_default()
}

/// `min_size`, `MinSize` and `minSize` are one word.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::profile::{wire::WireCluster, words::WORDS};
    use crate::{reader, schema};

    /// What is said about every unknown field.
    fn helps<T: DeserializeOwned>(value: &Value, words: &[Word]) -> String {
        let (_, unknown) = reader::read::<T>(value);
        let fields = schema::fields::<T>();
        let help = |field: &UnknownField| belongs(field, &fields, words).map(|belongs| belongs.help);
        unknown
            .iter()
            .map(|field| format!("{}: {}\n", field.path, help(field).unwrap_or("nothing".into())))
            .collect()
    }

    #[test]
    fn fields_of_the_profile_are_told_their_place() {
        let profile = json!({"nodeGroups": [], "spec": {
            "subnets": [], "fargateProfiles": [], "managedNodeGroups": [], "version": "1.33", "prices": [],
            "instanceType": "m5.large", "kubernetes_version": "1.33", "maxPodsPerNode": 3, "karpenter": {},
            "nodeGroups": [{"min": 2, "minSize": 2, "desiredCapacity": 2, "instanceTypes": [], "instance_type": "a",
                "scalingConfig": {}, "subnetIds": [], "maxPodsPerNode": 20, "capacityType": "SPOT", "diskSize": 20}],
            "fargate": [{"selectors": []}],
            "network": {"subnets": [{"subnetId": "a", "availabilityZone": "b", "cidrBlock": "c", "cird": "d"}]}}});
        insta::assert_snapshot!(helps::<WireCluster>(&profile, WORDS), @r"
        nodeGroups: it belongs at `spec.nodeGroups`
        spec.subnets: it belongs at `spec.network.subnets`
        spec.fargateProfiles: here it is called `fargate`
        spec.managedNodeGroups: here it is called `nodeGroups`
        spec.version: here it is called `kubernetesVersion`
        spec.prices: it belongs at `spec.aws.prices`
        spec.instanceType: it belongs at `spec.nodeGroups[].instanceType`
        spec.kubernetes_version: did you mean `kubernetesVersion`?
        spec.maxPodsPerNode: it belongs at `spec.gke.maxPodsPerNode`
        spec.karpenter: nothing
        spec.nodeGroups[0].min: it belongs at `spec.nodeGroups[0].scaling.min`
        spec.nodeGroups[0].minSize: it belongs at `spec.nodeGroups[0].scaling.min`
        spec.nodeGroups[0].desiredCapacity: here it is called `count`
        spec.nodeGroups[0].instanceTypes: here it is called `instanceType`: one instance type, so a group of several types is written as one group a type
        spec.nodeGroups[0].instance_type: did you mean `instanceType`?
        spec.nodeGroups[0].scalingConfig: here it is called `scaling`
        spec.nodeGroups[0].subnetIds: here it is called `subnets`
        spec.nodeGroups[0].maxPodsPerNode: here it is called `maxPods`
        spec.nodeGroups[0].capacityType: remove it: nodes of a group stay; pods that select `eks.amazonaws.com/capacityType` need it in `labels`
        spec.nodeGroups[0].diskSize: remove it: it changes nothing about what can run
        spec.fargate[0].selectors: here it is called `namespaces`: a list of namespaces; what the pods' labels must be stands beside it under `labels`
        spec.network.subnets[0].subnetId: here it is called `id`
        spec.network.subnets[0].availabilityZone: here it is called `zone`
        spec.network.subnets[0].cidrBlock: here it is called `cidr`
        spec.network.subnets[0].cird: did you mean `cidr`?
        ");
    }

    #[test]
    fn fields_of_other_kinds_are_told_their_place() {
        let deployment = json!({"replicas": 2, "spec": {"containers": [], "nodeSelector": {}, "minReadySecond": 3,
            "template": {"nodeSelector": {}, "spec": {"replicas": 2, "nonsense": 1, "hostnetwork": true,
                "containers": [{"requests": {}, "nodeSelector": {}, "securityContext": {"fsGroup": 1}}]}}}});
        insta::assert_snapshot!(helps::<Deployment>(&deployment, &[]), @r"
        replicas: it belongs at `spec.replicas`
        spec.containers: it belongs at `spec.template.spec.containers`
        spec.nodeSelector: it belongs at `spec.template.spec.nodeSelector`
        spec.minReadySecond: did you mean `minReadySeconds`?
        spec.template.nodeSelector: it belongs at `spec.template.spec.nodeSelector`
        spec.template.spec.replicas: it belongs at `spec.replicas`
        spec.template.spec.nonsense: nothing
        spec.template.spec.hostnetwork: did you mean `hostNetwork`?
        spec.template.spec.containers[0].requests: it belongs at `spec.template.spec.containers[0].resources.requests`
        spec.template.spec.containers[0].nodeSelector: it belongs at `spec.template.spec.nodeSelector`
        spec.template.spec.containers[0].securityContext.fsGroup: it belongs at `spec.template.spec.securityContext.fsGroup`
        ");
    }
}
