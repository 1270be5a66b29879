//! Who connects to a tunnel: only our own user may, root, as the NFS client in the kernel does. The
//! shop's own processes share the loopback interface with us, and could otherwise talk to the
//! server as any user.
//!
//! The kernel's table of connections says who has the other end, but of a socket that was closed it
//! says "user 0, inode 0", whoever had it: so only an open socket of an established connection
//! counts. Both of its ends must be so, ours by its inode: then nobody has closed it since it
//! was accepted, and what waits in it was sent by who has it now.

use rustix::{fs::fstat, process::geteuid};
use std::{
    collections::HashMap,
    io::{self, BufReader, Read as _},
    net::{IpAddr, SocketAddr, SocketAddrV4},
};
use tokio::net::TcpStream;

/// The kernel's table of TCP connections of this network namespace; a line has 150 bytes.
const TABLE: &str = "/proc/self/net/tcp";
/// As many lines as a pod may have connections, those that have ended among them: 256 Ki by the
/// kernel's own bound.
const TABLE_LIMIT: u64 = 48 << 20;
/// The state of a connection that neither side has begun to close.
const ESTABLISHED: &str = "01";

/// A connection to the tunnel: from where, and what we hold of it.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) from: SocketAddr,
}

/// One end of a connection: its own address and the other one.
type End = (SocketAddrV4, SocketAddrV4);

/// Takes those out whose other end is not ours, with one look at the table for all: how long that
/// takes depends on how many connections the pod has, which the shop decides. Also gives in words
/// what was wrong with the last of them.
pub(super) async fn ours(
    accepted: Vec<Accepted>,
) -> io::Result<(Vec<Accepted>, Option<io::Error>)> {
    let mut wanted = HashMap::new();
    for one in &accepted {
        if let Some(ends) = ends(one)? {
            wanted.extend(ends.map(|end| (end, None)));
        }
    }
    let known = tokio::task::spawn_blocking(move || -> io::Result<HashMap<End, Option<Socket>>> {
        look(
            BufReader::new(std::fs::File::open(TABLE)?.take(TABLE_LIMIT)),
            &mut wanted,
        )?;
        Ok(wanted)
    });
    let known = known.await.map_err(io::Error::other)??;
    let (mut kept, mut problem, own) = (Vec::new(), None, geteuid().as_raw());
    for one in accepted {
        let inode = fstat(&one.stream)?.st_ino;
        let sockets = ends(&one)?.map(|ends| ends.map(|end| known.get(&end).copied().flatten()));
        match refusal(sockets, inode, own) {
            None => kept.push(one),
            Some(who) => {
                problem = Some(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!("refused a connection of {who} from {}", one.from),
                ));
            }
        }
    }
    Ok((kept, problem))
}

/// The end that is ours and the other one, of an IPv4 connection.
fn ends(Accepted { stream, from }: &Accepted) -> io::Result<Option<[End; 2]>> {
    let v4 = |address: SocketAddr| match (address.ip().to_canonical(), address.port()) {
        (IpAddr::V4(address), port) => Some(SocketAddrV4::new(address, port)),
        (IpAddr::V6(_), _) => None,
    };
    let (Some(local), Some(remote)) = (v4(stream.local_addr()?), v4(*from)) else {
        return Ok(None);
    };
    Ok(Some([(local, remote), (remote, local)]))
}

/// What the table says of one end that is part of an established connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    uid: u32,
    inode: u64,
}

/// Why a connection with these ends, of which the first has to be ours with this inode, is not
/// carried.
fn refusal(sockets: Option<[Option<Socket>; 2]>, inode: u64, own: u32) -> Option<String> {
    match sockets {
        Some([Some(here), Some(Socket { uid, inode: there })])
            if here.inode == inode && there != 0 =>
        {
            (uid != own).then(|| format!("user {uid}"))
        }
        _ => Some("nobody, as it is closed".to_owned()),
    }
}

/// Fills in what the table says of the ends that are asked for.
fn look(table: impl io::BufRead, wanted: &mut HashMap<End, Option<Socket>>) -> io::Result<()> {
    for line in table.split(b'\n') {
        let line = line?;
        let Some((end, socket)) = std::str::from_utf8(&line).ok().and_then(parse) else {
            continue;
        };
        if let Some(found) = wanted.get_mut(&end) {
            *found = Some(socket);
        }
    }
    Ok(())
}

/// A line of an established connection.
fn parse(line: &str) -> Option<(End, Socket)> {
    // number, local, remote, state, queues, timer, retransmissions, user, timeout, inode
    let fields: Vec<_> = line.split_ascii_whitespace().take(10).collect();
    let [_, local, remote, state, _, _, _, uid, _, inode] = fields.as_slice() else {
        return None;
    };
    if *state != ESTABLISHED {
        return None;
    }
    let address = |text: &str| {
        let (address, port) = text.split_once(':')?;
        // Addresses stand there as the number that their bytes are on this machine.
        let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
        Some(SocketAddrV4::new(
            address.into(),
            u16::from_str_radix(port, 16).ok()?,
        ))
    };
    Some((
        (address(local)?, address(remote)?),
        Socket {
            uid: uid.parse().ok()?,
            inode: inode.parse().ok()?,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 61 1 0 100 0 0 10 0\n   \
        1: 0100007F:9C40 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 62 1 0 20 4 30 10 -1\n   \
        2: 0100007F:D431 0100007F:9C40 01 00000000:00000000 00:00000000 00000000    33        0 63 1 0 20 4 30 10 -1\n   \
        3: 0100007F:9C40 0100007F:D432 08 00000000:00000000 00:00000000 00000000     0        0 64 1 0 20 4 30 10 -1\n   \
        4: 0100007F:D432 0100007F:9C40 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1\n   \
        5: 0100007F:9C40 0100007F:D433 01 00000000:00000000 00:00000000 00000000     0        0 66 1 0 20 4 30 10 -1\n   \
        6: 0100007F:D433 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 67 1 0 20 4 30 10 -1\n   \
        7: 0100007F:D434 0100007F:9C40 06 00000000:00000000 03:00001771 00000000     0        0 0 3 0\n   \
        8: 0100007F:9C40 0100007F:D435 01 00000000:00000000 00:00000000 00000000     0        0 68 1 0 20 4 30 10 -1\n   \
        9: 0100007F:D435 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1\nnonsense\n1: 2\n\xff\n";

    #[test]
    fn only_an_established_connection_between_our_socket_and_an_open_one_of_ours_is_carried() {
        let of = |port: u16, inode: u64| {
            let (here, there) = (
                SocketAddrV4::new([127, 0, 0, 1].into(), 0x9C40),
                SocketAddrV4::new([127, 0, 0, 1].into(), port),
            );
            let mut wanted = [((here, there), None), ((there, here), None)].into();
            look(TABLE, &mut wanted).unwrap();
            refusal(
                Some([wanted[&(here, there)], wanted[&(there, here)]]),
                inode,
                0,
            )
        };
        assert_eq!(of(0xD433, 66), None);
        assert_eq!(of(0xD431, 62).as_deref(), Some("user 33"));
        let closed = Some("nobody, as it is closed");
        // Closed by who sent it; of the past; of nobody; an end without an inode; and one that took
        // the place of ours.
        for (port, inode) in [
            (0xD432, 64),
            (0xD434, 65),
            (0xD436, 1),
            (0xD435, 68),
            (0xD433, 70),
        ] {
            assert_eq!(of(port, inode).as_deref(), closed, "{port:X}");
        }
        assert_eq!(refusal(None, 1, 0).as_deref(), closed);
    }
}
