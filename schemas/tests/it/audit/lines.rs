//! A line of a copy, read where it stands.

use epro_schemas::audit::event::Line;

use super::{A, chain};

#[test]
fn a_line_says_the_same_whether_its_texts_stand_there_plain_or_with_escapes() {
    let mut event = chain(A, 1).remove(0);
    event.actor = "operator:\"ann\" \\ Å".into();
    event.hash = event.hashed();
    let plain = serde_json::to_string(&event).unwrap();
    let escaped = plain.replace('Å', "\\u00c5").replace("diary", "\\u0064iary");
    assert_ne!(plain, escaped);
    for line in [plain, escaped] {
        let line: Line<'_> = serde_json::from_str(&line).unwrap();
        assert_eq!((line.hashed(), &*line.actor), (event.hash, event.actor.as_str()));
    }
}

#[test]
fn what_is_no_event_is_no_line() {
    let line = serde_json::to_string(&chain(A, 1)[0]).unwrap();
    let hash = "07".repeat(32);
    assert!(line.contains(&hash));
    for (what, changed) in [
        ("a digit that is none", line.replacen(&hash, &"0g".repeat(32), 1)),
        ("a hash too short", line.replacen(&hash, &"07".repeat(31), 1)),
        ("a hash too long", line.replacen(&hash, &"07".repeat(33), 1)),
        ("half a byte", line.replacen(&hash, &hash[1..], 1)),
        ("a number for a hash", line.replacen(&format!("\"{hash}\""), "7", 1)),
        ("a field of somebody else's", line.replacen('{', "{\"more\":1,", 1)),
        ("an end too soon", line[..line.len() - 1].to_owned()),
    ] {
        assert!(serde_json::from_str::<Line<'_>>(&changed).is_err(), "{what}");
    }
    let own = chain(A, 1)[0].hash.to_string();
    assert!(serde_json::from_str::<Line<'_>>(&line.replace(&own, &own.to_uppercase())).is_ok());
}
