//! One-way messages to people and groups.
//!
//! Source: `docs/protocol/connection.md`, ANNOUNCE.

use crate::limits::{
    ANNOUNCEMENT_BYTES_MAX, ANNOUNCEMENT_LIST_BYTES_MAX, ANNOUNCEMENT_RECIPIENTS_MAX,
    ANNOUNCEMENT_WINDOW, ANNOUNCEMENTS_MAX,
};
use crate::login::{Context, Live};
use crate::outbox::{Event, Push};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;
use wire::Text;
use wire::message::{Announce, Message};

/// How much a login has announced lately.
#[derive(Default)]
pub(crate) struct Announced {
    since: Option<Instant>,
    count: u32,
}

impl Announced {
    /// Counts one more, if there may be one more.
    fn may_announce(&mut self, now: Instant) -> bool {
        if self
            .since
            .is_none_or(|since| now - since >= ANNOUNCEMENT_WINDOW)
        {
            *self = Self {
                since: Some(now),
                count: 0,
            };
        }
        self.count += 1;
        self.count <= ANNOUNCEMENTS_MAX
    }
}

/// Delivers an announcement to every login of the people and group members it names, each once.
pub(crate) fn on_announce(live: &mut Live, announce: &Announce<'_>, cx: &mut Context<'_>) {
    let fits = announce.text.len() <= ANNOUNCEMENT_BYTES_MAX
        && announce.recipients.len() <= ANNOUNCEMENT_RECIPIENTS_MAX;
    if !fits || !live.announced.may_announce(cx.now) {
        tracing::info!(
            bytes = announce.text.len(),
            recipients = announce.recipients.len(),
            "an announcement is over a limit of size or number; dropped"
        );
        return;
    }
    let mut frame = Vec::new();
    Message::Announce(Announce {
        // What a client says of the sender is never believed.
        sender: Some(live.record.info()),
        unknown: 0,
        may_reply: announce.may_reply,
        text: until_nul(announce.text),
        recipients: repeated(&announce.recipients),
    })
    .encode(&mut frame);
    let frame: Arc<[u8]> = frame.into();
    for id in recipients(announce, cx) {
        let Some(user) = cx.community.presence.find(&id) else {
            continue;
        };
        for login in user.logins_seen_by(&live.record.user) {
            if login.outbox.push(Event::Frame(Arc::clone(&frame))) == Push::Full {
                *cx.full_peer = Some(login);
            }
        }
    }
}

/// Clients stop at a NUL, so none is sent.
fn until_nul(text: Text<'_>) -> Text<'_> {
    let end = text.as_bytes().iter().position(|byte| *byte == 0);
    Text(&text.as_bytes()[..end.unwrap_or(text.len())])
}

/// The recipients as they are repeated to everybody: as many as stay small.
fn repeated<'a>(recipients: &[Text<'a>]) -> Vec<Text<'a>> {
    let mut bytes = 0;
    let fits = recipients.iter().take_while(|recipient| {
        bytes += recipient.len();
        bytes <= ANNOUNCEMENT_LIST_BYTES_MAX
    });
    fits.copied().collect()
}

/// The user ids that an announcement means. Unknown recipients are skipped.
fn recipients(announce: &Announce<'_>, cx: &Context<'_>) -> BTreeSet<Box<[u8]>> {
    let distinct: BTreeSet<&[u8]> = announce
        .recipients
        .iter()
        .map(|named| named.as_bytes())
        .collect();
    let mut ids = BTreeSet::new();
    for recipient in distinct {
        match recipient {
            [b'@', b'U', b' ', id @ ..] => {
                ids.insert(cx.community.canonical(id));
            }
            [b'@', b'G', b' ', id @ ..] => {
                if let Some(group) = cx.community.directory.group(id) {
                    ids.extend(group.members.iter().map(|member| member.as_bytes().into()));
                }
            }
            _ => {}
        }
    }
    ids
}
