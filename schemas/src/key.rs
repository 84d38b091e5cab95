//! Key material.

use std::fmt;

use zeroize::Zeroizing;

/// 32 secret bytes, wiped when dropped.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

/// A key file that doesn't hold 32 bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is 32 bytes in base64 (44 characters, made by `openssl rand -base64 32`)")]
pub struct NotAKey;

impl SecretKey {
    /// A key from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key from standard base64 with padding; white space around it is allowed.
    ///
    /// # Errors
    /// [`NotAKey`] if it isn't base64 of exactly 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, NotAKey> {
        let text = text.trim().as_bytes();
        if text.len() != 44 || !text.ends_with(b"=") || text.ends_with(b"==") {
            return Err(NotAKey);
        }
        let mut bytes = Zeroizing::new([0_u8; 33]);
        for (four, three) in text.chunks_exact(4).zip(bytes.chunks_exact_mut(3)) {
            let mut word = 0_u32;
            for &symbol in four {
                word = word << 6 | u32::from(sextet(symbol)?);
            }
            three.copy_from_slice(&word.to_be_bytes()[1..]);
        }
        // The padding stands for a 33rd byte; bits left over there are a typo.
        let (key, rest) = bytes.split_first_chunk::<32>().ok_or(NotAKey)?;
        if rest != [0] { Err(NotAKey) } else { Ok(Self::new(*key)) }
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The six bits of a symbol. Padding counts as zero bits; where it may stand
/// was checked before.
fn sextet(symbol: u8) -> Result<u8, NotAKey> {
    match symbol {
        b'A'..=b'Z' => Ok(symbol - b'A'),
        b'a'..=b'z' => Ok(symbol - b'a' + 26),
        b'0'..=b'9' => Ok(symbol - b'0' + 52),
        b'+' => Ok(62),
        b'/' => Ok(63),
        b'=' => Ok(0),
        _ => Err(NotAKey),
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::SecretKey;

    #[test]
    fn a_key_file_is_read_as_base64_of_32_bytes() {
        // printf of the bytes 0..=31 through `base64`
        let key = SecretKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
        let expected: Vec<u8> = (0..32).collect();
        assert_eq!(key.expose().as_slice(), expected);
        assert_eq!(format!("{key:?}"), "[key]");
    }

    #[test]
    fn anything_else_is_not_a_key() {
        for text in [
            "",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ==",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
            "AAEC=wQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH-8=",
        ] {
            assert!(SecretKey::from_base64(text).is_err(), "{text}");
        }
    }
}
