//! Inputs to start from: the recorded frames of real clients and files as administrators bring them, in the form that
//! each target takes.

use crate::{settings, stores};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use wire::message::{ChannelSend, Login};
use wire::{Message, frame};

/// The challenge of every recorded HANDSHAKE_ACK.
pub const MAGIC: u32 = 0x0123_4567;

/// The inputs of each target, by its name.
pub type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// Reads the recordings.
///
/// # Errors
/// If a recording is missing or is none.
pub fn load() -> std::io::Result<Seeds> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/wire/tests/vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    let mut seeds = Seeds::new();
    for file in files {
        let recording: Value = serde_json::from_slice(&std::fs::read(file)?)?;
        let frames = recording.get("frames").and_then(Value::as_array);
        add_recording(&mut seeds, frames.map(Vec::as_slice).unwrap_or_default());
    }
    settings::add_seeds(&mut seeds);
    stores::add_seeds(&mut seeds)?;
    Ok(seeds)
}

fn add_recording(seeds: &mut Seeds, frames: &[Value]) {
    let mut streams: BTreeMap<(bool, &str), Vec<u8>> = BTreeMap::new();
    for frame in frames {
        let text = |key| frame.get(key).and_then(Value::as_str).unwrap_or_default();
        let bytes = unhex(text("hex"));
        let to_server = text("dir") == "client->server";
        streams
            .entry((to_server, text("conn")))
            .or_default()
            .extend_from_slice(&bytes);
        if let (_, frame::Next::Frame(body)) = frame::next(&bytes, bytes.len()) {
            add(seeds, "message", body.to_vec());
            let half = if to_server {
                "server_half"
            } else {
                "client_half"
            };
            add(seeds, half, bytes.clone());
            let decrypted = frame.get("decrypted").and_then(Value::as_str).map(unhex);
            add_inside(seeds, body, to_server, decrypted);
        }
    }
    for ((to_server, _), stream) in streams {
        add(
            seeds,
            if to_server {
                "server_half"
            } else {
                "client_half"
            },
            stream.clone(),
        );
        add(seeds, "frame", stream);
    }
}

/// The proof of a LOGIN, the payload of a SEND. Which service a SEND belongs to does not matter: all
/// of them have to cope with all data.
fn add_inside(seeds: &mut Seeds, body: &[u8], to_server: bool, decrypted: Option<Vec<u8>>) {
    match Message::decode(body) {
        Ok(Message::Login(Login {
            auth_data,
            auth_type,
            ..
        })) => {
            let mut input = vec![u8::try_from(auth_type).unwrap_or_default()];
            input.extend_from_slice(auth_data);
            add(seeds, "auth_block", input);
        }
        Ok(Message::ChannelCreate(create)) => add(seeds, "im", create.addtl.to_vec()),
        Ok(Message::ChannelAccept(accept)) => add(seeds, "im", accept.addtl.to_vec()),
        Ok(Message::ChannelSend(ChannelSend { kind, data, .. })) => {
            let mut input = kind.to_be_bytes().to_vec();
            input.extend_from_slice(decrypted.as_deref().unwrap_or(data));
            let awareness = if to_server {
                "awareness_client"
            } else {
                "awareness_server"
            };
            for target in [awareness, "im", "resolve", "storage"] {
                add(seeds, target, input.clone());
            }
        }
        _ => {}
    }
}

pub(crate) fn add(seeds: &mut Seeds, target: &'static str, input: Vec<u8>) {
    let inputs = seeds.entry(target).or_default();
    if !inputs.contains(&input) {
        inputs.push(input);
    }
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default();
    let pair = |pair: &[u8]| {
        pair.iter()
            .fold(0, |byte, &half| byte << 4 | digit(half) as u8)
    };
    hex.as_bytes().chunks(2).map(pair).collect()
}
