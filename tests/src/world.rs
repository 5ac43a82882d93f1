//! A server and the way its clients come.

use crate::server::{Ports, Server, Setting};
use crate::{Client, Tunnel, code};

/// How a client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The legacy protocol, in clear.
    Legacy,
    /// The legacy protocol inside TLS.
    Tls,
}

/// Where a scenario plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ground {
    /// What the server listens on.
    pub ports: Ports,
    /// How the first, second, third client come; then again from the front.
    pub transports: &'static [Transport],
}

/// Clients without TLS on a server that takes nothing else.
pub const LEGACY: Ground = Ground {
    ports: Ports::Legacy,
    transports: &[Transport::Legacy],
};
/// Legacy clients and TLS clients on one port, talking to each other.
pub const MIXED: Ground = Ground {
    ports: Ports::Shared,
    transports: &[Transport::Legacy, Transport::Tls],
};
/// TLS clients on a server that takes nothing else.
pub const STRICT_TLS: Ground = Ground {
    ports: Ports::StrictTls,
    transports: &[Transport::Tls],
};

/// A server and the way its clients come.
pub struct World {
    /// The server.
    pub server: Server,
    ground: Ground,
    tunnel: Option<Tunnel>,
    clients_made: usize,
}

impl World {
    /// Starts the server, and the tunnel if some client comes by TLS.
    #[must_use]
    pub fn new(ground: Ground, settings: &[Setting<'_>]) -> Self {
        let server = Server::start(ground.ports, settings);
        let tunnel = ground
            .transports
            .contains(&Transport::Tls)
            .then(|| Tunnel::to(server.tls_port()));
        Self {
            server,
            ground,
            tunnel,
            clients_made: 0,
        }
    }

    /// A client that is not connected yet.
    #[must_use]
    pub fn client(&mut self, user: &str) -> Client {
        self.client_with_password(user, &crate::password_of(user))
    }

    /// A client that is not connected yet, with a password that may be wrong.
    #[must_use]
    pub fn client_with_password(&mut self, user: &str, password: &str) -> Client {
        let transport = self.ground.transports[self.clients_made % self.ground.transports.len()];
        self.clients_made += 1;
        let port = match (transport, &self.tunnel) {
            (Transport::Tls, Some(tunnel)) => tunnel.port(),
            _ => self.server.legacy_port(),
        };
        Client::new("127.0.0.1", port, user, password)
    }

    /// A client that is logged in.
    #[must_use]
    pub fn login(&mut self, user: &str) -> Client {
        let mut client = self.client(user);
        client.login();
        client
    }

    /// Ends the scenario: everybody else still being served, the server must stop cleanly.
    pub fn end(mut self) {
        self.server.stop();
    }

    /// Stops and starts the server; clients that are logged in are told that the server stops.
    pub fn restart(&mut self, clients: &mut [&mut Client]) {
        self.server.restart();
        for client in clients {
            client.expect_stopped(code::CONNECTION_CLOSED);
        }
    }
}
