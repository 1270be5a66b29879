//! The few values of ASN.1 in DER that the certificate's extensions need: tag, length, bytes. Pure.

/// What a value is.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Tag {
    OctetString = 0x04,
    Utf8String = 0x0c,
    UtcTime = 0x17,
    Sequence = 0x30,
    Explicit0 = 0xa0,
}

/// A value. Its length is one byte up to 127, and otherwise as many as it needs behind one that
/// says how many.
pub(super) fn value(tag: Tag, content: &[u8]) -> Vec<u8> {
    let mut all = vec![tag as u8];
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    match (u8::try_from(content.len()), u8::try_from(significant.len())) {
        (Ok(length @ ..=127), _) => all.push(length),
        // A length is at most 8 bytes long.
        (_, count) => {
            all.push(0x80 | count.unwrap_or_default());
            all.extend(significant);
        }
    }
    all.extend(content);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        for (length, head) in [
            (0, &[0x0c, 0][..]),
            (127, &[0x0c, 127]),
            (128, &[0x0c, 0x81, 128]),
            (256, &[0x0c, 0x82, 1, 0]),
            (70_000, &[0x0c, 0x83, 1, 0x11, 0x70]),
        ] {
            let value = value(Tag::Utf8String, &vec![b'x'; length]);
            assert_eq!(
                (&value[..head.len()], value.len()),
                (head, head.len() + length)
            );
        }
    }
}
