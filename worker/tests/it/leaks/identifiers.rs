//! Identifiers of all 18 classes of HIPAA's Safe Harbor (45 CFR 164.514(b)(2)), each in several spellings, as patients
//! write them into a diary.

use super::marks::{Marks, is_unlikely};

const CLASSES: [(&str, &[&str]); 18] = [
    (
        "name",
        &[
            "Márta Quillonová-Ängström",
            "QUILLONOVA, MARTA A.",
            "martha.quillonova",
            "クイロン まるた",
            "Weißquillon, İpek Işıl",
        ],
    ),
    (
        "geography",
        &[
            "4711 Quillon Lane, Apt. 9Z",
            "ZIP 05983-0612",
            "Quillonville, Chittenden County",
            "44.4759N 73.2121W",
        ],
    ),
    (
        "date",
        &[
            "14 March 1931",
            "03/14/1931",
            "1931-03-14",
            "vierzehnter März 31",
            "93 years old",
            "age: ninety-three",
        ],
    ),
    ("telephone", &["+1 (802) 555-0147", "802.555.0147", "tel:+18025550147", "phone +1802 5550147"]),
    ("fax", &["Fax 802-555-0199", "fax:+18025550199"]),
    (
        "e-mail",
        &["marta.q+diary@quillon.example", "marta.q (at) quillon dot example", "MARTA.Q@QUILLON.EXAMPLE"],
    ),
    ("social security number", &["078-05-1120", "SSN 078051120", "078 05 1120", "078051120"]),
    ("medical record number", &["MRN-00471193", "MRN: 0047 1193"]),
    ("health plan", &["H1234-567-890Q", "Medicare 1EG4-TE5-MK73", "1EG4TE5MK73"]),
    ("account", &["GB29 NWBK 6016 1331 9268 19", "GB29NWBK60161331926819", "4111-1111-1111-1234"]),
    ("certificate or licence", &["driver's licence VT 0047-1193-Q", "RN License 47Q-11-93"]),
    ("vehicle", &["1HGCM82633A004352", "plate QLN-4711"]),
    ("device", &["pacemaker SN PJN471193Q", "IMEI 490154203237518", "00:1B:44:11:3A:B7", "001B44113AB7"]),
    ("URL", &["https://quillon.example/~marta?id=471193", "quillon.example/marta"]),
    ("IP address", &["203.0.113.147", "2001:db8:4711:93::42", "203[.]0[.]113[.]147"]),
    ("biometric", &["fingerprint:9f86d081884c7d659a2feaa0", "voiceprint VX-471193-Q", "9f86d081884c7d65"]),
    ("photograph", &["data:image/jpeg;base64,/9j/4AAQSkZJRgQuillon", "IMG_20310314_marta_face.jpg"]),
    ("any other", &["study card QX-4711-93-Z", "patient portal user quillon4711"]),
];

/// Some of them as numbers, as an item would take them that takes any.
const NUMBERS: [(&str, u64); 3] = [
    ("telephone", 8_025_550_147),
    ("social security number", 78_051_120),
    ("medical record number", 100_471_193),
];
/// An age that Safe Harbor tells nobody. Too short to be searched for.
pub(super) const AGE: u64 = 93;

/// Those that are numbers, planted.
pub(super) fn numbers(marks: &mut Marks) -> [(&'static str, u64); 3] {
    for (class, number) in NUMBERS {
        marks.plant(&format!("{class} as a number"), &number.to_string());
    }
    NUMBERS
}

/// Each class with all of its spellings, planted. The first one is what a patient may be called by.
pub(crate) fn classes(marks: &mut Marks) -> [(&'static str, &'static [&'static str]); 18] {
    for (class, spellings) in CLASSES {
        for spelling in spellings {
            marks.plant(&format!("{class} ({spelling})"), spelling);
        }
    }
    CLASSES
}

/// Plants all of them; the text that a patient wrote.
pub(crate) fn plant(marks: &mut Marks) -> String {
    let mut text = String::from("I am");
    for (_, spellings) in classes(marks) {
        for spelling in spellings {
            text.push_str("; ");
            text.push_str(spelling);
        }
    }
    text
}

#[test]
fn few_of_them_may_be_a_part_of_an_id_by_chance() {
    let mut marks = Marks::default();
    classes(&mut marks);
    let likely = marks.all().map(|(_, spelling)| spelling).filter(|spelling| !is_unlikely(spelling));
    assert_eq!(likely.collect::<Vec<_>>(), ["078051120", "001B44113AB7", "9f86d081884c7d65"]);
}
