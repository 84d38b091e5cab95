//! A configuration that is wrong, and one that is right.

use std::process::Command;

use anyhow::Result;
use epro_proving::service::binary;

#[test]
fn a_wrong_configuration_ends_with_64_and_every_problem_at_once() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("epro-api-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("config.yaml");
    std::fs::write(folder.join("short"), "s3cret")?;
    std::fs::write(
        &path,
        "broker: { url: 'amqp://u:s3cret@rabbit.example/v' }\n\
         colour: red\n\
         keys: { seal: { current: k1, files: { k1: short } } }\n\
         auth: { issuer: i, audience: a, keys: [ { kid: a, algorithm: HS256, file: short }, \
                 { kid: b, algorithm: EdDSA, file: nowhere } ] }\n",
    )?;
    let ran = Command::new(binary("epro-producer-api")?)
        .arg("--config")
        .arg(&path)
        .env("EPRO__INTAKE__OUTSTANDING", "lots")
        .output()?;
    std::fs::remove_dir_all(&folder)?;
    let told = String::from_utf8_lossy(&ran.stderr).into_owned() + &String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(64), "{told}");
    for place in [
        "broker.url",
        "postgres.url",
        "colour",
        "intake.outstanding",
        "keys.seal.files.k1",
        "keys.pseudonym",
        "auth.keys[0].file",
        "auth.keys[1].file",
        "studies",
        "sites",
    ] {
        assert!(
            told.lines().any(|line| line.trim_start().starts_with(&format!("{place}: "))),
            "{place}: {told}"
        );
    }
    assert!(!told.contains("s3cret"), "{told}");
    Ok(())
}

#[test]
fn a_door_that_may_not_open_as_many_files_as_it_takes_connections_is_refused() -> Result<()> {
    let told = |limit: u32| -> Result<String> {
        let ran = Command::new("sh")
            .args(["-c", "ulimit -n $1; exec \"$0\" --config /dev/null"])
            .arg(binary("epro-producer-api")?)
            .arg(limit.to_string())
            .env("EPRO__INTAKE__CONNECTIONS", "500")
            .output()?;
        let told = String::from_utf8_lossy(&ran.stderr).into_owned() + &String::from_utf8_lossy(&ran.stdout);
        assert_eq!(ran.status.code(), Some(64), "{told}");
        Ok(told)
    };
    let rule = "intake.connections: with 256 files";
    assert!(told(755)?.contains(rule), "500 and 256 are one more");
    assert!(!told(756)?.contains(rule));
    Ok(())
}
