//! Every `-o` is what its readers take it for.

use serde_json::Value;

use crate::{GOOD, folder, root, run};

/// The examples, with what `simulate` tries on them.
const EXAMPLES: [(&str, i32); 5] =
    [("dev-spoke", 1), ("dory", 0), ("healthy-small", 0), ("out-of-ips", 1), ("t4g-micro", 1)];

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn json_is_what_the_published_schema_says() {
    let schema = json(&run(&root(), "schema").stdout);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for (example, code) in EXAMPLES {
        for command in ["check", "simulate"] {
            let output = run(&root(), &format!("{command} examples/{example} -o json"));
            assert_eq!(output.exit_code, code, "{command} {example}: {}", output.stderr);
            let report = json(&output.stdout);
            let errors: Vec<String> = validator
                .iter_errors(&report)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{command} {example}: {errors:#?}");
            assert_eq!(report["exitCode"], code);
        }
    }
    assert!(
        !validator.is_valid(&json(r#"{"apiVersion": "v1", "kind": "Report"}"#)),
        "it refuses what is none"
    );
}

#[test]
fn a_plan_is_what_its_schema_says() {
    let schema = json(&run(&root(), "schema plan").stdout);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let output = run(
        &root().join("examples/t4g-micro"),
        "plan -f manifests -f system --cluster cluster-with-system.yaml -o json",
    );
    let plan = json(&output.stdout);
    let errors: Vec<String> = validator.iter_errors(&plan).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let cluster = &plan["clusters"][0];
    assert_eq!((&cluster["fits"], cluster["waves"].as_array().map(Vec::len)), (&true.into(), Some(3)));
    assert_eq!(cluster["atOnce"]["nodesWithoutLimits"], 15);
    assert_eq!(run(&root(), "plan examples/dory --only nothing").exit_code, 2);
}

#[test]
fn json_says_everything_that_the_text_says() {
    let report = json(&run(&root(), "check examples/dev-spoke -e dev -o json").stdout);
    let text = run(&root(), "check examples/dev-spoke -e dev").stdout;
    let cluster = &report["clusters"][0];
    let list = |name: &str| cluster[name].as_array().expect("a list").clone();
    let said = |value: &Value| {
        let sentence = value.as_str().expect("a sentence");
        assert!(text.contains(sentence), "the text lacks: {sentence}");
    };
    said(&cluster["headline"]);
    for finding in list("findings") {
        said(&finding["title"]);
        finding["notes"].as_array().expect("notes").iter().for_each(said);
        assert!(finding["places"][0]["file"].is_string() && finding["places"][0]["line"].is_u64());
    }
    for link in list("chain") {
        said(&link["text"]);
        assert!(link["atMs"].is_i64());
    }
    for branch in list("assumptions") {
        said(&branch["assumption"]);
    }
    let remedy = &list("remedies")[0];
    said(&remedy["changes"][0]["title"]);
    assert!(remedy["changes"][0]["edits"][0]["field"].is_string());
    for line in remedy["diffs"][0]["diff"].as_str().expect("a diff").lines() {
        assert!(text.contains(line), "the text lacks the line of the diff: {line}");
    }
    for rejected in list("rejected") {
        said(&rejected["change"]);
    }
    assert_eq!(cluster["addresses"]["nodes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn junit_is_read_by_an_xml_parser_and_counts_what_failed() {
    let output = run(&root(), "check examples/dev-spoke -o junit");
    let document = roxmltree::Document::parse(&output.stdout).expect("XML");
    let suites: Vec<_> = document.descendants().filter(|node| node.has_tag_name("testsuite")).collect();
    let names: Vec<_> = suites.iter().filter_map(|suite| suite.attribute("name")).collect();
    assert_eq!(names, ["dev", "staging", "production"]);
    for (suite, failed) in suites.iter().zip([true, false, false]) {
        let failures = suite.descendants().filter(|node| node.has_tag_name("failure")).count();
        assert_eq!(suite.attribute("failures"), Some(failures.to_string().as_str()));
        assert_eq!(failures > 0, failed);
    }
}

#[test]
fn github_commands_are_one_line_each_and_name_files_that_exist() {
    let output = run(&root(), "check examples/dev-spoke -o github");
    let mut places = 0;
    for line in output.stdout.lines() {
        let (head, text) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")).expect("a command");
        let (level, properties) = head.split_once(' ').expect("properties");
        assert!(["error", "warning", "notice"].contains(&level), "{line}");
        assert!(!text.is_empty());
        let file = properties.split(',').find_map(|property| property.strip_prefix("file="));
        if let Some(file) = file {
            assert!(root().join(file).is_file(), "{file}");
            places += 1;
        }
    }
    assert!(places >= 3, "{}", output.stdout);
}

#[test]
fn sarif_is_what_its_schema_says_and_what_github_takes() {
    let mut schema = json(include_str!("../../../report/tests/data/sarif-schema-2.1.0.json"));
    // Published with a bracket too many: no regular expression. Nothing here writes a language.
    for owner in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][owner]["properties"]["language"];
        language.as_object_mut().expect("a property").remove("pattern");
    }
    let validator = jsonschema::validator_for(&schema).expect("the schema of OASIS");
    for (example, _) in EXAMPLES {
        let report = json(&run(&root(), &format!("check examples/{example} -o sarif")).stdout);
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{example}: {errors:#?}");
        let run = &report["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
        for result in run["results"].as_array().expect("results") {
            let index = result["ruleIndex"].as_u64().expect("a rule") as usize;
            assert_eq!(rules[index]["id"], result["ruleId"]);
            let place = &result["locations"][0]["physicalLocation"];
            assert!(place["region"]["startLine"].as_u64() >= Some(1), "{result}");
            let file = place["artifactLocation"]["uri"].as_str().expect("a file");
            assert!(root().join(file).is_file(), "{file}");
        }
    }
}

#[test]
fn markdown_shows_the_verdict_as_a_heading_and_the_fix_as_a_diff() {
    use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag};
    let output = run(&root(), "check examples/dev-spoke -o markdown");
    let events: Vec<Event<'_>> = Parser::new(&output.stdout).collect();
    let headings = events
        .iter()
        .filter(|event| matches!(event, Event::Start(Tag::Heading { level: HeadingLevel::H3, .. })));
    assert_eq!(headings.count(), 3);
    let diff = events.iter().position(
        |event| matches!(event, Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) if &**info == "diff"),
    );
    let Some(Event::Text(first)) = diff.and_then(|at| events.get(at + 1)) else {
        panic!("{}", output.stdout)
    };
    assert!(first.starts_with("--- a/examples/dev-spoke"), "{first}");
}

#[test]
fn wide_adds_the_addresses_of_nodes_and_subnets() {
    let text = run(&root(), "check examples/out-of-ips").stdout;
    let wide = run(&root(), "check examples/out-of-ips -o wide").stdout;
    assert!(!text.contains("addresses by node:") && text.contains("\naddresses: "));
    assert!(wide.contains("addresses by node:") && wide.contains("addresses by subnet:"));
    let subnet = wide.lines().find(|line| line.trim_start().starts_with("subnet-a ")).expect("subnet-a");
    assert!(subnet.contains("batch-00000 9"), "the top holders are named: {subnet}");
}

#[test]
fn every_format_goes_into_a_file_as_it_goes_to_the_terminal() {
    let folder = folder(&[("all.yaml", GOOD)]);
    let output = run(folder.path(), "check -f all.yaml -o json=a.json -o sarif=a.sarif -o text");
    assert_eq!(output.exit_code, 0, "{}", output.stderr);
    assert!(output.stdout.starts_with("converges: "));
    let written = std::fs::read_to_string(folder.path().join("a.json")).expect("a.json");
    assert_eq!(written, run(folder.path(), "check -f all.yaml -o json").stdout);
    assert!(folder.path().join("a.sarif").is_file());
    let two = run(folder.path(), "check -f all.yaml -o json -o text");
    assert_eq!((two.exit_code, two.stdout.as_str()), (2, ""));
}

#[test]
fn colours_are_for_terminals_and_those_who_ask() {
    let folder = folder(&[("all.yaml", GOOD)]);
    let escape = |words: &str| run(folder.path(), words).stdout.contains('\u{1b}');
    assert!(!escape("check -f all.yaml"));
    assert!(escape("check -f all.yaml --color always"));
    assert!(!escape("check -f all.yaml --color always -o markdown"));
}
