//! Bytes on their way.

use crate::StoreError;
use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt as _,
    stream::{BoxStream, Stream},
};
use std::fmt;

/// The bytes of a range, piece by piece.
///
/// A piece is as large as it came, and never empty. The pieces together are the range and nothing
/// more, or there is an error; after an error there is nothing more to come. Dropping it early
/// closes the connection.
pub struct Body(BoxStream<'static, Result<Bytes, StoreError>>);

impl Body {
    /// Wraps the pieces of another source, such as a store that a test makes.
    #[must_use]
    pub fn new(pieces: impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static) -> Self {
        Self(pieces.boxed())
    }

    /// The next piece, or `None` when the range is complete.
    ///
    /// Cancel-safe: a piece that was not returned comes with the next call.
    ///
    /// # Errors
    ///
    /// Whatever made the store give up. A connection that broke is not among it as long as the
    /// deadline permits another.
    #[allow(
        clippy::should_implement_trait,
        reason = "an async `next` reads as the streams' own does"
    )]
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        self.0.next().await
    }

    /// Reads what is left into memory; the caller has bounded it by the range that it asked for.
    ///
    /// # Errors
    ///
    /// As [`Body::next`].
    pub async fn collect(mut self) -> Result<Bytes, StoreError> {
        let Some(first) = self.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.next().await.transpose()? else {
            return Ok(first);
        };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(piece) = self.next().await.transpose()? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
