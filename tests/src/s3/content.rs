//! An object's bytes, in the pieces in which they came, never copied to be sent.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use s3s::{
    StdError,
    crypto::{Checksum as _, Md5},
    stream::{ByteStream, RemainingLength},
};
use std::{
    collections::VecDeque,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

/// Bytes in pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pieces: Vec<Bytes>,
    len: u64,
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self {
            len: bytes.len() as u64,
            pieces: vec![bytes],
        }
    }
}

impl Content {
    /// Reads a body to its end, into one piece: pieces of the size of a read would each keep their
    /// whole buffer alive.
    pub(super) async fn read(
        mut body: impl Stream<Item = Result<Bytes, StdError>> + Unpin,
        expected: usize,
    ) -> Result<Self, StdError> {
        let mut bytes = Vec::with_capacity(expected);
        while let Some(data) = body.next().await {
            bytes.extend_from_slice(&data?);
        }
        Ok(Bytes::from(bytes).into())
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Appends what another has, without copying.
    pub(super) fn append(&mut self, other: &Self) {
        self.pieces.extend_from_slice(&other.pieces);
        self.len += other.len;
    }

    pub(super) fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// All bytes in one piece.
    pub(super) fn to_bytes(&self) -> Bytes {
        match &self.pieces[..] {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }

    /// The stream of the bytes in `range`, which lies inside.
    pub(super) fn stream(&self, range: Range<u64>) -> Pieces {
        let mut pieces = VecDeque::new();
        let mut start = 0;
        for piece in &self.pieces {
            let end = start + piece.len() as u64;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                pieces.push_back(piece.slice(index(from - start)..index(to - start)));
            }
            start = end;
        }
        Pieces {
            pieces,
            left: index(range.end - range.start),
        }
    }

    pub(super) fn md5(&self) -> [u8; 16] {
        let mut hasher = Md5::new();
        for piece in &self.pieces {
            hasher.update(piece);
        }
        hasher.finalize()
    }
}

/// Offsets inside bytes that are in memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// A stream of pieces whose length is known.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: VecDeque<Bytes>,
    left: usize,
}

impl Stream for Pieces {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(Ok))
    }
}

impl ByteStream for Pieces {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_range_spans_pieces() {
        let mut content = Content::from(Bytes::from_static(b"abc"));
        content.append(&Bytes::from_static(b"defg").into());
        let read = Content::read(content.stream(2..5), 0).await.unwrap();
        assert_eq!(
            (read.to_bytes(), content.len()),
            (Bytes::from_static(b"cde"), 7)
        );
    }

    #[test]
    fn the_digest_does_not_depend_on_the_pieces() {
        let mut pieces = Content::from(Bytes::from_static(b"abc"));
        pieces.append(&Bytes::from_static(b"def").into());
        assert_eq!(
            pieces.md5(),
            Content::from(Bytes::from_static(b"abcdef")).md5()
        );
    }
}
