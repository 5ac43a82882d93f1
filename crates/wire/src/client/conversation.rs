//! One conversation of a client: its cipher, and the joining of long messages.
//!
//! Source: `docs/protocol/channels.md`, "Cipher negotiation"; `docs/protocol/encryption.md`,
//! "Channel ciphers".

use super::event::{Cipher, Said, owned};
use crate::auth::RC2_40_KEY_BYTES;
use crate::cipher::dh::PrivateKey;
use crate::cipher::rc2::Rc2Cbc;
use crate::cipher::{self, policy};
use crate::message::{CipherAnswer, CipherOffer, EncryptItem};
use crate::service::im::{ImMessage, data_type};

/// The longest message that is joined from pieces, in bytes. Whatever comes beyond it is dropped,
/// or a peer that never ends its message would fill the memory.
const JOINED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The ciphers to offer for a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offer {
    /// None: in clear.
    None,
    /// RC2/40 only.
    Rc2_40,
    /// RC2/128 only.
    Rc2_128,
    /// Both, as the open client library does.
    Both,
}

impl Offer {
    fn contains(self, cipher: Cipher) -> bool {
        match cipher {
            Cipher::None => true,
            Cipher::Rc2_40 => matches!(self, Self::Rc2_40 | Self::Both),
            Cipher::Rc2_128 => matches!(self, Self::Rc2_128 | Self::Both),
        }
    }

    /// The policy and the offer of a CREATE.
    pub(super) fn build(self, public: &[u8]) -> (u16, Option<CipherOffer<'_>>) {
        let mut items = Vec::new();
        if self.contains(Cipher::Rc2_40) {
            items.push(EncryptItem {
                cipher: cipher::RC2_40,
                info: &[],
            });
        }
        if self.contains(Cipher::Rc2_128) {
            items.push(EncryptItem {
                cipher: cipher::RC2_128,
                info: public,
            });
        }
        if items.is_empty() {
            return (policy::NONE, None);
        }
        (
            policy::ANY,
            Some(CipherOffer {
                items,
                extra: policy::ANY,
                flag: false,
            }),
        )
    }
}

/// The state of one IM channel.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) state: State,
    /// `None` in clear. Two key schedules, so not in line: most conversations of a load generator
    /// are in clear.
    ciphers: Option<Box<Ciphers>>,
    /// Pieces of a long message so far, with the data type of the last one.
    pieces: Option<(u32, Vec<u8>)>,
}

#[derive(Debug)]
pub(super) enum State {
    /// Waits for the other side.
    Opening(Offer),
    /// Waits for this side.
    Offered(Box<Offered>),
    Open,
}

/// What is needed to accept.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) features: u32,
    /// The policy asked for, to be repeated in the answer.
    policy: u16,
    cipher: Cipher,
    /// RC2/128: the creator's public value.
    public: Vec<u8>,
    creator_login_id: Vec<u8>,
}

#[derive(Debug)]
struct Ciphers {
    send: Rc2Cbc,
    receive: Rc2Cbc,
}

/// A conversation that cannot be: bad keys, or a cipher that nobody offered.
#[derive(Debug)]
pub(super) struct BadCipher;

impl Offered {
    /// Chooses the strongest cipher that the policy allows. `None` if it demands one that is not
    /// offered.
    pub(super) fn new(
        features: u32,
        mode: u16,
        offer: Option<&CipherOffer<'_>>,
        creator_login_id: &[u8],
    ) -> Option<Self> {
        let items = offer.map_or(&[][..], |offer| &offer.items);
        let find = |code| items.iter().find(|item| item.cipher == code);
        let (rc2_40, rc2_128) = (find(cipher::RC2_40), find(cipher::RC2_128));
        let item = match mode {
            policy::NONE => None,
            policy::RC2_40 => Some(rc2_40?),
            policy::RC2_128 => Some(rc2_128?),
            policy::ALL => Some(rc2_128.or(rc2_40)?),
            _ => rc2_128.or(rc2_40),
        };
        Some(Self {
            features,
            policy: offer.map_or(mode, |offer| offer.extra),
            cipher: item.map_or(Some(Cipher::None), |item| Cipher::from_code(item.cipher))?,
            public: item.map(|item| item.info.to_vec()).unwrap_or_default(),
            creator_login_id: creator_login_id.to_vec(),
        })
    }

    /// The policy and the answer of an ACCEPT.
    pub(super) fn answer<'a>(&self, public: &'a [u8]) -> (u16, Option<CipherAnswer<'a>>) {
        let answer = |cipher, info| {
            Some(CipherAnswer {
                item: EncryptItem { cipher, info },
                extra: self.policy,
                flag: false,
            })
        };
        match self.cipher {
            Cipher::None => (policy::NONE, None),
            Cipher::Rc2_40 => (policy::RC2_40, answer(cipher::RC2_40, &[])),
            Cipher::Rc2_128 => (policy::RC2_128, answer(cipher::RC2_128, public)),
        }
    }
}

impl Conversation {
    pub(super) fn new(state: State) -> Self {
        Self {
            state,
            ciphers: None,
            pieces: None,
        }
    }

    /// This side accepts.
    pub(super) fn open_offered(
        &mut self,
        offered: &Offered,
        own_login_id: &[u8],
        private: &PrivateKey,
    ) -> Result<Cipher, BadCipher> {
        self.open(
            offered.cipher,
            &offered.public,
            own_login_id,
            &offered.creator_login_id,
            private,
        )
    }

    /// The other side accepts, with this answer to what was offered.
    pub(super) fn open_accepted(
        &mut self,
        offer: Offer,
        answer: Option<&CipherAnswer<'_>>,
        own_login_id: &[u8],
        acceptor_login_id: &[u8],
        private: &PrivateKey,
    ) -> Result<Cipher, BadCipher> {
        let Some(answer) = answer else {
            return self.open(Cipher::None, &[], own_login_id, acceptor_login_id, private);
        };
        let cipher = Cipher::from_code(answer.item.cipher).ok_or(BadCipher)?;
        if !offer.contains(cipher) {
            return Err(BadCipher);
        }
        self.open(
            cipher,
            answer.item.info,
            own_login_id,
            acceptor_login_id,
            private,
        )
    }

    fn open(
        &mut self,
        cipher: Cipher,
        peer_public: &[u8],
        own_login_id: &[u8],
        peer_login_id: &[u8],
        private: &PrivateKey,
    ) -> Result<Cipher, BadCipher> {
        self.ciphers = match cipher {
            Cipher::None => None,
            Cipher::Rc2_40 => Some(Box::new(Ciphers {
                send: rc2_40(own_login_id)?,
                receive: rc2_40(peer_login_id)?,
            })),
            Cipher::Rc2_128 => {
                let key = private.agree(peer_public).map_err(|_| BadCipher)?;
                let chain = Rc2Cbc::new(&key[..]).map_err(|_| BadCipher)?;
                Some(Box::new(Ciphers {
                    send: chain.clone(),
                    receive: chain,
                }))
            }
        };
        self.state = State::Open;
        Ok(cipher)
    }

    /// The data of a message as it travels, and whether it is enciphered.
    pub(super) fn seal(&mut self, data: Vec<u8>) -> (Vec<u8>, bool) {
        match &mut self.ciphers {
            Some(ciphers) => (ciphers.send.encrypt(&data), true),
            None => (data, false),
        }
    }

    /// The data of a message that came enciphered.
    pub(super) fn unseal(&mut self, data: &[u8]) -> Result<Vec<u8>, BadCipher> {
        let ciphers = self.ciphers.as_mut().ok_or(BadCipher)?;
        ciphers.receive.decrypt(data).map_err(|_| BadCipher)
    }

    /// What a message says; `None` for a piece of a message that goes on.
    pub(super) fn hear(&mut self, message: &ImMessage<'_>) -> Option<Said> {
        let (data_type, subtype, payload) = match *message {
            ImMessage::Text(text) => return Some(Said::Text(owned(text))),
            ImMessage::Data {
                data_type,
                subtype,
                payload,
            } => (data_type, subtype, payload),
            ImMessage::Unknown { im_type, rest } => (im_type, 0, rest),
        };
        match (data_type, &mut self.pieces) {
            (data_type::SEGMENT_START, _) => {
                self.pieces = Some((data_type::HTML, Vec::new()));
                None
            }
            (data_type::SEGMENT_STOP, _) => {
                let (data_type, bytes) = self.pieces.take()?;
                Some(if data_type == data_type::MIME {
                    Said::Mime(bytes)
                } else {
                    Said::Html(String::from_utf8_lossy(&bytes).into_owned())
                })
            }
            (data_type::HTML | data_type::MIME, Some((of, bytes))) => {
                *of = data_type;
                if bytes.len() + payload.len() <= JOINED_BYTES_MAX {
                    bytes.extend_from_slice(payload);
                }
                None
            }
            (data_type::HTML, None) => {
                Some(Said::Html(String::from_utf8_lossy(payload).into_owned()))
            }
            (data_type::MIME, None) => Some(Said::Mime(payload.to_vec())),
            (data_type::SUBJECT, _) => {
                Some(Said::Subject(String::from_utf8_lossy(payload).into_owned()))
            }
            (data_type::TYPING, _) => Some(Said::Typing(subtype == 0)),
            (data_type, _) => Some(Said::Other {
                data_type,
                subtype,
                payload: payload.to_vec(),
            }),
        }
    }
}

fn rc2_40(login_id: &[u8]) -> Result<Rc2Cbc, BadCipher> {
    let key = login_id.get(..RC2_40_KEY_BYTES).ok_or(BadCipher)?;
    Rc2Cbc::new(key).map_err(|_| BadCipher)
}
