//! A picture that is as large as people upload them.

/// What a shop's picture may have: 3 MB, more than PHP's own limit of 2.
const PICTURE: usize = 3_000_000;

/// A picture of one colour as PNG, which a text that nobody reads makes as large as is wanted.
pub(super) fn picture() -> Vec<u8> {
    /// Eight by eight pixels, 8 bits of grey, all black.
    const HEAD: [u8; 33] = [
        0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 8, 0,
        0, 0, 8, 8, 0, 0, 0, 0, 0xe1, 0x64, 0xe1, 0x57,
    ];
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let typed = [kind.as_slice(), data].concat();
        let length = u32::try_from(data.len()).unwrap_or_default().to_be_bytes();
        [length.as_slice(), &typed, &crc(&typed).to_be_bytes()].concat()
    };
    // One stored block of zlib: eight lines of a filter byte and eight pixels.
    let lines = [0_u8; 72];
    let data = [
        &[0x78, 1, 1, 72, 0, 0xb7, 0xff],
        lines.as_slice(),
        &[0, 72, 0, 1],
    ]
    .concat();
    let text = [b"Comment\0".as_slice(), &vec![b'x'; PICTURE]].concat();
    [
        HEAD.as_slice(),
        &chunk(b"tEXt", &text),
        &chunk(b"IDAT", &data),
        &chunk(b"IEND", &[]),
    ]
    .concat()
}

/// The checksum of PNG and gzip.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut sum, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_one_that_php_reads() {
        assert_eq!(crc(b"IEND"), 0xae42_6082, "as every PNG ends");
        let png = picture();
        assert!(png.len() > PICTURE, "{}", png.len());
        // The head's checksum and the stored block's are what any decoder computes.
        assert_eq!(
            crc(&png[12..29]),
            u32::from_be_bytes([png[29], png[30], png[31], png[32]])
        );
        let (a, b) = (0..72).fold((1_u32, 0_u32), |(a, b), _| (a, (b + a) % 65521));
        assert_eq!((a, b), (1, 72));
    }
}
