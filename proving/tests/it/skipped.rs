//! A test that was left out doesn't pass for one that went well.

use std::process::Command;

#[test]
fn whoever_runs_the_tests_is_told_of_one_that_is_left_out() {
    if std::env::var_os("EPRO_TEST_LEFT_OUT").is_some() {
        return epro_proving::skipped("this one");
    }
    // The same again, as one that can't be tested.
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "skipped::whoever_runs_the_tests_is_told_of_one_that_is_left_out"]);
    let output = again.env("EPRO_TEST_LEFT_OUT", "1").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
    assert!(err.contains("SKIPPED: this one"), "{out}{err}");
}
