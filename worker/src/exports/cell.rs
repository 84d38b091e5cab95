//! Cells of CSV: RFC 4180, and nothing that a spreadsheet takes for a formula.

/// What makes a spreadsheet compute.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// Writes a text. One that would be a formula gets an apostrophe before it, as spreadsheets write it themselves.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    let formula = text.starts_with(FORMULA);
    if !formula && !text.contains([',', '"', '\n', '\r']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    for (at, piece) in text.split('"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(piece.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    fn written(text: &str) -> String {
        let mut out = Vec::new();
        super::text(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_is_quoted_where_rfc_4180_wants_it() {
        for (text, cell) in [
            ("", ""),
            ("LA6569-3", "LA6569-3"),
            ("müde, sehr", "\"müde, sehr\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("it's", "it's"),
        ] {
            assert_eq!(written(text), cell);
        }
    }

    #[test]
    fn nothing_that_a_patient_writes_is_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "\n=1", "=HYPERLINK(\"http://x\",\"y\")"] {
            let cell = written(formula);
            assert!(cell.starts_with("\"'"), "{cell}");
            assert!(cell.ends_with('"'), "{cell}");
        }
    }
}
