//! The recorded exchanges in `tests/vectors/`, and what a listener who knows all keys can tell of
//! them.

use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use wire::cipher::dh::PrivateKey;
use wire::cipher::rc2::Rc2Cbc;
use wire::{ChannelId, Message, ServiceId, cipher};

/// One run of real clients against a server.
pub(crate) struct Recording {
    pub(crate) file: String,
    pub(crate) inputs: Value,
    pub(crate) frames: Vec<Frame>,
}

/// One frame or keep-alive byte, in the server's order.
pub(crate) struct Frame {
    pub(crate) number: u64,
    /// Name of the user whose connection it is.
    pub(crate) connection: String,
    pub(crate) to_server: bool,
    /// With the length in front.
    pub(crate) bytes: Vec<u8>,
    /// One line per field.
    pub(crate) fields: Vec<String>,
    pub(crate) decrypted: Option<Vec<u8>>,
}

impl Frame {
    /// Without the length; `None` for a keep-alive.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        self.bytes.get(4..)
    }
}

pub(crate) fn json(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// All exchanges: every file but the table of cipher values.
pub(crate) fn all() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json") && !name.starts_with("00"))
        .collect();
    files.sort();
    assert_eq!(
        files.len(),
        23,
        "the recordings that the specification lists"
    );
    files.iter().map(|file| load(file)).collect()
}

pub(crate) fn load(file: &str) -> Recording {
    let mut json = json(file);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let frames = json["frames"]
        .as_array()
        .unwrap()
        .iter()
        .map(|frame| Frame {
            number: frame["n"].as_u64().unwrap(),
            // One login fails, and its connection is named before it says who it is.
            connection: text(&frame["conn"]).replace("conn1", "alice"),
            to_server: frame["dir"] == "client->server",
            bytes: unhex(frame["hex"].as_str().unwrap()),
            fields: frame["decode"]
                .as_array()
                .unwrap()
                .iter()
                .map(text)
                .collect(),
            decrypted: frame
                .get("decrypted")
                .map(|hex| unhex(hex.as_str().unwrap())),
        });
    let frames = frames.collect();
    Recording {
        file: file.to_owned(),
        inputs: json["inputs"].take(),
        frames,
    }
}

impl Recording {
    pub(crate) fn server_key(&self) -> PrivateKey {
        PrivateKey::from_bytes(&unhex(self.inputs["server_dh_private"].as_str().unwrap()))
    }

    fn channel_key(&self, user: &str) -> PrivateKey {
        let key = self.inputs["clients"][user]["channel_dh_private"]
            .as_str()
            .unwrap();
        PrivateKey::from_bytes(&unhex(key))
    }

    fn login_id(&self, user: &str) -> String {
        self.inputs["login_ids"][user].as_str().unwrap().to_owned()
    }
}

/// The channels of all connections of a recording, followed frame by frame.
#[derive(Default)]
pub(crate) struct Channels {
    by_id: HashMap<(String, ChannelId), Channel>,
}

pub(crate) struct Channel {
    pub(crate) service: ServiceId,
    /// The creator's RC2/128 value.
    offered: Vec<u8>,
    /// The creator's login id, if the creator is the peer.
    peer_login_id: String,
    pub(crate) cipher: Option<ChannelCipher>,
}

pub(crate) struct ChannelCipher {
    /// What a recording says of the keys.
    pub(crate) keys: String,
    to_server: Rc2Cbc,
    to_client: Rc2Cbc,
}

impl Channels {
    /// The channel that a SEND or ACCEPT of this connection belongs to.
    pub(crate) fn get(&self, connection: &str, channel: ChannelId) -> Option<&Channel> {
        self.by_id.get(&(connection.to_owned(), channel))
    }

    /// Takes note of channels that come and go.
    pub(crate) fn follow(&mut self, recording: &Recording, frame: &Frame, message: &Message<'_>) {
        let user = &frame.connection;
        match message {
            Message::ChannelCreate(create) => {
                let item = create.offer.iter().flat_map(|offer| &offer.items);
                let offered = item.clone().find(|item| item.cipher == cipher::RC2_128);
                let channel = Channel {
                    service: create.protocol.service,
                    offered: offered.map(|item| item.info.to_vec()).unwrap_or_default(),
                    peer_login_id: login_id_of(create.creator.as_ref()),
                    cipher: None,
                };
                self.by_id.insert((user.clone(), create.channel), channel);
            }
            Message::ChannelAccept(accept) => {
                let channel = self.by_id.get_mut(&(user.clone(), accept.channel)).unwrap();
                let Some(answer) = &accept.answer else { return };
                // Who accepts knows the peer from the CREATE, who created from the ACCEPT.
                let (public, peer_login_id) = if frame.to_server {
                    (&channel.offered[..], channel.peer_login_id.clone())
                } else {
                    (answer.item.info, login_id_of(accept.acceptor.as_ref()))
                };
                let (keys, send, receive) = if answer.item.cipher == cipher::RC2_128 {
                    let key = recording.channel_key(user).agree(public).unwrap();
                    let keys = format!(
                        "RC2/128 channel key (last 16 bytes of shared secret) = {}",
                        hex(&key[..])
                    );
                    (keys, key.to_vec(), key.to_vec())
                } else {
                    let own = &recording.login_id(user)[..5];
                    let peer = &peer_login_id[..5];
                    let keys = format!(
                        "RC2/40 keys: this client sends with '{own}', receives with '{peer}'"
                    );
                    (keys, own.as_bytes().to_vec(), peer.as_bytes().to_vec())
                };
                channel.cipher = Some(ChannelCipher {
                    keys,
                    to_server: Rc2Cbc::new(&send).unwrap(),
                    to_client: Rc2Cbc::new(&receive).unwrap(),
                });
            }
            _ => {}
        }
    }

    /// The plaintext of an enciphered SEND.
    pub(crate) fn decrypt(&mut self, frame: &Frame, channel: ChannelId, data: &[u8]) -> Vec<u8> {
        let channel = self
            .by_id
            .get_mut(&(frame.connection.clone(), channel))
            .unwrap();
        let cipher = channel.cipher.as_mut().unwrap();
        let chain = if frame.to_server {
            &mut cipher.to_server
        } else {
            &mut cipher.to_client
        };
        chain.decrypt(data).unwrap()
    }
}

fn login_id_of(info: Option<&wire::message::LoginInfo<'_>>) -> String {
    info.map(|info| info.login_id.to_lossy().into_owned())
        .unwrap_or_default()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
