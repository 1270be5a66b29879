//! One connection: counted, paced, and reset on demand.

use super::{stats::Stats, throttle::Throttle};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep_until},
};

/// The pace of all connections together, one for each direction.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) sent: Throttle,
    pub(super) received: Throttle,
}

impl Pace {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self {
            sent: Throttle::new(rate),
            received: Throttle::new(rate),
        }
    }

    pub(super) fn set(&self, rate: Option<u64>) {
        self.sent.set(rate);
        self.received.set(rate);
    }
}

/// How a connection is to end; whoever answers on it may decide that it must not go on.
#[derive(Debug, Default)]
pub(super) struct Fate {
    broken: AtomicBool,
    reset: AtomicBool,
}

impl Fate {
    /// No answer goes out any more, and the connection is closed.
    pub(super) fn close(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// The same, with RST.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::Release);
        self.close();
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

/// A TCP connection with its paces.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    fate: Arc<Fate>,
    stats: Arc<Stats>,
    total: Arc<Pace>,
    own: Pace,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(super) fn new(
        stream: TcpStream,
        fate: Arc<Fate>,
        stats: Arc<Stats>,
        total: Arc<Pace>,
        rate: Option<u64>,
    ) -> Self {
        stats.connected();
        Self {
            stream,
            fate,
            stats,
            total,
            own: Pace::new(rate),
            reading: None,
            writing: None,
        }
    }

    fn poll_may_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        poll_until(&mut self.writing, cx, || {
            self.total.sent.wait().max(self.own.sent.wait())
        })
    }

    fn wrote(&self, bytes: usize) {
        self.stats.sent(bytes);
        self.total.sent.charge(bytes);
        self.own.sent.charge(bytes);
    }

    /// How many bytes one write may have; `None` is any number.
    fn step(&self) -> Option<usize> {
        let step = match (self.total.sent.step(), self.own.sent.step()) {
            (Some(total), Some(own)) => total.min(own),
            (total, own) => total.or(own)?,
        };
        Some(usize::try_from(step).unwrap_or(usize::MAX))
    }
}

/// Sleeps until nothing has to wait any more.
fn poll_until(
    sleep: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
    wait: impl Fn() -> Option<Instant>,
) -> Poll<()> {
    loop {
        if let Some(sleeping) = sleep {
            ready!(sleeping.as_mut().poll(cx));
            *sleep = None;
        }
        match wait() {
            None => return Poll::Ready(()),
            Some(until) => *sleep = Some(Box::pin(sleep_until(until.into()))),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(poll_until(&mut this.reading, cx, || this
            .total
            .received
            .wait()
            .max(this.own.received.wait())));
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let bytes = buf.filled().len() - before;
        this.stats.received(bytes);
        this.total.received.charge(bytes);
        this.own.received.charge(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_may_write(cx));
        let buf = self.step().map_or(buf, |step| &buf[..step.min(buf.len())]);
        let bytes = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.wrote(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.step().is_some() {
            let first = bufs
                .iter()
                .find(|buf| !buf.is_empty())
                .map_or(&[][..], |buf| &buf[..]);
            return self.poll_write(cx, first);
        }
        let bytes = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.wrote(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fate.reset.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stats.disconnected();
        if self.fate.reset.load(Ordering::Acquire) {
            // A socket that is already gone needs no reset.
            drop(self.stream.set_zero_linger());
        }
    }
}
