//! What a command shows goes wherever its user sends it.

use std::process::Stdio;

use epro_proving::Stack;
use epro_proving::service::binary;
use serde_json::Value;

#[tokio::test]
async fn a_pipe_that_is_closed_is_the_end_and_no_panic() {
    let stack = Stack::new().await.unwrap();
    for line in [&["config", "check"][..], &["dead-letters", "list"], &["topology", "check", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = tokio::process::Command::new(binary("epro").unwrap())
            .arg("--config")
            .arg(stack.config())
            .args(line)
            .stdout(Stdio::from(writer))
            .output()
            .await
            .unwrap();
        assert_eq!(
            (ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()),
            (Some(0), ""),
            "{line:?}"
        );
    }
}

#[tokio::test]
async fn a_pause_is_told_to_programs_too() {
    let stack = Stack::new().await.unwrap();
    let said = async |command: &str| -> Value {
        let line = [command, "submissions.routine", "--reason", "maintenance", "--json"];
        serde_json::from_str(&stack.epro(&line).await.unwrap()).unwrap()
    };
    assert_eq!(said("pause").await["changed"], true);
    assert_eq!(said("pause").await["outcome"], "was paused already");
    assert_eq!(said("resume").await["changed"], true);
    assert_eq!(said("resume").await["outcome"], "was not paused");
}

#[test]
fn every_shell_gets_its_completions_and_nothing_is_coloured_in_a_pipe() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        for no_color in [None, Some("1")] {
            let mut line = std::process::Command::new(binary("epro").unwrap());
            line.args(["completions", shell]).envs(no_color.map(|value| ("NO_COLOR", value)));
            let ran = line.output().unwrap();
            let script = String::from_utf8(ran.stdout).unwrap();
            assert!(ran.status.success() && script.contains("dead-letters"), "{shell}");
            assert!(!script.contains('\u{1b}'), "{shell}");
        }
    }
}

#[test]
fn a_terminal_gets_colours_unless_no_color_is_set() {
    let epro = binary("epro").unwrap();
    for (no_color, coloured) in [(None, true), (Some("1"), false)] {
        // script gives it a terminal of its own.
        let mut line = std::process::Command::new("script");
        line.args(["-qec", &format!("'{}' --help", epro.display()), "/dev/null"]);
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            line.env_remove(variable);
        }
        line.env("TERM", "xterm-256color").envs(no_color.map(|value| ("NO_COLOR", value)));
        let ran = line.stdin(Stdio::null()).output().unwrap();
        let help = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success() && help.contains("Looks into epro-relay"), "{help}");
        assert_eq!(help.contains('\u{1b}'), coloured, "NO_COLOR={no_color:?}: {help}");
    }
}

#[tokio::test]
async fn the_help_names_every_exit_code_and_a_wrong_line_ends_with_2() {
    let stack = Stack::new().await.unwrap();
    let help = stack.epro(&["--help"]).await.unwrap();
    for code in ["0 done", "1 not done", "2 the command line", "3 done in part", "64 the configuration"] {
        assert!(help.contains(code), "{code}: {help}");
    }
    for line in [&["dead-letters", "redrive", "1", "--yes"][..], &["pause", "submissions"], &["nothing"]] {
        let (code, ..) = stack.epro_with(&[("NO_COLOR", "1")], line).await.unwrap();
        assert_eq!(code, Some(2), "{line:?}");
    }
}
