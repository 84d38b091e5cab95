//! MLLP: a message between 0x0B and 0x1C 0x0D.

/// Begins a message.
pub(super) const START: u8 = 0x0b;
/// Ends it, together with a carriage return.
pub(super) const END: [u8; 2] = [0x1c, 0x0d];

/// A message in its frame.
pub(super) fn around(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len() + 3);
    frame.push(START);
    frame.extend_from_slice(message);
    frame.extend_from_slice(&END);
    frame
}

/// What the bytes received so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A whole message, of the bytes from 1 on.
    Whole {
        /// Where it ends.
        end: usize,
        /// Nothing comes after it.
        alone: bool,
    },
    /// The beginning of one.
    Part,
    /// Nothing that begins and ends as a frame does.
    Foreign,
}

/// Looks at everything received for one message.
pub(super) fn look(bytes: &[u8]) -> Received {
    match bytes.split_first() {
        None => Received::Part,
        Some((&START, rest)) => match rest.iter().position(|byte| *byte == END[0]) {
            None => Received::Part,
            Some(at) => match rest.get(at + 1..) {
                Some([]) | None => Received::Part,
                Some([0x0d, rest @ ..]) => Received::Whole { end: at + 1, alone: rest.is_empty() },
                Some(_) => Received::Foreign,
            },
        },
        Some(_) => Received::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_only_with_both_bytes_of_its_end() {
        let frame = around(b"MSH|");
        assert_eq!(frame, b"\x0bMSH|\x1c\r");
        assert_eq!(look(&frame), Received::Whole { end: 5, alone: true });
        for part in 0..frame.len() {
            assert_eq!(look(&frame[..part]), Received::Part, "{part}");
        }
        assert_eq!(look(b"\x0bMSH|\x1c\r\x0b"), Received::Whole { end: 5, alone: false });
        for foreign in [&b"HTTP/1.1 400 Bad Request"[..], b"\x0bMSH|\x1c\x1c"] {
            assert_eq!(look(foreign), Received::Foreign);
        }
    }
}
