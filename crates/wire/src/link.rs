//! What an edge tells the community about a connection.
//!
//! Today both run in one process and only [`Opened`] is needed; the frames of a remote edge join it with the
//! split roles.

use core::fmt;
use core::net::SocketAddr;

/// How a client's bytes travel to the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// The legacy protocol straight on TCP.
    Clear,
    /// Inside TLS 1.2.
    Tls12,
    /// Inside TLS 1.3.
    Tls13,
}

impl Transport {
    /// The transport as it stands in logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Tls12 => "tls1.2",
            Self::Tls13 => "tls1.3",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A client's connection, as the edge opened it.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// Number of the connection on its edge, for logs.
    pub conn: u64,
    /// Where the client connects from.
    pub peer: SocketAddr,
    /// How its bytes travel.
    pub transport: Transport,
}
