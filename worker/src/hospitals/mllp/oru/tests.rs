//! Against messages written by hand after HL7 v2.5.1, chapters 2, 3 and 7.

use epro_process::config::{Charset, MllpConfig, Party, ProcessingId};
use serde_json::json;

use super::message;
use crate::hospitals::document::sample::Sample;

fn config() -> MllpConfig {
    MllpConfig {
        host: "his.example".to_owned(),
        port: 2575,
        tls: None,
        sending: Party { application: "EPRO-RELAY".to_owned(), facility: "ONC-301".to_owned() },
        receiving: Party { application: "HIS".to_owned(), facility: "H001".to_owned() },
        processing_id: ProcessingId::Production,
        charset: Charset::Utf8,
    }
}

fn segments(sample: &Sample) -> Vec<String> {
    let message = message(&sample.document(), &config(), "DW51PB1X9T7N18DJ0001");
    assert!(message.ends_with('\r'), "each segment ends, the last one too");
    message.trim_end_matches('\r').split('\r').map(str::to_owned).collect()
}

#[test]
fn a_phq_9_is_a_panel_with_its_answers_and_its_total() {
    let sample = Sample::phq9(&[2, 2, 2, 2, 1, 1, 2, 0, 0], false);
    let found = segments(&sample);
    assert_eq!(
        found[..5],
        [
            r"MSH|^~\&|EPRO-RELAY|ONC-301|HIS|H001|20261123120313+0000||ORU^R01^ORU_R01|DW51PB1X9T7N18DJ0001|P|2.5.1||||||UNICODE UTF-8",
            "PID|1||P-0001^^^ONC-301^PI||^^^^^^S",
            r"OBR|1||6f0a1b2c3d4e8f50a1b2c3d4e5f60718^EPRO-RELAY|44249-1^Patient Health Questionnaire (PHQ-9)^LN^phq-9\F\1.0^^L|||20261123200311+0800|||||||||||||||20261123120313+0000|||F",
            "OBX|1|CWE|44250-9^Little interest or pleasure in doing things^LN||LA6570-1^More than half the days^LN||||||F|||20261123200311+0800",
            "OBX|2|CWE|44255-8^Feeling down, depressed, or hopeless^LN||LA6570-1^More than half the days^LN||||||F|||20261123200311+0800",
        ]
    );
    assert_eq!(found.len(), 3 + 9 + 1, "the difficulty was not answered");
    assert_eq!(found[12], "OBX|10|NM|44261-6^total^LN||12|{score}^^UCUM|||||F|||20261123200311+0800");
}

#[test]
fn a_correction_says_so_and_takes_back_what_is_no_longer_answered() {
    let found = segments(&Sample::phq9(&[1, 0], true));
    assert_eq!(
        found[2],
        r"OBR|1||00112233445586778899aabbccddeeff^EPRO-RELAY|44249-1^Patient Health Questionnaire (PHQ-9)^LN^phq-9\F\1.0^^L|||20261123200311+0800|||||||||||||||20261123120313+0000|||C"
    );
    assert!(found[3].contains("LA6569-3") && found[3].contains("||||||C|||"), "{}", found[3]);
    assert_eq!(
        found[5],
        "OBX|3||44259-0^Trouble falling or staying asleep, or sleeping too much^LN||||||||X|||20261123200311+0800"
    );
    assert_eq!(found[13], "OBX|11||44261-6^total^LN||||||||X|||20261123200311+0800");
}

#[test]
fn an_amendment_of_what_the_hospital_never_had_comes_as_final() {
    let mut sample = Sample::phq9(&[2, 2, 2, 2, 1, 1, 2, 0, 0], true);
    sample.correction = false;
    let found = segments(&sample);
    assert!(
        found[2].ends_with("|||F") && found[2].contains("00112233445586778899aabbccddeeff"),
        "{}",
        found[2]
    );
    assert!(found[3].contains("||||||F|||"), "{}", found[3]);
}

#[test]
fn every_kind_of_answer_has_its_type_and_its_escapes() {
    let answers = json!({
        "72514-3": 7, "slept": false, "temperature": 38.5, "note": "a|b^c&d~e\\f\nŁzy 😢",
        "symptoms": ["422587007", "25064002"],
    });
    let mut sample = Sample::of("diary|2", &answers, false);
    sample.subject = "P|1&2".to_owned();
    let found = segments(&sample);
    assert_eq!(
        found[1..],
        [
            r"PID|1||P\F\1\T\2^^^ONC-301^PI||^^^^^^S",
            r"OBR|1||6f0a1b2c3d4e8f50a1b2c3d4e5f60718^EPRO-RELAY|diary\F\2^Diary \T\ more^L|||20261123200311+0800|||||||||||||||20261123120313+0000|||F",
            r"OBX|1|FT|note^What else?^L||a\F\b\S\c\T\d\R\e\E\f\.br\Łzy 😢||||||F|||20261123200311+0800",
            r"OBX|2|CWE|symptoms^^L||25064002^Headache \F\ head^SCT~422587007^Nausea^SCT||||||F|||20261123200311+0800",
            "OBX|3|NM|temperature^^L||38.5||||||F|||20261123200311+0800",
            "OBX|4|CWE|slept^^L||N^No^HL70136||||||F|||20261123200311+0800",
            "OBX|5|NM|72514-3^^LN||7||||||F|||20261123200311+0800",
            "OBX|6|NM|pain^^L||7|{score}^^UCUM|||||F|||20261123200311+0800",
        ]
    );
}

#[test]
fn the_documented_message_is_ours() {
    let documented = include_str!("../../../../../docs/HOSPITALS.md");
    let found = segments(&Sample::phq9(&[2, 2, 2, 2, 1, 1, 2, 0, 0], false));
    let lines = documented
        .lines()
        .filter(|line| ["MSH|", "PID|", "OBR|", "OBX|"].iter().any(|name| line.starts_with(name)));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| found.iter().any(|segment| segment == line)), "{lines:#?}");
    let sample = Sample::phq9(&[0], false);
    assert_eq!(super::super::control_id::of(sample.document().id, 1), "DW51PB1X9T7N18DJ0001");
}
