//! `simulate --faults`: one seed, many seeds, as text and as JSON.

use crate::{folder, run};

#[test]
fn a_seed_is_played_and_said() {
    let files = folder(&[]);
    let output = run(files.path(), "simulate --faults --seed 7 -o json");
    let said: serde_json::Value = serde_json::from_str(&output.stdout).expect("it is JSON");
    assert_eq!((output.exit_code, &said["converged"]), (0, &serde_json::json!(true)), "{}", output.stdout);
    assert_eq!(said["seed"], 7);
    let again = run(files.path(), "simulate --faults --seed 7 -o json");
    assert_eq!(output.stdout, again.stdout, "byte for byte");
}

#[test]
fn many_seeds_say_what_made_a_difference() {
    let files = folder(&[]);
    let output = run(files.path(), "simulate --faults --seed 0 --count 4");
    assert!(output.stdout.ends_with("0 of 4 seeds fail\n"), "{}", output.stdout);
    assert!(output.stdout.contains("made a difference in"), "{}", output.stdout);
    assert_eq!(output.exit_code, 0);
}
