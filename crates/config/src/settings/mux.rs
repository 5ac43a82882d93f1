//! The front door.

use super::{Kind, MUX, Names, OWN, Row, Setting, parsed, seconds};
use crate::listen::{Ports, parse_ports};
use std::net::IpAddr;
use std::time::Duration;

const PORTS: Kind<Ports> = Kind::Other {
    expected: "a port from 1 to 65535, several separated by commas, or 0 for off",
    parse: parse_ports,
};

/// Ports for clients without TLS.
pub const PORT: Setting<Ports> = Setting {
    row: Row {
        names: Names::One("VPMX_PORT"),
        sections: MUX,
        default: None,
        reloadable: false,
        meaning: "Port for clients that use the legacy encryption; 0 serves none of them. Equal to \
            VPMX_TLS_PORT, both kinds come through one port. With neither set, both kinds are served on 1533.",
        source: "tls-scopes.md 15.1",
    },
    kind: PORTS,
};

/// Ports for clients with TLS.
pub const TLS_PORT: Setting<Ports> = Setting {
    row: Row {
        names: Names::One("VPMX_TLS_PORT"),
        sections: MUX,
        default: None,
        reloadable: false,
        meaning: "Port for clients that use TLS; 0 serves none of them. With VPMX_PORT=0 this is strict TLS.",
        source: "tls-scopes.md 15.1",
    },
    kind: PORTS,
};

/// The address that the ports are bound to.
pub const BIND_ADDRESS: Setting<IpAddr> = Setting {
    row: Row {
        names: Names::One("BIND_ADDRESS"),
        sections: OWN,
        default: Some("::"),
        reloadable: false,
        meaning: "Address that clients reach the server by; :: stands for every address, IPv4 ones too.",
        source: "our own",
    },
    kind: Kind::Other {
        expected: "an IPv4 or IPv6 address",
        parse: parsed,
    },
};

/// Connections at a time.
pub const CAPACITY: Setting<usize> = Setting {
    row: Row {
        names: Names::One("VPMX_CAPACITY"),
        sections: MUX,
        default: Some("20000"),
        reloadable: false,
        meaning: "Client connections at a time; those above are told that the server is full.",
        source: "tls-scopes.md 15.5",
    },
    kind: Kind::Number {
        min: 1,
        max: 1_000_000,
        unit: "connections",
        make: |count| count as usize,
    },
};

/// Time to show what one speaks.
pub const DETECT_TIMEOUT: Setting<Duration> = Setting {
    row: Row {
        names: Names::One("DETECT_TIMEOUT_SECONDS"),
        sections: OWN,
        default: Some("10"),
        reloadable: false,
        meaning: "Seconds that a client may take to send its first bytes, which tell TLS from legacy.",
        source: "our own",
    },
    kind: seconds(300),
};

/// Time for the TLS handshake.
pub const TLS_TIMEOUT: Setting<Duration> = Setting {
    row: Row {
        names: Names::One("TLS_TIMEOUT_SECONDS"),
        sections: OWN,
        default: Some("15"),
        reloadable: false,
        meaning: "Seconds that a TLS handshake may take.",
        source: "our own",
    },
    kind: seconds(300),
};
