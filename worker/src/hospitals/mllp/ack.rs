//! The answer to a message: ACK, reduced to codes.

use crate::hospitals::answer::{CallError, Taken};

/// Of more than so many errors the first are told.
const ERRORS: usize = 5;

/// HL7 table 0357: what can be wrong with a message.
const CONDITIONS: [&str; 13] =
    ["0", "100", "101", "102", "103", "200", "201", "202", "203", "204", "205", "206", "207"];

/// Segments that a message of ours has.
const SEGMENTS: [&str; 4] = ["MSH", "PID", "OBR", "OBX"];

/// What an ACK says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ack {
    /// MSA-1.
    code: Code,
    /// MSA-2: the MSH-10 of the message that it answers.
    pub message: String,
    /// Condition and place of each error.
    errors: Vec<String>,
}

/// HL7 table 0008. The codes with C say that the message was accepted, or not, before anybody looked into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Aa,
    Ae,
    Ar,
    Ca,
    Ce,
    Cr,
}

impl Code {
    const ALL: [(&'static str, Self); 6] = [
        ("AA", Self::Aa),
        ("AE", Self::Ae),
        ("AR", Self::Ar),
        ("CA", Self::Ca),
        ("CE", Self::Ce),
        ("CR", Self::Cr),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, code)| *code == self).map_or("", |(word, _)| *word)
    }
}

impl Ack {
    /// What it means for the message.
    pub(super) fn verdict(&self) -> Result<Taken, CallError> {
        let note =
            self.errors.iter().fold(self.code.as_str().to_owned(), |note, error| format!("{note} {error}"));
        match self.code {
            Code::Aa | Code::Ca => Ok(Taken { note }),
            Code::Ae | Code::Ce => Err(CallError::Busy { retry_after: None, note }),
            Code::Ar | Code::Cr => Err(CallError::Refused { note }),
        }
    }

    /// Whether no second answer may follow on this connection.
    pub(super) fn leaves_nothing_open(&self) -> bool {
        matches!(self.code, Code::Aa | Code::Ae | Code::Ar)
    }
}

/// Reads an ACK; `None` if it is none.
pub(super) fn read(message: &[u8]) -> Option<Ack> {
    let message = String::from_utf8_lossy(message);
    let mut delimiters = message.strip_prefix("MSH")?.chars();
    let (field, component) = (delimiters.next()?, delimiters.next()?);
    let segments = || message.split(['\r', '\n']).map(|segment| segment.split(field).collect::<Vec<_>>());
    let named = |name: &'static str| segments().filter(move |segment| segment.first() == Some(&name));
    let msa = named("MSA").next()?;
    let code = *msa.get(1)?;
    let code = Code::ALL.iter().find(|(word, _)| *word == code)?.1;
    let errors = named("ERR").map(|err| error(&err, component)).filter(|told| !told.is_empty());
    Some(Ack { code, message: (*msa.get(2)?).to_owned(), errors: errors.take(ERRORS).collect() })
}

/// ERR-3, the condition, and ERR-2, the place: `101 PID-5`. Free text (ERR-7, ERR-8, MSA-3) is not looked at.
fn error(err: &[&str], component: char) -> String {
    let parts = |at: usize| err.get(at).copied().unwrap_or_default().split(component).collect::<Vec<_>>();
    let condition = parts(3).first().copied().unwrap_or_default();
    let condition = CONDITIONS.iter().find(|known| **known == condition);
    let place = parts(2);
    let number = |at: usize| place.get(at).filter(|text| text.len() < 4 && text.parse::<u16>().is_ok());
    let segment = place.first().filter(|segment| SEGMENTS.contains(segment));
    let place = segment.map(|segment| match (number(1), number(2)) {
        (Some(sequence), Some(field)) => format!("{segment}[{sequence}]-{field}"),
        (_, Some(field)) => format!("{segment}-{field}"),
        _ => (*segment).to_owned(),
    });
    [condition.map(|condition| (*condition).to_owned()), place]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(rest: &str) -> Option<Ack> {
        read(
            format!(
                "MSH|^~\\&|HIS|H001|EPRO-RELAY|ONC-301|20261123200400+0800||ACK^R01^ACK|77|P|2.5.1\r{rest}"
            )
            .as_bytes(),
        )
    }

    #[test]
    fn the_code_decides_and_the_message_is_named() {
        let taken = ack("MSA|AA|04HMASW9NF6YY0930001\r").unwrap();
        assert_eq!(taken.message, "04HMASW9NF6YY0930001");
        assert_eq!(taken.verdict(), Ok(Taken { note: "AA".to_owned() }));
        assert!(taken.leaves_nothing_open());
        let busy = ack("MSA|AE|1|Marta Planted is locked\r").unwrap();
        assert_eq!(busy.verdict(), Err(CallError::Busy { retry_after: None, note: "AE".to_owned() }));
        let refused =
            ack("MSA|AR|1\rERR||PID^1^5|101^Required field missing^HL70357|E||||Marta Planted\r").unwrap();
        assert_eq!(refused.verdict(), Err(CallError::Refused { note: "AR 101 PID[1]-5".to_owned() }));
        let committed = ack("MSA|CA|1\r").unwrap();
        assert!(committed.verdict().is_ok() && !committed.leaves_nothing_open());
    }

    #[test]
    fn no_word_of_theirs_is_kept() {
        let told = ack("MSA|AE|1|Marta^Planted|||Marta\rERR|Marta|Marta^Planted^7|Marta^Planted|E|||Marta|Marta\rERR||OBX^Marta^5|207^Marta\r").unwrap();
        assert_eq!(told.errors, ["207 OBX-5"]);
    }

    #[test]
    fn other_delimiters_and_line_ends_are_understood() {
        let told = read(b"MSH#*~\\&#HIS\r\nMSA#AR#9\r\nERR##PID*1*3#204*Unknown key\r\n").unwrap();
        assert_eq!((told.message.as_str(), told.errors), ("9", vec!["204 PID[1]-3".to_owned()]));
    }

    #[test]
    fn what_is_no_ack_is_none() {
        for text in ["", "MSH", "MSH|^~\\&|\r", "HTTP/1.1 400\r\n"] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        for rest in ["", "MSA\r", "MSA|AA\r", "MSA|OK|1\r", "XMSA|AA|1\r"] {
            assert_eq!(ack(rest), None, "{rest}");
        }
    }
}
