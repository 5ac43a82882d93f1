//! The protocol's own result numbers and status values.
//!
//! Source: `docs/protocol/constants.md`.

use std::fmt;

/// A result or reason. Bit 31 set means failure.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReturnCode(pub u32);

macro_rules! return_codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        impl ReturnCode {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The protocol's name of the code, `None` for numbers nobody knows.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

return_codes! {
    /// Normal end.
    SUCCESS = 0x0000_0000,
    /// Unspecific failure.
    FAILURE = 0x8000_0000,
    /// Wrong state or parameters, such as a bad channel id.
    REQUEST_INVALID = 0x8000_0001,
    /// A message before the login.
    NOT_LOGGED_IN = 0x8000_0002,
    /// Not permitted.
    NOT_AUTHORIZED = 0x8000_0003,
    /// Nothing stored, nothing found.
    NO_ELEMENT = 0x8000_0005,
    /// The target is not online, unknown or hiding.
    NO_USER = 0x8000_0006,
    /// Data that cannot be read.
    BAD_DATA = 0x8000_0007,
    /// Over a quota, out of resources.
    STARVING = 0x8000_000a,
    /// The channel's id is in use.
    CHANNEL_EXISTS = 0x8000_000c,
    /// A service that is not there.
    SERVICE_NO_SUPPORT = 0x8000_000d,
    /// A protocol type that the service does not speak.
    PROTOCOL_NO_SUPPORT = 0x8000_000e,
    /// A protocol version that the service does not speak.
    VERSION_NO_SUPPORT = 0x8000_0010,
    /// The policy demands a cipher that nobody offers.
    NO_COMMON_ENCRYPT = 0x8000_0021,
    /// The peer vanished.
    CHANNEL_DESTROYED = 0x8000_0022,
    /// The client is too old.
    VERSION_MISMATCH = 0x8000_0200,
    /// A frame above the limit.
    FAT_MESSAGE = 0x8000_0209,
    /// The connection limit is reached.
    SERVER_FULL = 0x8000_020b,
    /// An administrator ended the login.
    USER_REMOVED = 0x8000_020e,
    /// A violation that the connection cannot recover from.
    PROTOCOL_ERROR = 0x8000_020f,
    /// The account is disabled.
    USER_RESTRICTED = 0x8000_0210,
    /// Wrong name or password.
    INCORRECT_LOGIN = 0x8000_0211,
    /// The authentication type is refused.
    ENCRYPT_MISMATCH = 0x8000_0212,
    /// The server refuses the connection for now; clients come back by themselves.
    CONNECTION_REFUSED = 0x8000_0223,
    /// The connection took too long.
    CONNECTION_TIMED = 0x8000_0225,
    /// The server stops; clients come back by themselves.
    CONNECTION_CLOSED = 0x8000_0226,
    /// A newer login of the same user took over.
    MULTI_SERVER_LOGIN = 0x8000_0227,
    /// Something behind the server is broken; clients come back by themselves.
    SERVER_BROKEN = 0x8000_022b,
    /// The peer is gone.
    CLIENT_USER_GONE = 0x8000_2000,
    /// The peer does not want to be disturbed; sent by busy clients.
    CLIENT_USER_DND = 0x8000_2001,
    /// A feature that the peer does not have; sent by clients.
    IM_NOT_REGISTERED = 0x8000_2005,
}

impl ReturnCode {
    /// Whether bit 31 is clear.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.0 & 0x8000_0000 == 0
    }
}

impl fmt::Debug for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#010x}", self.0),
        }
    }
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a user's client says of the user. Unknown values are stored and forwarded unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

impl Status {
    /// Not there, or not wanting to be seen.
    pub const OFFLINE: Self = Self(0x0000);
    /// At the keyboard.
    pub const ACTIVE: Self = Self(0x0020);
    /// Not at the keyboard.
    pub const IDLE: Self = Self(0x0040);
    /// Said to be away.
    pub const AWAY: Self = Self(0x0060);
    /// Do not disturb.
    pub const BUSY: Self = Self(0x0080);
    /// A bit beside the value: on a mobile device.
    pub const MOBILE_BIT: u16 = 0x0200;

    /// Rank in the order active, mobile, busy, away, idle; the higher is the more present.
    ///
    /// Source: `docs/protocol/service-aware.md`, "Online state".
    #[must_use]
    pub fn presence_rank(self) -> u8 {
        match self {
            Self::ACTIVE => 5,
            s if s.0 & Self::MOBILE_BIT != 0 => 4,
            Self::BUSY => 3,
            Self::AWAY => 2,
            Self::OFFLINE => 0,
            _ => 1,
        }
    }
}

impl Default for Status {
    /// A login that has not said anything yet is active.
    fn default() -> Self {
        Self::ACTIVE
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OFFLINE => f.write_str("offline"),
            Self::ACTIVE => f.write_str("active"),
            Self::IDLE => f.write_str("idle"),
            Self::AWAY => f.write_str("away"),
            Self::BUSY => f.write_str("busy"),
            Self(other) => write!(f, "{other:#06x}"),
        }
    }
}
