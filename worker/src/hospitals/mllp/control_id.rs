//! MSH-10: which message this is.

use uuid::Uuid;

/// Crockford's base 32: no I, L, O, U, which people misread.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 20 characters, as many as MSH-10 holds: 16 for the first 80 bits of the delivery's id, 4 for its generation.
/// The same for every try; a redrive has another, since a receiver may answer a known one from memory.
pub(super) fn of(id: Uuid, generation: i32) -> String {
    let id = id.as_u128() >> 48;
    let generation = u128::from(generation.unsigned_abs());
    let digit = |bits: u128| char::from(DIGITS.get((bits & 31) as usize).copied().unwrap_or(b'0'));
    let id = (0..16).rev().map(|place| digit(id >> (5 * place)));
    let generation = (0..4).rev().map(|place| digit(generation >> (5 * place)));
    id.chain(generation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_20_characters_and_differs_by_id_and_generation_only() {
        let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        // 0x0123456789abcdef0123 in base 32, by hand: python3's divmod and the alphabet above.
        assert_eq!(of(id, 1), "04HMASW9NF6YY0930001");
        assert_eq!(of(id, 33), "04HMASW9NF6YY0930011");
        assert_ne!(of(Uuid::from_u128(1 << 48), 1), of(Uuid::nil(), 1));
    }
}
