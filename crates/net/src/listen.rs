//! Listening sockets, and the options that every client's socket gets.

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;

/// Connections that the kernel holds until they are accepted. A whole site comes back at once after a cut; the
/// kernel lowers the number to its own maximum.
const BACKLOG: i32 = 4096;

/// How long sent bytes may stay unacknowledged before the peer counts as vanished.
///
/// A peer whose packets are dropped must be gone within 90 s. The worst case is one to which something is sent just
/// before the kernel's own probes would have told: twice this time, and some seconds, because the kernel's long timers
/// ring up to two seconds late. It is also the time after which the kernel gives
/// up on a peer that answers no probe, so it leaves room for three of them: one lost packet ends nobody.
///
/// Source: `docs/decisions/0009-the-kernel-asks-whether-a-peer-is-there.md`.
pub const USER_TIMEOUT: Duration = Duration::from_secs(40);
/// Silence of the peer after which the kernel asks whether it is there.
const PROBE_AFTER: Duration = Duration::from_secs(16);
/// Time between questions: at 16, 24 and 32 s, and the end at 40 s.
const PROBE_EVERY: Duration = Duration::from_secs(8);

/// Binds and listens. `::` takes IPv4 clients as well; where the machine has no IPv6, `0.0.0.0` stands in for it.
///
/// # Errors
/// What the system says, `AddrInUse` and `PermissionDenied` above all.
pub fn listen(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    match bind(SocketAddr::new(address, port)) {
        Err(error)
            if address.is_ipv6()
                && address.is_unspecified()
                && error.kind() != io::ErrorKind::AddrInUse
                && error.kind() != io::ErrorKind::PermissionDenied =>
        {
            bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
        }
        result => result,
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    prepare(&socket)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Sets what every client's socket needs: no Nagle delay, and an end for peers that vanish.
///
/// Accepted sockets inherit it all from the one that listens, so that it costs no client a system call.
fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    let probes = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_EVERY);
    socket.set_tcp_keepalive(&probes)
}
