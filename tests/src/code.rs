//! The protocol's result numbers that tests look for.
//!
//! They are written out here, and not taken from the server's own crates, so that a wrong number there
//! is found. Source: `docs/protocol/constants.md`.

/// Normal end.
pub const SUCCESS: u32 = 0;
/// A bad channel id.
pub const REQUEST_INVALID: u32 = 0x8000_0001;
/// A message before the login.
pub const NOT_LOGGED_IN: u32 = 0x8000_0002;
/// Nothing stored, nothing found.
pub const NO_ELEMENT: u32 = 0x8000_0005;
/// The target is unknown, not there, or hiding.
pub const NO_USER: u32 = 0x8000_0006;
/// Data that cannot be read.
pub const BAD_DATA: u32 = 0x8000_0007;
/// The channel's id is in use.
pub const CHANNEL_EXISTS: u32 = 0x8000_000c;
/// A service that is not there.
pub const SERVICE_NO_SUPPORT: u32 = 0x8000_000d;
/// A protocol type that the service does not speak.
pub const PROTOCOL_NO_SUPPORT: u32 = 0x8000_000e;
/// A protocol version that the service does not speak.
pub const VERSION_NO_SUPPORT: u32 = 0x8000_0010;
/// The peer of a channel is gone.
pub const CHANNEL_DESTROYED: u32 = 0x8000_0022;
/// The client's protocol is too old.
pub const VERSION_MISMATCH: u32 = 0x8000_0200;
/// A frame above the limit.
pub const FAT_MESSAGE: u32 = 0x8000_0209;
/// The connection limit is reached.
pub const SERVER_FULL: u32 = 0x8000_020b;
/// An administrator ended the login.
pub const USER_REMOVED: u32 = 0x8000_020e;
/// A violation that the connection cannot recover from.
pub const PROTOCOL_ERROR: u32 = 0x8000_020f;
/// Wrong name or password.
pub const INCORRECT_LOGIN: u32 = 0x8000_0211;
/// The authentication type is refused.
pub const ENCRYPT_MISMATCH: u32 = 0x8000_0212;
/// The login took too long.
pub const CONNECTION_TIMED: u32 = 0x8000_0225;
/// The server stops.
pub const CONNECTION_CLOSED: u32 = 0x8000_0226;
/// A newer login of the same user took over.
pub const MULTI_SERVER_LOGIN: u32 = 0x8000_0227;
/// The peer does not want to be disturbed; sent by busy clients.
pub const CLIENT_USER_DND: u32 = 0x8000_2001;
