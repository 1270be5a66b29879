//! Why the database did not do it.

use rusqlite::ErrorCode;

/// Why the database did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Its limit, or the disk.
    #[error("the database is full, or its disk: {0}")]
    Full(String),
    /// The file is damaged, or is not ours.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// Another process has it.
    #[error("another process has the database")]
    Busy,
    /// Something else.
    #[error("the database refused: {0}")]
    Refused(String),
    /// The thread that has it is busy, or ends.
    #[error("the database does not answer in time")]
    Slow,
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Refused(text),
        }
    }
}
