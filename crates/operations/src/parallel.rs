//! Many requests, of which some are on their way at the same time.

use futures_util::{StreamExt as _, stream};

/// How many are.
const AT_ONCE: usize = 16;

/// What all of these give, in their order.
pub(crate) async fn at_once<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    // Not a stream that maps: the closure would keep the future from moving between threads.
    let all: Vec<_> = all.collect();
    stream::iter(all).buffered(AT_ONCE).collect().await
}
