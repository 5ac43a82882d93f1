//! Every bound of this room, with its unit and reason.
//!
//! Source: `docs/protocol/server-behaviour.md`, "Limits", unless a constant says otherwise.

use std::time::Duration;

/// Channels that one connection may have open. Clients open three and one per conversation.
pub const CHANNELS_MAX: usize = 1000;
/// Ids that one login may watch, and ids that one request may name.
pub const WATCHED_MAX: usize = 5000;
/// Spellings of one user's id that one login may watch under. Clients use one; each costs an answer of its own.
pub const SPELLINGS_MAX: usize = 4;
/// Bytes of a user id that may be somebody's; the directory's names are no longer, so a longer one is nobody's.
pub const USER_ID_BYTES_MAX: usize = 256;
/// Bytes that one request may be answered with before the rest of it is passed over: a whole contact list with
/// long status texts fits.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Groups that one login may subscribe to; each subscription is one snapshot of the members.
pub const WATCHED_GROUPS_MAX: usize = 200;
/// Attributes that one login may publish.
pub const ATTRIBUTES_MAX: usize = 64;
/// Bytes of one attribute's value.
pub const ATTRIBUTE_BYTES_MAX: usize = 4 * 1024;
/// Attribute keys that one login may watch; the known clients watch five.
pub const ATTRIBUTE_KEYS_MAX: usize = 256;
/// Bytes of a status text; a longer one is cut at a character's border.
pub const STATUS_TEXT_BYTES_MAX: usize = 4 * 1024;
/// Bytes of an announcement's text; a longer one is dropped.
pub const ANNOUNCEMENT_BYTES_MAX: usize = 4 * 1024;
/// Recipients that one announcement may name.
pub const ANNOUNCEMENT_RECIPIENTS_MAX: usize = 1000;
/// Bytes of the recipients that an announcement repeats to those who get it; clients do not show them.
pub const ANNOUNCEMENT_LIST_BYTES_MAX: usize = 4 * 1024;
/// Announcements of one login in [`ANNOUNCEMENT_WINDOW`]: each may go to everybody.
pub const ANNOUNCEMENTS_MAX: u32 = 10;
/// See [`ANNOUNCEMENTS_MAX`].
pub const ANNOUNCEMENT_WINDOW: Duration = Duration::from_secs(60);
/// People in one privacy list; as many as may be watched.
pub const PRIVACY_USERS_MAX: usize = 5000;
/// Keys in one storage request; clients send one.
pub const STORAGE_KEYS_MAX: usize = 256;
/// Bytes of the values in one save: twice the longest value.
pub const STORAGE_SAVE_BYTES_MAX: usize = 128 * 1024;
/// Queries in one resolve request.
pub const RESOLVE_QUERIES_MAX: usize = 100;

/// Messages that a creator may send before the other side accepted the channel.
pub const HELD_MESSAGES_MAX: usize = 64;
/// Bytes of those messages together, on all channels of the login.
pub const HELD_BYTES_MAX: usize = 256 * 1024;
/// Channels that one login may have to another at a time, so that nobody can use up another's channels.
pub const CHANNELS_PER_PEER_MAX: usize = 50;
/// Ciphers in one offer; there are two.
pub const CIPHERS_MAX: usize = 16;
/// Bytes of a cipher's parameter; a public value has 64.
pub const CIPHER_INFO_BYTES_MAX: usize = 128;
/// How long a conversation may wait for the other side's answer.
pub const OFFER_DEADLINE: Duration = Duration::from_secs(5 * 60);

/// Bytes that wait for one client before those who write to it have to wait themselves. Ordinary chat never comes
/// near it; a flood is slowed down at its source.
pub const OUTBOX_BYTES_FULL: usize = 256 * 1024;
/// Bytes that wait for one client before it counts as too slow and is disconnected.
pub const OUTBOX_BYTES_MAX: usize = 1024 * 1024;
/// What one waiting event costs beside its data, so that many small ones count as well.
pub const EVENT_BYTES: usize = 96;
/// Bytes encoded for a socket before more are taken from the outbox, or read from the client.
pub const WRITE_BYTES_ENOUGH: usize = 64 * 1024;
/// How long a client may take nothing of what waits for it. Shorter than `net::listen::USER_TIMEOUT`, after which
/// the kernel ends such a connection by itself and could not say that the peer is there but does not read.
pub const STALL_DEADLINE: Duration = Duration::from_secs(25);

/// Questions to the directory or the store that one login may have waiting; then its frames wait.
pub const QUESTIONS_MAX: usize = 8;

/// How long a login may wait for its answer once it has been sent. After a restart a whole site queues for its
/// password checks (some 20 ms each on two cores, 10,000 of them), and sending anybody away would only bring them
/// back to the end of the queue. Who answers bounds itself: the queue by its length, a directory by its time-out.
pub const LOGIN_ANSWER_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Silence in both directions after which a keep-alive byte is sent. Whether the peer is still there is the kernel's
/// question (`net::listen`); the byte is for what stands between, proxies that forget a connection on which nothing
/// is said. Each costs as much as a message, so there are few (decision 0009).
pub const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(10 * 60);
/// Timers of idle sessions ring together once in this time: a wake-up costs more than what there is to do.
pub const TIMER_GRAIN: Duration = Duration::from_secs(1);

/// How long what a leaving client wanted to be stored may take.
pub const LAST_WRITES_DEADLINE: Duration = Duration::from_secs(10);
/// How long the last words to a client, and its own end of the stream, may take.
pub const LAST_WORDS_DEADLINE: Duration = Duration::from_secs(5);
/// Bytes read and thrown away while a client is being told why it must go; unread bytes would reset the
/// connection and take the reason away.
pub const LAST_WORDS_BYTES_MAX: usize = 1024 * 1024;

/// Rounds that one connection may turn before others get the thread.
pub const ROUNDS_MAX: u32 = 16;
/// Bytes read at once from a client.
pub const READ_BYTES: usize = 16 * 1024;
