//! What PHP said about a page, in one line of bounded length. Pure.

/// Bytes of it that are kept while a page runs: the end, where the error is that ended it.
pub(crate) const HEARD: usize = 16 << 10;
/// Bytes of it that an error shows.
const SHOWN: usize = 1 << 10;
/// Before each message that php-fpm sends with an answer.
const MESSAGE: &str = "PHP message: ";
/// What ends a script, most of all.
const FATAL: [&str; 3] = ["Fatal error", "Parse error", "Uncaught"];

/// Takes more of it, and forgets the beginning.
pub(crate) fn hear(heard: &mut Vec<u8>, more: &[u8]) {
    heard.extend_from_slice(more);
    heard.drain(..heard.len().saturating_sub(HEARD));
}

/// The message that matters, if there is one: the last that ends a script, or the last.
pub(crate) fn message(heard: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(heard);
    let messages: Vec<_> = text
        .split(MESSAGE)
        .map(str::trim)
        .filter(|message| !message.is_empty())
        .collect();
    let fatal = messages
        .iter()
        .rfind(|message| FATAL.iter().any(|word| message.contains(word)));
    let message = fatal.or_else(|| messages.last())?;
    let mut shown = String::new();
    for letter in message.chars() {
        // Also what would move a terminal's cursor, or end a line of a log.
        let escaped = letter.escape_debug();
        if shown.len() + escaped.clone().map(char::len_utf8).sum::<usize>() > SHOWN {
            shown.push('…');
            break;
        }
        match letter {
            '"' | '\'' => shown.push(letter),
            _ => shown.extend(escaped),
        }
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_that_ended_the_script_is_shown_in_one_line() {
        let heard = b"PHP message: PHP Warning:  x in /a.php on line 1\nPHP message: PHP Fatal error:  Uncaught Error: Class \"Mage\" not found\n#0\x1b[2J\nPHP message: PHP Notice:  at the end\n";
        assert_eq!(
            message(heard).unwrap(),
            r#"PHP Fatal error:  Uncaught Error: Class "Mage" not found\n#0\u{1b}[2J"#
        );
        assert_eq!(
            message(b"PHP message: one\nPHP message: two\n").unwrap(),
            "two"
        );
        assert_eq!(message(b" \n"), None);
    }

    #[test]
    fn it_is_bounded_however_much_there_is() {
        let mut heard = Vec::new();
        for _ in 0..100 {
            hear(&mut heard, &[b'x'; 1000]);
        }
        assert_eq!(heard.len(), HEARD);
        let shown = message("\u{1b}".repeat(HEARD).as_bytes()).unwrap();
        assert!(
            shown.len() <= SHOWN + '…'.len_utf8() && shown.ends_with('…'),
            "{}",
            shown.len()
        );
    }
}
