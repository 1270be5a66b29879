//! The S3 server of the harness itself: what it says must be true before it may judge anything
//! else.

mod answers;
mod client;
mod conditions;
mod control;
mod faults;
mod multipart;
mod uploads;
