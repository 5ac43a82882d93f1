//! The shell around a login: one task per connection that reads, writes, waits and asks. All decisions are in
//! [`crate::login`].

use crate::Shared;
use crate::limits::{
    KEEP_ALIVE_AFTER, LAST_WORDS_BYTES_MAX, LAST_WORDS_DEADLINE, LAST_WRITES_DEADLINE,
    QUESTIONS_MAX, READ_BYTES, ROUNDS_MAX, STALL_DEADLINE, WRITE_BYTES_ENOUGH,
};
use crate::login::{Answer, Context, Login, LoginRecord, Question};
use crate::outbox::Outbox;
use identity::{Attempt, AuthError};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use wire::CloseReason;
use wire::frame::{self, KEEP_ALIVE, Next};
use wire::link::Opened;

thread_local! {
    /// Where a client's bytes are read to. A session keeps only what is left of an incomplete frame.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
    /// Where bytes for a client are gathered. A session keeps only what its socket did not take.
    static WRITE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The gathering buffer goes back to this size after a large answer.
const WRITE_BYTES_KEPT: usize = 256 * 1024;

/// A question that is being answered.
struct Asked {
    /// Whether it changes what is stored.
    is_write: bool,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
}

/// Serves one client until its end.
pub(crate) async fn serve<S>(community: Arc<Shared>, stream: S, opened: Opened) -> CloseReason
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut session = Session::new(community, stream, opened);
    let reason = poll_fn(|cx| session.poll(cx)).await;
    // Boxed: ending needs room that a living session should not carry.
    Box::pin(session.end(reason)).await;
    reason
}

/// What a socket did not take yet.
#[derive(Default)]
struct Unsent {
    bytes: Vec<u8>,
    /// So many of them have gone; moving the rest forward each time would cost their square.
    gone: usize,
}

impl Unsent {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.gone..).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.gone
    }
}

struct Session<S> {
    community: Arc<Shared>,
    stream: S,
    address: IpAddr,
    login: Login,
    outbox: Arc<Outbox>,
    /// The beginning of a frame.
    partial: Vec<u8>,
    /// Bytes that the stream did not take yet.
    unsent: Unsent,
    /// The stream has taken bytes that the socket did not take yet.
    flushing: bool,
    questions: VecDeque<Question>,
    asking: Option<Asked>,
    /// Reading pauses until this login has room.
    full_peer: Option<Arc<LoginRecord>>,
    wake_by: Option<Instant>,
    /// When something last came.
    last_heard: Instant,
    /// When something last went.
    last_sent: Instant,
    timer: Pin<Box<Sleep>>,
    ended: bool,
}

impl<S> Drop for Session<S> {
    /// However the task ends, by a panic too: nobody may go on believing that the login is here.
    fn drop(&mut self) {
        self.finish();
    }
}

impl<S> Session<S> {
    fn finish(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.login.end(&self.community);
        }
    }
}

impl<S> Session<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    fn new(community: Arc<Shared>, stream: S, opened: Opened) -> Self {
        let now = Instant::now();
        let deadline = now + community.options.login_deadline;
        let key = community.next_login();
        let outbox = Arc::new(Outbox::default());
        community.sessions.begin(key, &outbox);
        Self {
            stream,
            address: opened.peer.ip(),
            login: Login::new(key, opened, Arc::clone(&outbox), deadline),
            outbox,
            partial: Vec::new(),
            unsent: Unsent::default(),
            flushing: false,
            questions: VecDeque::new(),
            asking: None,
            full_peer: None,
            wake_by: None,
            last_heard: now,
            last_sent: now,
            timer: Box::pin(sleep_until(deadline)),
            ended: false,
            community,
        }
    }

    /// Does all that can be done now; ready when the session is over.
    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<CloseReason> {
        let now = Instant::now();
        WRITE.with_borrow_mut(|out| {
            out.clear();
            let result = self.rounds(now, out, cx);
            if !out.is_empty() {
                self.unsent.bytes.extend_from_slice(out);
            }
            if out.capacity() > WRITE_BYTES_KEPT {
                *out = Vec::new();
            }
            match result {
                Ok(()) => Poll::Pending,
                Err(reason) => Poll::Ready(reason),
            }
        })
    }

    fn rounds(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        cx: &mut TaskContext<'_>,
    ) -> Result<(), CloseReason> {
        self.time(now, out, cx)?;
        for _ in 0..ROUNDS_MAX {
            let mut moved = self.answers(now, out, cx)?;
            moved |= self.waiting(now, out, cx)?;
            moved |= self.read(now, out, cx)?;
            self.login.settle();
            if let Some(wanted) = self.wake_by.take()
                && wanted < self.timer.deadline()
            {
                let wanted = self.community.on_the_grain(wanted, now);
                self.timer.as_mut().reset(wanted);
            }
            moved |= self.write(now, out, cx)?;
            if !moved {
                return Ok(());
            }
        }
        // Others get the thread, and this session its next turn right after.
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Runs one step of the login.
    fn step<T>(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut Login, &mut Context<'_>) -> T,
    ) -> T {
        let mut context = Context {
            community: &self.community,
            out,
            questions: &mut self.questions,
            full_peer: &mut self.full_peer,
            wake_by: &mut self.wake_by,
            now,
            activity: self.community.activity(now),
        };
        step(&mut self.login, &mut context)
    }

    /// Ends what took too long, and keeps quiet connections alive.
    fn time(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        cx: &mut TaskContext<'_>,
    ) -> Result<(), CloseReason> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let wanted = self.step(now, out, Login::on_time)?;
            let last_moved = self.last_heard.max(self.last_sent);
            let next = if self.is_stalled() {
                if now.saturating_duration_since(self.last_sent) >= STALL_DEADLINE {
                    return Err(CloseReason::SlowConsumer);
                }
                self.last_sent + STALL_DEADLINE
            } else if now.saturating_duration_since(last_moved) >= KEEP_ALIVE_AFTER {
                if self.login.has_spoken() {
                    out.push(KEEP_ALIVE);
                }
                now + KEEP_ALIVE_AFTER
            } else {
                last_moved + KEEP_ALIVE_AFTER
            };
            let next = wanted.map_or(next, |wanted| wanted.min(next));
            let next = self.community.on_the_grain(next, now);
            self.timer.as_mut().reset(next);
        }
        Ok(())
    }

    /// Takes an answer, and asks the next question.
    fn answers(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        cx: &mut TaskContext<'_>,
    ) -> Result<bool, CloseReason> {
        let mut moved = false;
        loop {
            if let Some(asking) = &mut self.asking {
                let Poll::Ready(answer) = asking.answer.as_mut().poll(cx) else {
                    return Ok(moved);
                };
                self.asking = None;
                moved = true;
                let was_live = self.login.is_live();
                self.step(now, out, |login, context| login.on_answer(answer, context))?;
                if self.login.is_live() && !was_live {
                    // Otherwise every login would be woken once more by the deadline it has just met.
                    let quiet = self.community.on_the_grain(now + KEEP_ALIVE_AFTER, now);
                    self.timer.as_mut().reset(quiet);
                }
            }
            // One at a time: what a client saves is there when it loads.
            let Some(question) = self.questions.pop_front() else {
                if self.questions.capacity() > 0 {
                    self.questions = VecDeque::new();
                }
                return Ok(moved);
            };
            self.asking = Some(self.ask(question));
        }
    }

    fn ask(&self, question: Question) -> Asked {
        let is_write = question.is_write();
        let community = Arc::clone(&self.community);
        let address = self.address;
        let answer = Box::pin(async move {
            match question {
                Question::Authenticate { name, proof } => {
                    Answer::Authenticated(authenticate(&community, &name, proof, address).await)
                }
                Question::Storage(request) => Answer::Storage(request.ask(&community.store).await),
                Question::SavePrivacy { user, record } => {
                    let result = community.store.privacy_save(&user, record.clone()).await;
                    Answer::PrivacySaved {
                        user,
                        record,
                        result,
                    }
                }
            }
        });
        Asked { is_write, answer }
    }

    /// Takes what others had for this login, unless its client is not even taking what it has got.
    fn waiting(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        cx: &mut TaskContext<'_>,
    ) -> Result<bool, CloseReason> {
        if !self.login.is_live() || self.unsent.len() + out.len() >= WRITE_BYTES_ENOUGH {
            return match self.outbox.closing(cx.waker()) {
                Some(reason) => Err(reason),
                None => Ok(false),
            };
        }
        match self.outbox.take(cx.waker())? {
            Some(waiting) => {
                self.step(now, out, |login, context| {
                    login.on_waiting(waiting, context)
                });
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// May more of the client's frames be handled now?
    fn may_read(&mut self, out: &[u8], cx: &TaskContext<'_>) -> bool {
        if let Some(peer) = &self.full_peer {
            if !peer.outbox.has_room(cx.waker()) {
                return false;
            }
            self.full_peer = None;
        }
        self.questions.len() < QUESTIONS_MAX && self.unsent.len() + out.len() < WRITE_BYTES_ENOUGH
    }

    /// Reads from the client and handles its frames.
    fn read(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        cx: &mut TaskContext<'_>,
    ) -> Result<bool, CloseReason> {
        if !self.may_read(out, cx) {
            return Ok(false);
        }
        // Frames may be left from a time when reading paused.
        if !self.partial.is_empty() {
            let held = std::mem::take(&mut self.partial);
            let used = self.frames(&held, now, out, cx)?;
            self.keep(held, used);
            if used > 0 {
                return Ok(true);
            }
        }
        READ.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Err(error)) => return Err(self.reason_of(&error)),
                Poll::Ready(Ok(())) => {}
            }
            let bytes = buffer.filled();
            if bytes.is_empty() {
                return Err(CloseReason::PeerClosed);
            }
            self.last_heard = now;
            if self.partial.is_empty() {
                let used = self.frames(bytes, now, out, cx)?;
                self.partial = bytes.get(used..).unwrap_or_default().to_vec();
            } else {
                let mut held = std::mem::take(&mut self.partial);
                held.extend_from_slice(bytes);
                let used = self.frames(&held, now, out, cx)?;
                self.keep(held, used);
            }
            Ok(true)
        })
    }

    fn keep(&mut self, mut held: Vec<u8>, used: usize) {
        held.drain(..used);
        if !held.is_empty() {
            self.partial = held;
        }
    }

    /// Handles complete frames as long as there is room for what they cause; says how many bytes are done.
    fn frames(
        &mut self,
        bytes: &[u8],
        now: Instant,
        out: &mut Vec<u8>,
        cx: &TaskContext<'_>,
    ) -> Result<usize, CloseReason> {
        let mut used = 0;
        while self.may_read(out, cx) {
            let rest = bytes.get(used..).unwrap_or_default();
            let (consumed, next) = frame::next(rest, self.login.frame_bytes_max());
            match next {
                Next::Frame(frame) => {
                    self.step(now, out, |login, context| login.on_frame(frame, context))?;
                    used += consumed;
                }
                Next::Incomplete => return Ok(used + consumed),
                Next::TooLarge { .. } => return Err(CloseReason::FrameTooLarge),
            }
        }
        Ok(used)
    }

    /// Gives the socket what there is for the client.
    fn write(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        cx: &mut TaskContext<'_>,
    ) -> Result<bool, CloseReason> {
        let mut moved = false;
        if self.unsent.len() > 0 {
            self.unsent.bytes.append(out);
            while self.unsent.len() > 0 {
                let stream = Pin::new(&mut self.stream);
                let Poll::Ready(sent) = stream.poll_write(cx, self.unsent.rest()) else {
                    return Ok(moved);
                };
                self.unsent.gone += sent.map_err(|error| self.reason_of(&error))?;
                self.last_sent = now;
                moved = true;
            }
            self.unsent = Unsent::default();
        }
        let mut sent_in_all = 0;
        while let Some(rest) = out.get(sent_in_all..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(sent) => {
                    sent_in_all += sent.map_err(|error| self.reason_of(&error))?;
                    self.last_sent = now;
                    moved = true;
                }
                Poll::Pending => {
                    self.unsent.bytes = rest.to_vec();
                    self.begin_stall(now);
                    break;
                }
            }
        }
        out.clear();
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(error)) => return Err(self.reason_of(&error)),
            Poll::Ready(Ok(())) => self.flushing = false,
            Poll::Pending if self.flushing => {}
            Poll::Pending => {
                self.flushing = true;
                self.begin_stall(now);
            }
        }
        Ok(moved)
    }

    /// Whether the socket does not take what there is for the client.
    fn is_stalled(&self) -> bool {
        self.unsent.len() > 0 || self.flushing
    }

    /// The socket takes no more: its time runs from now, and the timer may stand on a later time.
    fn begin_stall(&mut self, now: Instant) {
        self.last_sent = now;
        let end = now + STALL_DEADLINE;
        if self.timer.deadline() > end {
            self.timer.as_mut().reset(end);
        }
    }

    fn reason_of(&self, error: &io::Error) -> CloseReason {
        match error.kind() {
            // The kernel gave up first, on a peer whose window stayed shut.
            io::ErrorKind::TimedOut if self.is_stalled() => CloseReason::SlowConsumer,
            io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => CloseReason::PeerVanished,
            io::ErrorKind::UnexpectedEof => CloseReason::PeerClosed,
            // What the TLS layer says of a record that does not hold.
            io::ErrorKind::InvalidData => CloseReason::TlsFailed,
            _ => CloseReason::PeerReset,
        }
    }

    /// Leaves the community at once, stores what the client wanted stored, then tells it why, as far as it listens.
    async fn end(&mut self, reason: CloseReason) {
        self.finish();
        // Clients save the contact list and log out in one breath. Of somebody who was removed nothing is kept.
        if reason != CloseReason::EndedByAdmin
            && timeout(LAST_WRITES_DEADLINE, self.last_writes())
                .await
                .is_err()
        {
            tracing::error!("what a leaving client wanted stored took too long and may be lost");
        }
        let silent = matches!(
            reason,
            CloseReason::SlowConsumer | CloseReason::PeerReset | CloseReason::PeerVanished
        );
        if !silent {
            // The client may be gone; there is nobody left to tell of an error here.
            let _ = timeout(LAST_WORDS_DEADLINE, self.last_words(reason)).await;
        }
    }

    async fn last_writes(&mut self) {
        if let Some(asked) = self.asking.take().filter(|asked| asked.is_write) {
            asked.answer.await.outlive_login(&self.community);
        }
        while let Some(question) = self.questions.pop_front() {
            // Of somebody who was removed meanwhile nothing is stored, for a later holder of the id to find.
            let directory = &self.community.directory;
            if question
                .user()
                .is_some_and(|user| directory.person(user).is_some())
            {
                self.ask(question)
                    .answer
                    .await
                    .outlive_login(&self.community);
            }
        }
    }

    async fn last_words(&mut self, reason: CloseReason) -> io::Result<()> {
        let mut last_words = self.unsent.rest().to_vec();
        wire::server::put_close(&mut last_words, reason);
        // A broken TLS layer takes no words, but still an end.
        if reason != CloseReason::TlsFailed {
            self.stream.write_all(&last_words).await?;
        }
        self.stream.shutdown().await?;
        let mut rest = [0; 1024];
        let mut thrown_away = 0;
        while thrown_away < LAST_WORDS_BYTES_MAX {
            match self.stream.read(&mut rest).await? {
                0 => break,
                count => thrown_away += count,
            }
        }
        Ok(())
    }
}

async fn authenticate(
    community: &Shared,
    name: &[u8],
    proof: identity::Proof,
    address: IpAddr,
) -> Result<(Arc<identity::Person>, Option<store::PrivacyRecord>), CloseReason> {
    let attempt = Attempt {
        name,
        proof,
        address,
    };
    let person = community
        .directory
        .authenticate(attempt)
        .await
        .map_err(|error| match error {
            AuthError::WrongLogin => CloseReason::WrongLogin,
            AuthError::Disabled => CloseReason::AccountDisabled,
            AuthError::TooManyFailures => CloseReason::TooManyFailures,
            AuthError::Unavailable => CloseReason::DirectoryAway,
        })?;
    let privacy = community
        .store
        .privacy_load(person.id.as_bytes())
        .await
        .map_err(|error| {
            // Without the list the user might be shown to those they hide from, so there is no login.
            tracing::error!(%error, "a privacy list could not be read; the login is refused");
            CloseReason::DirectoryAway
        })?;
    Ok((person, privacy))
}
