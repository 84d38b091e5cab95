//! Key material.

use std::fmt;

use zeroize::{ZeroizeOnDrop, Zeroizing};

/// 32 secret bytes, wiped when dropped.
#[derive(Clone, ZeroizeOnDrop)]
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
        let symbols = text.trim().strip_suffix('=').filter(|symbols| symbols.len() == 43).ok_or(NotAKey)?;
        let mut bytes = Zeroizing::new([0_u8; 33]);
        for (four, three) in symbols.as_bytes().chunks(4).zip(bytes.chunks_exact_mut(3)) {
            let mut word = 0_u32;
            for n in 0..4 {
                word = word << 6 | four.get(n).map_or(Ok(0), |symbol| sextet(*symbol))?;
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

/// The six bits of a symbol.
fn sextet(symbol: u8) -> Result<u32, NotAKey> {
    let bits = match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return Err(NotAKey),
    };
    Ok(u32::from(bits))
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
