//! Many requests, of which some are on their way at the same time.

use futures_util::{Stream, StreamExt as _, stream};

/// How many are.
const AT_ONCE: usize = 16;

/// What all of these give, in their order.
pub(crate) async fn at_once<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    // Not a stream that maps: the closure would keep the future from moving between threads.
    let all: Vec<_> = all.collect();
    stream::iter(all).buffered(AT_ONCE).collect().await
}

/// What becomes of each, in their order and as it is done. Once `stop` says so, no further one is
/// begun.
pub(crate) fn one_by_one<T, F: Future>(
    all: Vec<T>,
    stop: impl Fn() -> bool,
    work: impl FnMut(T) -> F,
) -> impl Stream<Item = F::Output> {
    let all = all.into_iter().take_while(move |_| !stop());
    stream::iter(all.map(work)).buffered(AT_ONCE)
}
