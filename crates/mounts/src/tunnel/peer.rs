//! Who connects to a tunnel: only root may, as the NFS client in the kernel does. The shop's own processes share the loopback interface
//! with us, and could otherwise talk to the server as any user.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};
use tokio::io::AsyncReadExt as _;

/// The kernel's table of TCP connections of this network namespace; a line has 150 bytes.
const TABLE: &str = "/proc/self/net/tcp";
const TABLE_LIMIT: u64 = 16 << 20;

/// Refuses a connection from `from` to our `port` unless root has its other end.
pub(super) async fn check(from: SocketAddr, port: u16) -> io::Result<()> {
    let mut table = String::new();
    tokio::fs::File::open(TABLE).await?.take(TABLE_LIMIT).read_to_string(&mut table).await?;
    let refuse = |who: &str| io::Error::new(io::ErrorKind::PermissionDenied, format!("refused a connection of {who} from {from}"));
    match owner(&table, from, port) {
        Some(0) => Ok(()),
        Some(uid) => Err(refuse(&format!("user {uid}"))),
        None => Err(refuse("an unknown user")),
    }
}

/// The user who owns the socket that is connected from `from` to `port` of the same address.
fn owner(table: &str, from: SocketAddr, port: u16) -> Option<u32> {
    let IpAddr::V4(address) = from.ip() else { return None };
    // Addresses stand there as the number that their bytes are on this machine.
    let address = u32::from_ne_bytes(address.octets());
    let (local, remote) = (format!("{address:08X}:{:04X}", from.port()), format!("{address:08X}:{port:04X}"));
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let fits = fields.next()? == local && fields.next()? == remote;
        // state, queues, timer, retransmissions, then the user
        if fits { fields.nth(4)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_the_other_end_is_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 61 1 0 100 0 0 10 0\n   \
            1: 0100007F:9C40 0100007F:D431 01 00000000:00000000 00:00000000 00000000     7        0 62 1 0 20 4 30 10 -1\n   \
            2: 0100007F:D431 0100007F:9C40 01 00000000:00000000 00:00000000 00000000    33        0 63 1 0 20 4 30 10 -1\n";
        let from = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(owner(table, from(0xD431), 0x9C40), Some(33));
        assert_eq!(owner(table, from(0xD432), 0x9C40), None);
        assert_eq!(owner("nonsense\n1: 2", from(1), 2), None);
    }
}
