//! What the store's clock says: each answer has a `Date`.

use crate::Stats;
use aws_sdk_s3::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::BeforeDeserializationInterceptorContextRef,
    },
    error::BoxError,
};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use std::sync::Arc;

/// HTTP's form of a time is one of mail's.
static DATES: DateTimeParser = DateTimeParser::new();

/// Notes how far our clock is ahead of the one that answers.
#[derive(Debug)]
pub(super) struct Clock(pub(super) Arc<Stats>);

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Nothing depends on it: a store without a date says nothing of our clock.
        if let Some(date) = context
            .response()
            .headers()
            .get("date")
            .and_then(|date| DATES.parse_timestamp(date).ok())
        {
            self.0.record_ahead(Timestamp::now().duration_since(date));
        }
        Ok(())
    }
}
