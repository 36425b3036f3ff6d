//! Tests of the reader of `scenarios/*.md`: a scenario that passes must not pass by mistake.

#![allow(dead_code, reason = "only a part of the runner can be tested without running anything")]

#[path = "scenarios/console.rs"]
mod console;
#[path = "scenarios/elision.rs"]
mod elision;
#[path = "scenarios/folder.rs"]
mod folder;
#[path = "scenarios/markdown.rs"]
mod markdown;
#[path = "scenarios/merge.rs"]
mod merge;
#[path = "scenarios/story.rs"]
mod story;
#[path = "scenarios/update.rs"]
mod update;

use console::{Expected, commands, words, written};
use elision::{compare, diff, line_matches};
use serde_json::json;
use story::{Act, Source, Story, stories};

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn mismatches(expected: &str, got: &str) -> usize {
    compare(&lines(expected), got).mismatches
}

#[test]
fn a_line_is_compared_as_a_whole() {
    assert!(line_matches("verdict: converges", "verdict: converges"));
    assert!(line_matches("verdict: converges", "verdict: converges  "));
    assert!(!line_matches("verdict: converges", "verdict: converges at 3m"));
    assert!(!line_matches("converges", "verdict: converges"));
    assert!(!line_matches("  indented", "indented"));
    assert!(!line_matches("", "something"));
}

#[test]
fn an_elision_in_a_line_stands_for_any_text() {
    assert!(line_matches("error[IP101]: ...25...", "error[IP101]: 25 addresses"));
    assert!(line_matches("error[IP101]: ...", "error[IP101]: "));
    assert!(line_matches("...", "anything"));
    assert!(line_matches("a...b...c", "abc"));
    assert!(line_matches("a...b...c", "a b b c c"));
    assert!(!line_matches("a...b...c", "a c b"));
    assert!(!line_matches("aba...aba", "aba"), "the end must not use the start's text again");
    assert!(!line_matches("a...b...b", "ab"), "nor that of the middle");
    assert!(!line_matches("...b", "bc"));
}

#[test]
fn an_elision_line_stands_for_any_number_of_lines() {
    assert_eq!(mismatches("...\nb\n...", "b"), 0);
    assert_eq!(mismatches("...\nb\n...", "a\na\nb\nc"), 0);
    assert_eq!(mismatches("...", ""), 0);
    assert_eq!(mismatches("a\n...\nb\n...\nb", "a\nb\nx\nb"), 0);
    assert_eq!(mismatches("", "a"), 1, "no expectation is that nothing is printed");
    assert_eq!(mismatches("a", ""), 1);
    assert_eq!(mismatches("b\n...", "a\nb"), 1);
    assert_eq!(mismatches("...\nb\na\n...", "a\nb"), 1, "the order counts");
    assert_eq!(mismatches("...\nb\n...\nb\n...", "a\nb\nc"), 1, "a line is used once");
    assert_eq!(mismatches("a\n\nb", "a\nb"), 1, "a blank line in between counts");
    assert_eq!(mismatches("a\nb", "a  \nb\n\n\n"), 0, "blanks at the ends do not");
}

#[test]
fn the_difference_shows_only_what_differs() {
    let expected = lines("...\nfound 3 of ...\n...\nverdict: deadlock...\n...");
    let got = "one\nfound 3 of 7\ntwo\nthree\nverdict: converges at 3m\nend\n";
    let comparison = compare(&expected, got);
    assert_eq!(comparison.mismatches, 1);
    assert_eq!(comparison.filled.len(), 7);
    let shown = diff(&comparison, got);
    let changed: Vec<&str> = shown.lines().skip(2).filter(|line| line.starts_with(['-', '+'])).collect();
    assert_eq!(changed, ["-verdict: deadlock..."]);
}

#[test]
fn words_are_split_at_blanks_and_quotes_keep_them() {
    assert_eq!(words("plimsoll check  -f a").unwrap(), ["plimsoll", "check", "-f", "a"]);
    assert_eq!(words(r#"a "b c" d'e  f'g '' "it's""#).unwrap(), ["a", "b c", "de  fg", "", "it's"]);
    assert_eq!(words("a $HOME | b > c").unwrap(), ["a", "$HOME", "|", "b", ">", "c"], "there is no shell");
    assert!(words("a 'b").is_err());
}

#[test]
fn a_console_block_holds_commands_and_their_output() {
    let body = "$ plimsoll check -f a\none\n\ntwo\n# exit 1\n\n$ plimsoll version\n...\n";
    let found = commands(body, 100).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].arguments, ["check", "-f", "a"]);
    let Expected::Output { lines, exit_code, place } = &found[0].expected else { panic!("an output") };
    assert_eq!((lines.join("|").as_str(), *exit_code), ("one||two", 1));
    assert_eq!(&body[place.start - 100..place.end - 100], "one\n\ntwo\n# exit 1\n\n");
    let Expected::Output { lines, exit_code, .. } = &found[1].expected else { panic!("an output") };
    assert_eq!((lines.join("|").as_str(), *exit_code), ("...", 0));
}

#[test]
fn what_is_no_command_of_ours_is_refused() {
    assert!(commands("$ rm -r x\n", 0).is_err());
    assert!(commands("output\n$ plimsoll check\n", 0).is_err());
    assert!(commands("$ plimsoll check\n# exit one\n", 0).is_err());
}

const FILE: &str = "\
# title

```yaml input=base from=../examples/base
```
```yaml input=cluster.yaml
shared: true
```

## first
<!-- pending: no such command -->

```yaml input=cluster.yaml from=cluster.yaml
# only a comment
```
```yaml
for: the reader
```
```console
$ plimsoll check -f base
...
```

## second

````yaml scenario
a: |
  ```yaml input=no.yaml
  ## no heading
````
";

fn acts(story: &Story) -> Vec<&Act> {
    story.steps.iter().map(|step| &step.act).collect()
}

#[test]
fn a_file_is_read_into_stories() {
    let stories = stories(FILE).unwrap();
    assert_eq!(stories.iter().map(|story| story.name.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(stories[0].pending.as_deref(), Some("no such command"));
    assert_eq!(stories[1].pending, None);
    let first = acts(&stories[0]);
    assert_eq!(first.len(), 4);
    assert!(matches!(first[0], Act::Copy { from: Source::Path(path), .. } if path == "../examples/base"));
    assert!(matches!(first[1], Act::Write { text, .. } if text == "shared: true\n"));
    assert!(matches!(first[2], Act::Copy { from: Source::Input(input), .. } if input == "cluster.yaml"));
    assert_eq!(stories[0].steps[2].line, 12);
}

#[test]
fn a_scenario_without_a_command_is_checked_with_all_inputs() {
    let stories = stories(FILE).unwrap();
    let second = acts(&stories[1]);
    assert!(matches!(second[2], Act::Write { name, text }
        if name == "scenario.yaml" && text.contains("no.yaml") && text.contains("## no heading")));
    let Act::Run(command) = second[3] else { panic!("a command") };
    assert_eq!(command.arguments, ["check", "-R", "-f", "base", "-f", "cluster.yaml", "-f", "scenario.yaml"]);
    assert_eq!(command.expected, Expected::Expectations);
}

#[test]
fn mistakes_in_a_file_are_not_overlooked() {
    let refused = |text: &str| stories(&format!("## a\n{text}")).is_err();
    assert!(!refused("```yaml\na: b\n```\n"));
    assert!(refused("```yaml inputs=a.yaml\n```\n"), "a misspelt attribute");
    assert!(refused("```console x\n```\n"));
    assert!(refused("```yaml input=../a\n```\n"), "outside of the folder");
    assert!(refused("```yaml input=/a\n```\n"));
    assert!(refused(" ```yaml input=a\n ```\n"), "indented");
    assert!(refused("```yaml input=a\n"), "never closed");
    assert!(refused("```yaml input=a.yaml\n```\n## a\n"), "two of one name");
    assert!(stories("```console\n$ plimsoll check\n```\n").is_err(), "a command outside of a story");
}

#[test]
fn merge_patches_follow_rfc_7386() {
    // The examples of the RFC's appendix.
    let cases = [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), json!(null), json!(null)),
        (json!({"a": "foo"}), json!("bar"), json!("bar")),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ];
    for (target, patch, wanted) in cases {
        assert_eq!(merge::merge(target.clone(), &patch), wanted, "{target} + {patch}");
    }
}

#[test]
fn a_patched_file_keeps_what_the_patch_does_not_name() {
    let text = "\
# the spoke
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {name: dev}
spec:
  region: us-west-2 # Oregon
  horizon: 2h
  nodeGroups:
  - name: a
";
    let patched =
        merge::patched(text, "# smaller\nspec:\n  horizon: null\n  nodeGroups:\n  - {name: b, count: 2}\n")
            .unwrap();
    assert!(patched.starts_with("# the spoke\n"), "{patched}");
    assert!(patched.contains("region: us-west-2 # Oregon"), "{patched}");
    assert!(!patched.contains("horizon"), "{patched}");
    let wanted = json!({"region": "us-west-2", "nodeGroups": [{"name": "b", "count": 2}]});
    assert_eq!(merge::value(&patched).unwrap()["spec"], wanted);
    assert_eq!(merge::patched(text, "# nothing\n").unwrap(), text);
    let two = format!("{text}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n");
    assert!(merge::patched(&two, "spec: {a: 1}").is_err(), "which of the two?");
    let patched = merge::patched(&two, "kind: Namespace\nmetadata: {labels: {b: c}}").unwrap();
    assert!(patched.starts_with(text), "{patched}");
    assert!(patched.contains("b: c"), "{patched}");
    let twice = format!("{two}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: b}}\n");
    assert!(merge::patched(&twice, "kind: Namespace\nspec: {a: 1}").is_err(), "two of that kind");
    assert!(merge::patched(text, "a: [").is_err());
}

#[test]
fn a_folder_is_filled_in_order_and_later_inputs_replace() {
    let here = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(here.path().join("source/inner")).unwrap();
    std::fs::write(here.path().join("source/.plimsoll.yaml"), "hidden").unwrap();
    std::fs::write(here.path().join("source/inner/a.yaml"), "a").unwrap();
    let folder = folder::Folder::empty(here.path()).unwrap();
    let copy = |name: &str, from: Source, patch: &str| {
        folder.write(&Act::Copy { name: name.to_owned(), from, patch: patch.to_owned() })
    };
    copy("base", Source::Path("./source".to_owned()), "").unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("base/.plimsoll.yaml")).unwrap(), "hidden");
    copy("copy.yaml", Source::Path("source/inner/a.yaml".to_owned()), "# as it is").unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("copy.yaml")).unwrap(), "a");
    copy("base", Source::Path("./source/inner".to_owned()), "").unwrap();
    assert!(!folder.path().join("base/.plimsoll.yaml").exists(), "the first one is gone");
    folder.write(&Act::Write { name: "x/y.yaml".to_owned(), text: "y".to_owned() }).unwrap();
    copy("z.yaml", Source::Input("copy.yaml".to_owned()), "").unwrap();
    assert!(copy("base", Source::Path("./source".to_owned()), "a: 1").is_err(), "a folder has no fields");
    assert!(copy("b", Source::Path("./nowhere".to_owned()), "").is_err());
}

#[test]
fn an_update_replaces_what_was_expected_and_nothing_else() {
    let text = "```console\n$ plimsoll a\nold\n# exit 1\n\n$ plimsoll b\n```\nafter\n";
    let found = commands(&text[11..text.len() - 10], 11).unwrap();
    let place = |index: usize| match &found[index].expected {
        Expected::Output { place, .. } => place.clone(),
        Expected::Expectations => panic!("an output"),
    };
    let updated = update::replaced(
        text,
        &[(place(1), written("second\n", 0)), (place(0), written("new  \nlines\n\n\n", 4))],
    );
    assert_eq!(
        updated,
        "```console\n$ plimsoll a\nnew\nlines\n# exit 4\n\n$ plimsoll b\nsecond\n```\nafter\n"
    );
    let again = commands(&updated[11..updated.len() - 10], 11).unwrap();
    let Expected::Output { lines, exit_code, .. } = &again[0].expected else { panic!("an output") };
    assert_eq!((compare(lines, "new\nlines\n").mismatches, *exit_code), (0, 4));
}

#[test]
fn every_scenario_of_the_repository_is_readable() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut count = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") || path.ends_with("README.md") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for story in stories(&text).unwrap_or_else(|reason| panic!("{}: {reason}", path.display())) {
            let folder = folder::Folder::empty(&folder).unwrap();
            for step in &story.steps {
                folder
                    .write(&step.act)
                    .unwrap_or_else(|reason| panic!("{}:{}: {reason}", path.display(), step.line));
            }
            let ends = story.steps.last().is_some_and(|step| matches!(step.act, Act::Run(_)));
            assert!(
                ends || story.pending.is_some(),
                "{}: {:?} tests nothing at its end",
                path.display(),
                story.name
            );
            count += 1;
        }
    }
    assert!(count >= 30, "{count} stories");
}
