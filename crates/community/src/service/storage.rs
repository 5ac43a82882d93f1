//! What a user keeps at the server: the contact list and the client's preferences.
//!
//! Source: `docs/protocol/service-storage.md`.

use crate::limits::{STORAGE_KEYS_MAX, STORAGE_SAVE_BYTES_MAX};
use crate::login::{Context, LoginRecord, Question};
use crate::service::{Channels, Endpoint};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{SaveOutcome, Store, StoreError};
use wire::codec::DecodeError;
use wire::message::ChannelSend;
use wire::service::storage::{ClientMessage, ServerMessage, refusal, request_id};
use wire::{ChannelId, ReturnCode, frame};

/// What a client wants of the store.
pub(crate) struct Request {
    channel: ChannelId,
    id: u32,
    user: Arc<[u8]>,
    what: What,
}

enum What {
    Load(Vec<u32>),
    Save(Vec<(u32, Vec<u8>)>),
}

/// What the store answered.
pub(crate) struct Reply {
    channel: ChannelId,
    id: u32,
    what: Outcome,
}

enum Outcome {
    Loaded(Vec<u32>, Result<Vec<Option<Vec<u8>>>, StoreError>),
    Saved(Result<SaveOutcome, StoreError>),
}

impl Request {
    /// Whether it changes what is stored.
    pub(crate) fn is_write(&self) -> bool {
        matches!(self.what, What::Save(_))
    }

    /// Whose data it is about.
    pub(crate) fn user(&self) -> &[u8] {
        &self.user
    }

    /// Asks the store.
    pub(crate) async fn ask(self, store: &Store) -> Reply {
        let what = match self.what {
            What::Load(keys) => {
                let values = store.storage_load(&self.user, &keys).await;
                Outcome::Loaded(keys, values)
            }
            What::Save(items) => Outcome::Saved(store.storage_save(&self.user, items).await),
        };
        Reply {
            channel: self.channel,
            id: self.id,
            what,
        }
    }
}

/// Turns a client's request into a question to the store.
pub(crate) fn on_send(
    login: &Arc<LoginRecord>,
    send: &ChannelSend<'_>,
    cx: &mut Context<'_>,
) -> Result<(), DecodeError> {
    let (id, what) = match ClientMessage::decode(send.kind, send.data) {
        // What may be stored bounds the answer only if nothing is asked for twice.
        Ok(ClientMessage::Load { id, keys }) => match distinct(keys) {
            Some(keys) => (id, What::Load(keys)),
            None => {
                let (code, items) = (ReturnCode::BAD_DATA, Vec::new());
                respond(send.channel, &ServerMessage::Loaded { id, code, items }, cx);
                return Ok(());
            }
        },
        Ok(ClientMessage::Save { id, items })
            if items.len() > STORAGE_KEYS_MAX
                || items.iter().map(|(_, value)| value.len()).sum::<usize>()
                    > STORAGE_SAVE_BYTES_MAX =>
        {
            let code = ReturnCode::STARVING;
            respond(send.channel, &ServerMessage::Saved { id, code }, cx);
            return Ok(());
        }
        Ok(ClientMessage::Save { id, items }) => (
            id,
            What::Save(
                items
                    .into_iter()
                    .map(|(key, value)| (key, value.to_vec()))
                    .collect(),
            ),
        ),
        Err(error) => {
            // A request that hangs would block the client's contact list, so it is answered where it can be.
            let id = request_id(send.data);
            if let Some(answer) = id.and_then(|id| refusal(send.kind, id, ReturnCode::BAD_DATA)) {
                respond(send.channel, &answer, cx);
            }
            return Err(error);
        }
    };
    let user = Arc::clone(&login.user.id);
    cx.questions.push_back(Question::Storage(Request {
        channel: send.channel,
        id,
        user,
        what,
    }));
    Ok(())
}

/// The keys without repetitions, in their order; `None` if there are too many.
fn distinct(mut keys: Vec<u32>) -> Option<Vec<u32>> {
    let mut seen = BTreeSet::new();
    keys.retain(|key| seen.insert(*key));
    (keys.len() <= STORAGE_KEYS_MAX).then_some(keys)
}

/// Hands the store's answer to the client, if the channel is still there.
pub(crate) fn answer(channels: &Channels, reply: Reply, cx: &mut Context<'_>) {
    if !matches!(channels.get(reply.channel), Some(Endpoint::Storage)) {
        return;
    }
    let id = reply.id;
    match reply.what {
        Outcome::Loaded(keys, Ok(values)) => {
            let items: Vec<(u32, &[u8])> = keys
                .iter()
                .zip(&values)
                .filter_map(|(key, value)| Some((*key, value.as_deref()?)))
                .collect();
            // Success without a value makes clients wipe their own contact list.
            let code = if items.is_empty() {
                ReturnCode::NO_ELEMENT
            } else {
                ReturnCode::SUCCESS
            };
            respond(
                reply.channel,
                &ServerMessage::Loaded { id, code, items },
                cx,
            );
        }
        Outcome::Loaded(_, Err(error)) => {
            tracing::error!(%error, "what a user keeps could not be read");
            let code = ReturnCode::FAILURE;
            respond(
                reply.channel,
                &ServerMessage::Loaded {
                    id,
                    code,
                    items: Vec::new(),
                },
                cx,
            );
        }
        Outcome::Saved(result) => {
            let code = match result {
                Ok(SaveOutcome::Saved) => ReturnCode::SUCCESS,
                Ok(SaveOutcome::OverQuota) => ReturnCode::STARVING,
                Err(error) => {
                    tracing::error!(%error, "what a user keeps could not be written");
                    ReturnCode::FAILURE
                }
            };
            respond(reply.channel, &ServerMessage::Saved { id, code }, cx);
        }
    }
}

fn respond(channel: ChannelId, message: &ServerMessage<'_>, cx: &mut Context<'_>) {
    let mut data = Vec::new();
    let kind = message.encode(&mut data);
    frame::put_send(cx.out, channel, kind, false, &data);
}
