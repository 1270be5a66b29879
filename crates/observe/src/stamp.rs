//! The time at the beginning of a record, as each program writes it.

use crate::Source;
use jiff::{Timestamp, civil::DateTime, tz::Offset};

/// Bytes of a line in which its time is.
pub(crate) const LONGEST: usize = 80;
/// What php-fpm puts before a message that it also sends with the answer.
pub(crate) const PHP_MESSAGE: &str = "PHP message: ";
const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// How long the time is, with what is around it, if there is one.
pub(crate) fn length(source: Source, line: &[u8]) -> Option<usize> {
    match source {
        // What a worker tells whoever asked it has no time, and may have lines of any kind.
        Source::Fpm if line.starts_with(PHP_MESSAGE.as_bytes()) => Some(0),
        Source::Php | Source::Fpm | Source::Slow => in_brackets(line, b"00-AAA-0000 00:00:00"),
        Source::Nginx => {
            let dated = shape(line, b"0000/00/00 00:00:00 [").then_some(20);
            dated.or_else(|| line.starts_with(b"incident=").then_some(0))
        }
        Source::Log => in_brackets(line, b"0000-00-00T00:00:00")
            .or_else(|| in_brackets(line, b"00-AAA-0000 00:00:00"))
            .or_else(|| {
                let end = line.iter().position(|byte| *byte == b' ')?;
                shape(line, b"0000-00-00T00:00:00").then_some(end + 1)
            }),
        Source::Report => None,
    }
}

/// When it was; `None` if the zone has a name, which only the system knows.
pub(crate) fn time(source: Source, line: &[u8]) -> Option<Timestamp> {
    let line = &line[..line.len().min(LONGEST)];
    length(source, line)?;
    let inner = line.strip_prefix(b"[").unwrap_or(line);
    if shape(inner, b"00-AAA-0000 00:00:00") {
        let month = MONTHS.iter().position(|month| inner[3..6] == **month)?;
        let zone = match inner.get(20)? {
            b']' => Offset::UTC,
            _ => zone(
                inner[20..]
                    .trim_ascii_start()
                    .split(|byte| *byte == b']')
                    .next()?,
            )?,
        };
        let date = [
            number(&inner[7..11])?,
            month as u64 + 1,
            number(&inner[..2])?,
        ];
        return at(date, &inner[12..20], zone);
    }
    let (date, clock) = inner.split_at_checked(10)?;
    let (clock, rest) = clock.get(1..)?.split_at_checked(8)?;
    let date = [
        number(&date[..4])?,
        number(&date[5..7])?,
        number(&date[8..])?,
    ];
    let fraction = rest
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
        .count();
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b']' | b' '))
        .unwrap_or(rest.len());
    at(date, clock, zone(rest.get(fraction..end)?)?)
}

fn at([year, month, day]: [u64; 3], clock: &[u8], zone: Offset) -> Option<Timestamp> {
    let small = |number: u64| i8::try_from(number).ok();
    let date = DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(number(&clock[..2])?)?,
        small(number(&clock[3..5])?)?,
        small(number(&clock[6..8])?)?,
        0,
    );
    zone.to_timestamp(date.ok()?).ok()
}

fn zone(text: &[u8]) -> Option<Offset> {
    match text {
        b"" | b"Z" | b"UTC" => Some(Offset::UTC),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = number(&[*h1, *h2])? * 60 + number(&[*m1, *m2])?;
            let seconds = i32::try_from(minutes * 60).ok()?;
            let signed = if *sign == b'-' { -seconds } else { seconds };
            Offset::from_seconds(signed).ok()
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn in_brackets(line: &[u8], expected: &[u8]) -> Option<usize> {
    let inner = line.strip_prefix(b"[")?;
    if !shape(inner, expected) {
        return None;
    }
    let end = line.iter().position(|byte| *byte == b']')? + 1;
    let space = line[end..].iter().take_while(|byte| **byte == b' ').count();
    Some(end + space)
}

// `0` stands for a digit, `A` for a letter, `T` for itself or a space.
fn shape(line: &[u8], expected: &[u8]) -> bool {
    line.len() >= expected.len()
        && line
            .iter()
            .zip(expected)
            .all(|(byte, expected)| match expected {
                b'0' => byte.is_ascii_digit(),
                b'A' => byte.is_ascii_alphabetic(),
                b'T' => matches!(byte, b'T' | b' '),
                other => byte == other,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_programs_time_is_read() {
        for (source, line, length, expected) in [
            (
                Source::Php,
                "[01-Dec-2026 03:00:00 UTC] PHP Warning:  x",
                27,
                "2026-12-01T03:00:00Z",
            ),
            (
                Source::Fpm,
                "[01-Dec-2026 03:00:00] WARNING: x",
                23,
                "2026-12-01T03:00:00Z",
            ),
            (
                Source::Slow,
                "[01-Dec-2026 03:00:00]  [pool shop] pid 7",
                24,
                "2026-12-01T03:00:00Z",
            ),
            (
                Source::Nginx,
                "2026/12/01 03:00:00 [error] 7#7: x",
                20,
                "2026-12-01T03:00:00Z",
            ),
            (
                Source::Log,
                "[2026-12-01T03:00:00.123456+02:00] main.INFO: x",
                35,
                "2026-12-01T01:00:00Z",
            ),
            (
                Source::Log,
                "[2026-12-01 03:00:00] main.INFO: x",
                22,
                "2026-12-01T03:00:00Z",
            ),
            (
                Source::Log,
                "2026-12-01T03:00:00-01:30 ERR (3): x",
                26,
                "2026-12-01T04:30:00Z",
            ),
        ] {
            assert_eq!(
                super::length(source, line.as_bytes()),
                Some(length),
                "{line}"
            );
            assert_eq!(
                time(source, line.as_bytes()),
                Some(expected.parse().unwrap()),
                "{line}"
            );
        }
        let named = b"[01-Dec-2026 03:00:00 Europe/Berlin] x";
        assert!(length(Source::Php, named).is_some() && time(Source::Php, named).is_none());
        for none in [
            "",
            "[",
            "[01-Dec-2026",
            "[99-Foo-2026 99:99:99] x",
            "2026/12/01 03:00:00",
        ] {
            assert_eq!(time(Source::Php, none.as_bytes()), None, "{none}");
            assert_eq!(time(Source::Nginx, none.as_bytes()), None, "{none}");
        }
    }
}
