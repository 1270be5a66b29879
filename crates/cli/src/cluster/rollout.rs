//! `rollout`: a release on its way through the shops, and what a person says to it.

mod arguments;
mod follow;
mod start;
mod status;

pub(crate) use arguments::{Arguments, Form};

use arguments::{One, Verb};
use start::start;
use status::status;

use super::{ClusterError, connection::wait, tell};
use operations::rollout::{self, Verb as Said};

pub(super) fn run(arguments: &Arguments) -> Result<(), ClusterError> {
    match &arguments.verb {
        Verb::Start(arguments) => wait(start(arguments)),
        Verb::Status(arguments) => wait(status(arguments)),
        Verb::Pause(one) => wait(say(one, Said::Pause)),
        Verb::Abort(one) => wait(say(one, Said::Abort)),
        Verb::Resume(one) => wait(say(one, Said::Resume)),
        Verb::Promote(one) => wait(say(one, Said::Promote)),
    }
}

async fn say(one: &One, verb: Said) -> Result<(), ClusterError> {
    let cluster = one.connection.open().await?;
    let who = one.who.who(&cluster).await?;
    tell(&rollout::say(&cluster, &one.name, verb, &who).await?)
}
