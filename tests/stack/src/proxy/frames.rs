//! Where messages begin in a stream of Postgres's protocol: a byte that says which, four that say how long, the rest.

/// Follows one direction of one connection, however it is cut into pieces.
#[derive(Debug, Default)]
pub struct Frames {
    /// Bytes of the message under way that are still to come, once its length is known.
    rest: usize,
    /// What there is of the head that has begun.
    head: Vec<u8>,
    /// The first message a client sends has no type.
    untyped: bool,
}

const LENGTH_BYTES: usize = 4;

impl Frames {
    /// A client's direction.
    pub fn after_the_first() -> Self {
        Self { untyped: true, ..Self::default() }
    }

    /// Whether a message of one of these types has begun in this piece.
    pub fn begins_one_of(&mut self, mut piece: &[u8], types: &[u8]) -> bool {
        let mut found = false;
        while !piece.is_empty() {
            if self.rest > 0 {
                let passed = self.rest.min(piece.len());
                self.rest -= passed;
                piece = &piece[passed..];
                continue;
            }
            let wanted = LENGTH_BYTES + usize::from(!self.untyped);
            let taken = (wanted - self.head.len()).min(piece.len());
            self.head.extend_from_slice(&piece[..taken]);
            piece = &piece[taken..];
            if self.head.len() == wanted {
                let (kind, length) = self.head.split_at(wanted - LENGTH_BYTES);
                found |= kind.first().is_some_and(|kind| types.contains(kind));
                let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
                self.rest = length.saturating_sub(LENGTH_BYTES);
                self.head.clear();
                self.untyped = false;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::Frames;

    fn message(kind: &[u8], body: usize) -> Vec<u8> {
        let length = u32::try_from(body + 4).unwrap().to_be_bytes();
        [kind, &length, &vec![b'C'; body]].concat()
    }

    #[test]
    fn a_message_is_found_however_the_stream_is_cut_and_never_inside_another() {
        let stream =
            [message(b"", 9), message(b"P", 300), message(b"E", 5), message(b"S", 0), message(b"E", 0)].concat();
        for size in [1, 2, 3, 7, 64, 1_000] {
            let mut frames = Frames::after_the_first();
            let found = stream.chunks(size).filter(|piece| frames.begins_one_of(piece, b"E")).count();
            assert_eq!(found, if size < 10 { 2 } else { 1 }, "{size}");
            let mut frames = Frames::after_the_first();
            assert!(!stream.chunks(size).any(|piece| frames.begins_one_of(piece, b"C")), "{size}");
        }
    }
}
