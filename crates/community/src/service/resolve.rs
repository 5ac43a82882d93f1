//! Names to people and groups.
//!
//! Source: `docs/protocol/service-resolve.md`.

use crate::limits::RESOLVE_QUERIES_MAX;
use crate::login::Context;
use identity::{Match, ResolveWhat, Resolved};
use wire::codec::DecodeError;
use wire::message::ChannelSend;
use wire::service::resolve::{
    BAD_FORMAT, KIND, MULTIPLE, PARTIAL, Request, ResolveMatch, ResolveResult, Response, flags,
    match_kind, request_id,
};
use wire::{ReturnCode, Text, frame};

/// Answers a request at once: the embedded directory is in memory.
pub(crate) fn on_send(send: &ChannelSend<'_>, cx: &mut Context<'_>) -> Result<(), DecodeError> {
    let request = match Request::decode(send.kind, send.data) {
        Ok(request) if request.queries.len() <= RESOLVE_QUERIES_MAX => request,
        Ok(request) => {
            refuse(send, request.id, BAD_FORMAT, cx);
            return Ok(());
        }
        Err(error) => {
            if let Some(id) = request_id(send.data).filter(|_| send.kind == KIND) {
                refuse(send, id, ReturnCode::BAD_DATA, cx);
            }
            return Err(error);
        }
    };
    let asked = |flag| request.flags & flag != 0;
    let what = ResolveWhat {
        users: asked(flags::USERS),
        groups: asked(flags::GROUPS),
        unique: asked(flags::UNIQUE),
        first: asked(flags::FIRST),
    };
    let directory = &cx.community.directory;
    let found: Vec<Resolved> = request
        .queries
        .iter()
        .map(|query| directory.resolve(query.as_bytes(), what))
        .collect();
    let results: Vec<ResolveResult<'_>> = request
        .queries
        .iter()
        .zip(&found)
        .map(|(query, found)| result(*query, found))
        .collect();
    respond(
        send,
        &Response {
            id: request.id,
            code: overall(&results),
            results,
        },
        cx,
    );
    Ok(())
}

fn refuse(send: &ChannelSend<'_>, id: u32, code: ReturnCode, cx: &mut Context<'_>) {
    respond(
        send,
        &Response {
            id,
            code,
            results: Vec::new(),
        },
        cx,
    );
}

fn respond(send: &ChannelSend<'_>, response: &Response<'_>, cx: &mut Context<'_>) {
    let mut data = Vec::new();
    let kind = response.encode(&mut data);
    frame::put_send(cx.out, send.channel, kind, false, &data);
}

fn result<'a>(query: Text<'a>, found: &'a Resolved) -> ResolveResult<'a> {
    let (code, matches) = match found {
        Resolved::Found(matches) => (ReturnCode::SUCCESS, matches.iter().map(a_match).collect()),
        Resolved::Nothing => (ReturnCode::NO_ELEMENT, Vec::new()),
        Resolved::Ambiguous => (MULTIPLE, Vec::new()),
        Resolved::Unusable => (BAD_FORMAT, Vec::new()),
    };
    ResolveResult {
        code,
        name: query,
        matches,
    }
}

fn a_match(found: &Match) -> ResolveMatch<'_> {
    let (id, name, desc, kind) = match found {
        Match::Person(person) => (
            &person.id,
            &person.name,
            person.mail.as_str(),
            match_kind::USER,
        ),
        Match::Group(group) => (&group.id, &group.name, "", match_kind::GROUP),
    };
    ResolveMatch {
        id: id.as_str().into(),
        name: name.as_str().into(),
        desc: desc.into(),
        kind,
    }
}

fn overall(results: &[ResolveResult<'_>]) -> ReturnCode {
    let succeeded = results
        .iter()
        .filter(|result| result.code.is_success())
        .count();
    match results.first() {
        _ if succeeded == results.len() => ReturnCode::SUCCESS,
        _ if succeeded > 0 => PARTIAL,
        Some(first) => first.code,
        None => ReturnCode::SUCCESS,
    }
}
