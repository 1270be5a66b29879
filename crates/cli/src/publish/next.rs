//! Which sequence a publication gets. No IO.

use release::{Release, Sequence, Sha256};

/// What to do about the release object and the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The channel runs this manifest already.
    Unchanged(Sequence),
    /// An earlier run signed this manifest but ended before it moved the channel: move it.
    Finish(Sequence),
    /// Sign a new release with this sequence.
    New(Sequence),
}

/// The channel has no sequence left.
#[derive(Debug, thiserror::Error)]
#[error("channel {channel} is at sequence {last}, the last one")]
pub(crate) struct Exhausted {
    channel: String,
    last: Sequence,
}

/// Whether a manifest that the channel runs already is published once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Leave the channel as it is.
    Skip,
    /// Sign it again with a new sequence, such as to extend its expiry.
    Again,
}

/// Decides from what the channel holds: `head` is the release in force, `beyond` are releases with
/// a larger sequence that pods would accept, in growing order, and `taken` is the largest sequence
/// that has an object at all.
///
/// # Errors
///
/// If no sequence is left.
pub(super) fn next(
    manifest: &Sha256,
    head: Option<&Release>,
    beyond: &[Release],
    taken: Option<Sequence>,
    repeat: Repeat,
) -> Result<Next, Exhausted> {
    if let Some(unfinished) = beyond
        .iter()
        .rev()
        .find(|release| release.manifest == *manifest)
    {
        return Ok(Next::Finish(unfinished.sequence));
    }
    let Some(last) = taken.max(head.map(|head| head.sequence)) else {
        return Ok(Next::New(Sequence::FIRST));
    };
    match head {
        Some(head) if head.manifest == *manifest && repeat == Repeat::Skip => {
            Ok(Next::Unchanged(head.sequence))
        }
        _ => {
            let channel = head.map_or_else(String::new, |head| head.channel.to_string());
            last.next()
                .map(Next::New)
                .ok_or(Exhausted { channel, last })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use release::Migration;

    fn release(sequence: u64, manifest: u8) -> Release {
        Release {
            channel: "shops/acme".parse().unwrap(),
            sequence: sequence.try_into().unwrap(),
            created: Timestamp::UNIX_EPOCH,
            expires: None,
            root_version: 1,
            migration: Migration::None,
            manifest: Sha256::digest(&[manifest]),
            manifest_size: 1,
        }
    }

    fn decide(
        head: Option<&Release>,
        beyond: &[Release],
        taken: Option<u64>,
        repeat: Repeat,
    ) -> Next {
        let taken = taken.map(|taken| taken.try_into().unwrap());
        next(&Sha256::digest(&[7]), head, beyond, taken, repeat).unwrap()
    }

    fn sequence(number: u64) -> Sequence {
        number.try_into().unwrap()
    }

    #[test]
    fn the_first_release_of_a_channel_has_sequence_one() {
        assert_eq!(
            decide(None, &[], None, Repeat::Skip),
            Next::New(sequence(1))
        );
    }

    #[test]
    fn another_manifest_gets_the_next_free_sequence() {
        assert_eq!(
            decide(Some(&release(4, 1)), &[], None, Repeat::Skip),
            Next::New(sequence(5))
        );
        // An object that nobody finished, or that no pod would accept, still takes its number.
        assert_eq!(
            decide(
                Some(&release(4, 1)),
                &[release(5, 2)],
                Some(6),
                Repeat::Skip
            ),
            Next::New(sequence(7))
        );
    }

    #[test]
    fn the_same_manifest_is_published_again_only_when_asked() {
        assert_eq!(
            decide(Some(&release(4, 7)), &[], None, Repeat::Skip),
            Next::Unchanged(sequence(4))
        );
        assert_eq!(
            decide(Some(&release(4, 7)), &[], None, Repeat::Again),
            Next::New(sequence(5))
        );
    }

    #[test]
    fn an_interrupted_run_is_finished_rather_than_repeated() {
        assert_eq!(
            decide(None, &[release(1, 7)], Some(1), Repeat::Skip),
            Next::Finish(sequence(1))
        );
        assert_eq!(
            decide(
                Some(&release(4, 1)),
                &[release(5, 7), release(6, 2)],
                Some(6),
                Repeat::Skip
            ),
            Next::Finish(sequence(5))
        );
    }
}
