//! Why a connection ended, as data: log field, metric label, test assertion, and the code sent to the peer.

use crate::code::ReturnCode;
use std::fmt;

/// Why a connection ended. One enum for the edge and the core, so that every end has exactly one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client destroyed the master channel.
    Logout,
    /// The client closed the stream without a logout.
    PeerClosed,
    /// The stream broke: a reset, a failing socket.
    PeerReset,
    /// The peer acknowledged nothing for the TCP user time-out.
    PeerVanished,
    /// No byte arrived in time to tell what the client speaks.
    DetectTimeout,
    /// The TLS handshake was not finished in time.
    TlsTimeout,
    /// The TLS handshake or a record failed.
    TlsFailed,
    /// A client without TLS on a port that takes only TLS.
    LegacyRefused,
    /// A TLS client on a port that takes only the legacy protocol.
    TlsNotServed,
    /// An SSL 2 hello.
    Ssl2Hello,
    /// An HTTP request: tunnelling is not served.
    HttpNotServed,
    /// Bytes that no client of ours begins with.
    Garbage,
    /// The edge holds as many connections as it may.
    CapacityFull,
    /// The login was not finished in time.
    LoginTimeout,
    /// A message that cannot be read, or makes no sense here.
    ProtocolError,
    /// A message that needs a login, before it.
    NotLoggedIn,
    /// A frame above the limit.
    FrameTooLarge,
    /// The client's protocol is too old.
    VersionMismatch,
    /// An authentication type that the settings refuse.
    AuthTypeRefused,
    /// Wrong name or password, whichever it was.
    WrongLogin,
    /// The account is disabled.
    AccountDisabled,
    /// Too many failed logins from this address.
    TooManyFailures,
    /// The password check is busy or its directory is away; clients come back.
    DirectoryAway,
    /// A newer login of the same user took over.
    Superseded,
    /// The client does not read fast enough.
    SlowConsumer,
    /// An administrator ended it.
    EndedByAdmin,
    /// The server stops.
    ServerStopping,
    /// A fault of ours.
    Internal,
}

impl CloseReason {
    /// Every reason, so that metrics can start at zero.
    pub const ALL: [Self; 28] = [
        Self::Logout,
        Self::PeerClosed,
        Self::PeerReset,
        Self::PeerVanished,
        Self::DetectTimeout,
        Self::TlsTimeout,
        Self::TlsFailed,
        Self::LegacyRefused,
        Self::TlsNotServed,
        Self::Ssl2Hello,
        Self::HttpNotServed,
        Self::Garbage,
        Self::CapacityFull,
        Self::LoginTimeout,
        Self::ProtocolError,
        Self::NotLoggedIn,
        Self::FrameTooLarge,
        Self::VersionMismatch,
        Self::AuthTypeRefused,
        Self::WrongLogin,
        Self::AccountDisabled,
        Self::TooManyFailures,
        Self::DirectoryAway,
        Self::Superseded,
        Self::SlowConsumer,
        Self::EndedByAdmin,
        Self::ServerStopping,
        Self::Internal,
    ];

    /// The reason as it stands in logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::PeerClosed => "peer_closed",
            Self::PeerReset => "peer_reset",
            Self::PeerVanished => "peer_vanished",
            Self::DetectTimeout => "detect_timeout",
            Self::TlsTimeout => "tls_timeout",
            Self::TlsFailed => "tls_failed",
            Self::LegacyRefused => "legacy_refused",
            Self::TlsNotServed => "tls_not_served",
            Self::Ssl2Hello => "ssl2_hello",
            Self::HttpNotServed => "http_not_served",
            Self::Garbage => "garbage",
            Self::CapacityFull => "capacity_full",
            Self::LoginTimeout => "login_timeout",
            Self::ProtocolError => "protocol_error",
            Self::NotLoggedIn => "not_logged_in",
            Self::FrameTooLarge => "frame_too_large",
            Self::VersionMismatch => "version_mismatch",
            Self::AuthTypeRefused => "auth_type_refused",
            Self::WrongLogin => "wrong_login",
            Self::AccountDisabled => "account_disabled",
            Self::TooManyFailures => "too_many_failures",
            Self::DirectoryAway => "directory_away",
            Self::Superseded => "superseded",
            Self::SlowConsumer => "slow_consumer",
            Self::EndedByAdmin => "ended_by_admin",
            Self::ServerStopping => "server_stopping",
            Self::Internal => "internal",
        }
    }

    /// The code that the client is told on the master channel; `None` when nothing is sent.
    ///
    /// Codes steer clients: some end their automatic reconnect (see `docs/protocol/connection.md`,
    /// "Reaction of the plugin to codes"), and every code has bit 31, because without it clients hang.
    #[must_use]
    pub fn code(self) -> Option<ReturnCode> {
        Some(match self {
            Self::CapacityFull => ReturnCode::SERVER_FULL,
            Self::LoginTimeout => ReturnCode::CONNECTION_TIMED,
            Self::ProtocolError => ReturnCode::PROTOCOL_ERROR,
            Self::NotLoggedIn => ReturnCode::NOT_LOGGED_IN,
            Self::FrameTooLarge => ReturnCode::FAT_MESSAGE,
            Self::VersionMismatch => ReturnCode::VERSION_MISMATCH,
            Self::AuthTypeRefused => ReturnCode::ENCRYPT_MISMATCH,
            Self::WrongLogin => ReturnCode::INCORRECT_LOGIN,
            Self::AccountDisabled => ReturnCode::USER_RESTRICTED,
            Self::TooManyFailures => ReturnCode::CONNECTION_REFUSED,
            Self::DirectoryAway | Self::Internal => ReturnCode::SERVER_BROKEN,
            Self::Superseded => ReturnCode::MULTI_SERVER_LOGIN,
            Self::EndedByAdmin => ReturnCode::USER_REMOVED,
            Self::ServerStopping => ReturnCode::CONNECTION_CLOSED,
            Self::Logout
            | Self::PeerClosed
            | Self::PeerReset
            | Self::PeerVanished
            | Self::DetectTimeout
            | Self::TlsTimeout
            | Self::TlsFailed
            | Self::LegacyRefused
            | Self::TlsNotServed
            | Self::Ssl2Hello
            | Self::HttpNotServed
            | Self::Garbage
            | Self::SlowConsumer => return None,
        })
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
