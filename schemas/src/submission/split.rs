//! A batch into its items.

use crate::violation::Violation;

/// Splits the body of a batch, a JSON array or one item a line (NDJSON), into
/// the bytes of its items, untouched but for white space around them, and in
/// order. The items are not looked into: each is parsed, and refused, on its own.
///
/// # Errors
/// One [`Violation`] if the body is no batch, is empty, or has more than `most` items.
pub fn split(body: &[u8], most: usize) -> Result<Vec<&[u8]>, Violation> {
    let body = body.trim_ascii();
    let items = match body.strip_prefix(b"[") {
        Some(rest) => elements(rest, most, b']')?,
        None => body
            .split(|&b| b == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .take(most.saturating_add(1))
            .collect(),
    };
    match items.len() {
        0 => Err(Violation::new("", "must hold at least one item")),
        n if n > most => Err(Violation::new("", format!("must hold at most {most} items"))),
        _ => Ok(items),
    }
}

/// The elements of an array, or the members of an object, from behind its first bracket up to `close`. Brackets and
/// strings tell where one ends; whether it is JSON is not decided here.
pub(crate) fn elements(body: &[u8], most: usize, close: u8) -> Result<Vec<&[u8]>, Violation> {
    let mut items = Vec::new();
    let (mut start, mut depth, mut at) = (0, 0_usize, 0);
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => at = end_of_string(body, at),
            b'{' | b'[' => depth += 1,
            byte if depth == 0 && (byte == b',' || byte == close) => {
                let item = body.get(start..at).unwrap_or_default().trim_ascii();
                let last = byte == close;
                match (item.is_empty(), last && items.is_empty()) {
                    (true, true) => {}
                    (true, false) => return Err(Violation::new("", "must not have an empty item")),
                    (false, _) => items.push(item),
                }
                if last {
                    return if at + 1 == body.len() {
                        Ok(items)
                    } else {
                        Err(Violation::new("", "must end with its array"))
                    };
                }
                if items.len() > most {
                    return Ok(items);
                }
                start = at + 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Err(Violation::new("", "must close its array"))
}

/// Where the string that begins at `start` has its last quote, or the end.
pub(crate) fn end_of_string(body: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match body.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') | None => return at,
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    fn items(body: &str) -> Result<Vec<&str>, String> {
        match split(body.as_bytes(), 3) {
            Ok(items) => Ok(items.into_iter().map(|item| std::str::from_utf8(item).unwrap()).collect()),
            Err(violation) => Err(violation.rule),
        }
    }

    #[test]
    fn an_array_or_lines_are_split_into_untouched_items() {
        assert_eq!(
            items(" [ {\"a\": [1,2]} ,{\"b\":\"],}\\\"\"}]\n"),
            Ok(vec!["{\"a\": [1,2]}", "{\"b\":\"],}\\\"\"}"])
        );
        assert_eq!(items("{\"a\":1}\r\n\n {\"b\": 2}\n"), Ok(vec!["{\"a\":1}", "{\"b\": 2}"]));
    }

    #[test]
    fn a_broken_item_is_left_for_its_own_verdict() {
        assert_eq!(items("[{\"a\":},nonsense,{}]"), Ok(vec!["{\"a\":}", "nonsense", "{}"]));
        assert_eq!(items("{\"a\":\nnonsense"), Ok(vec!["{\"a\":", "nonsense"]));
    }

    #[test]
    fn a_body_that_is_no_batch_is_refused_as_a_whole() {
        for body in [
            "",
            " ",
            "[]",
            "[ ]",
            "[{}",
            "[{},]",
            "[,{}]",
            "[{}] {}",
            "[\"",
            "[\"\\",
            "[{},{},{},{}]",
            "1\n2\n3\n4",
        ] {
            assert!(items(body).is_err(), "{body}");
        }
    }
}
