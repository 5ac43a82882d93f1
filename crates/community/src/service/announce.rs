//! One-way messages to people and groups.
//!
//! Source: `docs/protocol/connection.md`, ANNOUNCE.

use crate::limits::{ANNOUNCEMENT_BYTES_MAX, ANNOUNCEMENT_RECIPIENTS_MAX};
use crate::login::{Context, LoginRecord};
use crate::outbox::Event;
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::message::{Announce, Message};

/// Delivers an announcement to every login of the people and group members it names, each once.
pub(crate) fn on_announce(
    sender: &Arc<LoginRecord>,
    announce: &Announce<'_>,
    cx: &mut Context<'_>,
) {
    if announce.text.len() > ANNOUNCEMENT_BYTES_MAX
        || announce.recipients.len() > ANNOUNCEMENT_RECIPIENTS_MAX
    {
        tracing::info!(
            bytes = announce.text.len(),
            recipients = announce.recipients.len(),
            "an announcement is larger than it may be; dropped"
        );
        return;
    }
    let mut frame = Vec::new();
    Message::Announce(Announce {
        // What a client says of the sender is never believed.
        sender: Some(sender.info()),
        unknown: 0,
        may_reply: announce.may_reply,
        text: announce.text,
        recipients: announce.recipients.clone(),
    })
    .encode(&mut frame);
    let frame: Arc<[u8]> = frame.into();
    for id in recipients(announce, cx) {
        let Some(user) = cx.community.presence.find(&id) else {
            continue;
        };
        for login in user.logins_seen_by(&sender.user) {
            login.outbox.push(Event::Frame(Arc::clone(&frame)));
        }
    }
}

/// The user ids that an announcement means. Unknown recipients are skipped.
fn recipients(announce: &Announce<'_>, cx: &Context<'_>) -> BTreeSet<Box<[u8]>> {
    let directory = &cx.community.directory;
    let mut ids = BTreeSet::new();
    for recipient in &announce.recipients {
        match recipient.as_bytes() {
            [b'@', b'U', b' ', id @ ..] => {
                ids.insert(cx.community.canonical(id));
            }
            [b'@', b'G', b' ', id @ ..] => {
                if let Some(group) = directory.group(id) {
                    ids.extend(group.members.iter().map(|member| member.as_bytes().into()));
                }
            }
            _ => {}
        }
    }
    ids
}
