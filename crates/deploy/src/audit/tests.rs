use super::*;
use std::io::Read;

/// A file of which the disk gives some bytes, and then an error.
struct Ends(Option<&'static [u8]>, Errno);

impl Read for Ends {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.take().ok_or(self.1)?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

#[test]
fn what_the_disk_does_not_give_back_is_damage_and_other_errors_are_no_knowledge() {
    let (mut buffer, mut read) = ([0; 16], 0);
    let mut look = |file: &mut dyn Read, contents: &[u8]| {
        is_whole(
            &mut { file },
            &Sha256::digest(contents),
            &mut buffer,
            &mut |bytes| {
                read += bytes;
                if read > 100 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
    };
    assert_eq!(
        look(&mut &b"whole"[..], b"whole").unwrap(),
        ControlFlow::Continue(true)
    );
    assert_eq!(
        look(&mut &b"whols"[..], b"whole").unwrap(),
        ControlFlow::Continue(false)
    );
    for errno in [Errno::IO, Errno::UCLEAN, Errno::BADMSG] {
        for bytes in [None, Some(&b"who"[..]), Some(b"whole")] {
            assert_eq!(
                look(&mut Ends(bytes, errno), b"whole").unwrap(),
                ControlFlow::Continue(false),
                "{errno}"
            );
        }
    }
    for errno in [Errno::ACCESS, Errno::STALE, Errno::NFILE] {
        assert_eq!(
            look(&mut Ends(Some(b"who"), errno), b"whole")
                .unwrap_err()
                .raw_os_error(),
            Some(errno.raw_os_error())
        );
    }
    assert_eq!(
        look(&mut &[0; 200][..], b"").unwrap(),
        ControlFlow::Break(())
    );
}
