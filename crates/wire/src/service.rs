//! What travels inside CHANNEL_SEND and the additional data of CREATE and ACCEPT, one file per
//! service.

pub mod awareness;
pub mod im;
pub mod resolve;
pub mod storage;
