//! A body on its way, with what is to go wrong on it.

use super::{fault::Effect, stats::Open, throttle::cost, wire::Fate};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use s3s::StdError;
use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};

/// How long a reset waits, so that the bytes before it reach the peer: RST discards what the kernel
/// has not yet sent.
const BEFORE_RESET: Duration = Duration::from_millis(5);

/// How a body ends too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Reset,
    Close,
    Stall,
}

/// What goes wrong on one body; nothing by default.
#[derive(Default)]
pub(super) struct Script {
    cut: Option<(u64, End)>,
    trickle: Option<(u64, u64)>,
    flips: Vec<u64>,
    excess: u64,
    swap: Option<(u64, Box<dyn FnOnce() + Send>)>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("cut", &self.cut)
            .field("trickle", &self.trickle)
            .finish_non_exhaustive()
    }
}

impl Script {
    /// The part of `effects` that concerns bodies. `start` is where in its object the body begins.
    pub(super) fn new(
        effects: &[Effect],
        start: u64,
        mut swap: impl FnMut() -> Box<dyn FnOnce() + Send>,
    ) -> Self {
        let mut script = Self::default();
        for effect in effects {
            match *effect {
                Effect::Reset { after } => script.cut_at(after, End::Reset),
                Effect::Truncate { after } => script.cut_at(after, End::Close),
                Effect::Stall { after } => script.cut_at(after, End::Stall),
                Effect::Trickle {
                    after,
                    bytes_per_second,
                } => script.trickle = Some((after, bytes_per_second)),
                Effect::Flip { offset } => script.flips.extend(offset.checked_sub(start)),
                Effect::Excess { bytes } => script.excess += bytes,
                Effect::Swap { after } => script.swap = Some((after, swap())),
                Effect::Latency { .. }
                | Effect::Status { .. }
                | Effect::Redirect { .. }
                | Effect::LostAnswer
                | Effect::Unconditional
                | Effect::Clock { .. } => {}
            }
        }
        script
    }

    /// The earliest end wins.
    fn cut_at(&mut self, after: u64, end: End) {
        if self.cut.is_none_or(|(at, _)| after < at) {
            self.cut = Some((after, end));
        }
    }

    /// How many bytes the body has beyond its own.
    pub(super) const fn excess(&self) -> u64 {
        self.excess
    }

    const fn is_empty(&self) -> bool {
        self.cut.is_none()
            && self.trickle.is_none()
            && self.flips.is_empty()
            && self.excess == 0
            && self.swap.is_none()
    }
}

/// A body under a script.
pub(super) struct Scripted<B> {
    inner: B,
    fate: Arc<Fate>,
    script: Option<Box<Script>>,
    passed: u64,
    held: Bytes,
    drained: bool,
    pause: Option<Pin<Box<Sleep>>>,
    /// The request counts as open for as long as its answer is not complete.
    _open: Option<Open>,
}

impl<B> fmt::Debug for Scripted<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted")
            .field("script", &self.script)
            .field("passed", &self.passed)
            .finish_non_exhaustive()
    }
}

impl<B> Scripted<B> {
    pub(super) fn new(inner: B, script: Script, fate: Arc<Fate>, open: Option<Open>) -> Self {
        let script = (!script.is_empty()).then(|| Box::new(script));
        Self {
            inner,
            fate,
            script,
            passed: 0,
            held: Bytes::new(),
            drained: false,
            pause: None,
            _open: open,
        }
    }
}

impl<B> Scripted<B>
where
    B: Body<Data = Bytes> + Unpin,
    StdError: From<B::Error>,
{
    /// Fetches the next bytes of the body, once those held are gone. False when there are none.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, StdError>> {
        while self.held.is_empty() {
            if self.drained {
                return Poll::Ready(Ok(false));
            }
            if let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(cx)?) {
                self.held = frame.into_data().unwrap_or_default();
            } else {
                self.drained = true;
                let excess = self.script.as_ref().map_or(0, |script| script.excess);
                self.held =
                    BytesMut::zeroed(usize::try_from(excess).unwrap_or(usize::MAX)).freeze();
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Ends the body early where its script says so.
    fn poll_cut(&mut self, end: End, cx: &mut Context<'_>) -> Poll<StdError> {
        if end == End::Stall {
            return Poll::Pending;
        }
        ready!(
            self.pause
                .get_or_insert_with(|| Box::pin(sleep(BEFORE_RESET)))
                .as_mut()
                .poll(cx)
        );
        match end {
            End::Reset => self.fate.reset(),
            End::Close | End::Stall => self.fate.close(),
        }
        Poll::Ready(io::Error::from(io::ErrorKind::ConnectionReset).into())
    }

    fn poll_scripted(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
        }
        let passed = self.passed;
        let Some(script) = self.script.as_mut() else {
            return Poll::Ready(None);
        };
        if let Some((_, swap)) = script.swap.take_if(|(after, _)| *after <= passed) {
            swap();
        }
        if let Some((_, end)) = script.cut.filter(|(after, _)| *after <= passed) {
            return self.poll_cut(end, cx).map(|error| Some(Err(error)));
        }
        self.pause = None;
        if !ready!(self.poll_held(cx))? {
            return Poll::Ready(None);
        }
        let Some(script) = self.script.as_mut() else {
            return Poll::Ready(None);
        };
        let marks = [
            script.cut.map(|(at, _)| at),
            script.swap.as_ref().map(|(at, _)| *at),
            script.trickle.map(|(at, _)| at),
        ];
        let mut limit = marks
            .into_iter()
            .flatten()
            .filter_map(|at| at.checked_sub(passed))
            .filter(|left| *left > 0)
            .min();
        let trickle = script.trickle.filter(|(after, _)| *after <= passed);
        if let Some((_, rate)) = trickle {
            let step = (rate / 20).max(1);
            limit = Some(limit.map_or(step, |limit| limit.min(step)));
        }
        let size = limit
            .and_then(|limit| usize::try_from(limit).ok())
            .map_or(self.held.len(), |limit| limit.min(self.held.len()));
        let mut data = self.held.split_to(size);
        let here = passed..passed + size as u64;
        if script.flips.iter().any(|flip| here.contains(flip)) {
            let mut changed = BytesMut::from(&data[..]);
            for flip in script.flips.iter().filter(|flip| here.contains(flip)) {
                if let Ok(place) = usize::try_from(flip - passed) {
                    changed[place] ^= 1;
                }
            }
            data = changed.freeze();
        }
        if let Some((_, rate)) = trickle {
            self.pause = Some(Box::pin(sleep(cost(size as u64, rate))));
        }
        self.passed = here.end;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

impl<B> Body for Scripted<B>
where
    B: Body<Data = Bytes> + Unpin,
    StdError: From<B::Error>,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        if self.script.is_none() {
            return Pin::new(&mut self.inner)
                .poll_frame(cx)
                .map_err(StdError::from);
        }
        self.poll_scripted(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.script.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        if let (Some(script), Some(exact)) = (&self.script, hint.exact()) {
            hint.set_exact(
                exact + self.held.len() as u64 + if self.drained { 0 } else { script.excess },
            );
        }
        hint
    }
}
