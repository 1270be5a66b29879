//! What the scheduler generates, compared with what is committed; and what its checks find.

mod checks;
mod command;
mod committed;
mod crds;
mod golden;
mod made;
mod programs;
mod properties;
