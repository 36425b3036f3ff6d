//! The first screen of the README is what the command prints.

use crate::elision::{compare, diff};
use crate::{root, run};

#[test]
fn the_readme_shows_the_real_output() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let block =
        readme.split("```text\n").nth(1).and_then(|rest| rest.split("\n```").next()).expect("a block");
    let mut lines = block.lines();
    let command = lines.next().and_then(|line| line.strip_prefix("$ plimsoll ")).expect("a command");
    let expected: Vec<String> = lines.map(str::to_owned).collect();
    assert!(expected.len() > 20, "the verdict, the cause and the fix");
    let got = run(&root(), command).stdout;
    let comparison = compare(&expected, &got);
    assert_eq!(comparison.mismatches, 0, "{}", diff(&comparison, &got));
}
