//! The Sametime community protocol: bytes to typed messages and back.
//!
//! No sockets, no clock, no async runtime: bytes, randomness and time come in, bytes and decisions go out.
//! Both halves live here, [`server`] and [`client`], so that a test can connect the two in memory.
//!
//! Source: `docs/protocol/`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]
#![forbid(unsafe_code)]

pub mod auth;
pub mod cipher;
pub mod client;
pub mod close;
pub mod code;
pub mod codec;
pub mod frame;
pub mod id;
pub mod link;
pub mod message;
pub mod server;
pub mod service;

pub use close::CloseReason;
pub use code::{ReturnCode, Status};
pub use codec::{DecodeError, Text};
pub use id::{ChannelId, ServiceId};
pub use message::Message;
