//! What stands in a mail, whatever its words are written in for the way.

use epro_proving::sample::from_base64;

/// A mail as it is read: its head with lines joined and words decoded, its text out of its transfer encoding.
pub(super) fn decoded(mail: &[u8]) -> Vec<u8> {
    let mail = String::from_utf8_lossy(mail).replace("\r\n..", "\r\n.");
    let (head, text) = mail.split_once("\r\n\r\n").unwrap_or((&mail, ""));
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let mut decoded = words(&head).into_bytes();
    decoded.extend(b"\r\n\r\n");
    let encoding = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-transfer-encoding").then(|| value.trim().to_ascii_lowercase())
    });
    decoded.extend(match encoding.as_deref() {
        Some("base64") => from_base64(&lines_joined(text)).expect("Base64"),
        Some("quoted-printable") => quoted_printable(text),
        _ => text.as_bytes().to_vec(),
    });
    decoded
}

/// Without line ends, and without the dot that ends a mail.
fn lines_joined(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace() && *char != '.').collect()
}

/// The head with each of its `=?charset?encoding?…?=` decoded; one directly behind another goes on with it.
fn words(head: &str) -> String {
    let head = head.replace("?= =?", "?==?");
    let (mut read, mut rest) = (String::new(), head.as_str());
    while let Some((before, from)) = rest.split_once("=?") {
        let mut parts = from.splitn(3, '?');
        let (Some(_), Some(encoding), Some(behind)) = (parts.next(), parts.next(), parts.next()) else {
            break;
        };
        let Some((word, after)) = behind.split_once("?=") else { break };
        read.push_str(before);
        let bytes = match encoding {
            "b" | "B" => from_base64(word).expect("Base64"),
            _ => quoted_printable(&word.replace('_', " ")),
        };
        read.push_str(&String::from_utf8_lossy(&bytes));
        rest = after;
    }
    read + rest
}

/// The bytes of RFC 2045, 6.7: `=` and two digits are one, `=` at a line's end is none.
fn quoted_printable(text: &str) -> Vec<u8> {
    let text = text.replace("=\r\n", "");
    let mut parts = text.split('=');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(&part.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'=');
                bytes.extend(part.as_bytes());
            }
        }
    }
    bytes
}

#[test]
fn a_mail_is_read_in_every_transfer_encoding() {
    let text = "Márta Quillonová-Ängström\r\nat home";
    let base64 = epro_proving::sample::base64(text.as_bytes());
    for mail in [
        format!("To: a@b.example\r\n\r\n{text}\r\n.\r\n"),
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n\
         M=C3=A1rta Quillonov=C3=A1-=C3=84ngs=\r\ntr=C3=B6m\r\nat home\r\n.\r\n"
            .to_owned(),
        format!("content-transfer-encoding: base64\r\n\r\n{}\r\n{}\r\n.\r\n", &base64[..20], &base64[20..]),
    ] {
        let read = String::from_utf8(decoded(mail.as_bytes())).unwrap();
        assert!(read.contains(text), "{mail}: {read}");
    }
    let mail = "Subject: =?utf-8?Q?M=C3=A1rta_?=\r\n =?utf-8?b?UXVpbGxvbg==?= at H004\r\n\r\n";
    assert_eq!(decoded(mail.as_bytes()), "Subject: Márta Quillon at H004\r\n\r\n".as_bytes());
}
