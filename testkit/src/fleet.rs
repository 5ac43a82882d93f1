//! Thousands of sessions under one hand: log in, converse, change status, and wait for what comes of it.

use crate::measure::as_f64;
use crate::session::{self, Note, Order, Plan, Signed, Speaks};
use anyhow::{Context, Result, bail};
use std::ops::Range;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// Contacts that each session watches, and watchers that each has.
pub const CONTACTS: usize = 20;

/// Notes taken at once.
const NOTES_AT_ONCE: usize = 1024;

/// Whom the sessions of a fleet watch.
#[derive(Debug, Clone, Copy)]
pub enum Contacts {
    /// Each the next twenty, in a ring: everybody has twenty watchers too.
    Ring,
    /// Twenty people from this one on, the same for all. If they are not there, nobody hears of anybody.
    From(usize),
}

/// How a login of many went.
#[derive(Debug)]
pub struct Logins {
    /// From the first connection to the last contact list.
    pub wall: Duration,
    /// Of each one that did not get in, why.
    pub refused: Vec<String>,
}

impl Logins {
    /// Takes refusals for a failure of the run.
    ///
    /// # Errors
    /// How many, and why the first one.
    pub fn all_in(self) -> Result<Duration> {
        match self.refused.first() {
            None => Ok(self.wall),
            Some(first) => bail!("{} did not get in, the first: {first}", self.refused.len()),
        }
    }
}

/// Sessions with one server. Dropped, they are cut: the streams end without a goodbye.
pub struct Fleet {
    plan: Plan,
    orders: Vec<UnboundedSender<Order>>,
    notes: UnboundedReceiver<Signed>,
    waiting: Vec<Signed>,
    /// Round robin through the sessions.
    next: usize,
    changes: usize,
}

impl Fleet {
    /// Sessions that are ready to connect.
    ///
    /// # Errors
    /// If that takes longer than a minute.
    pub async fn new(plan: &Plan, count: usize, contacts: Contacts) -> Result<Self> {
        let (reports, notes) = unbounded_channel();
        let mut orders = Vec::with_capacity(count);
        for me in 0..count {
            let (order, inbox) = unbounded_channel();
            orders.push(order);
            let watched = match contacts {
                _ if plan.speaks == Speaks::Echo => Vec::new(),
                Contacts::Ring => (1..=CONTACTS).map(|step| (me + step) % count).collect(),
                Contacts::From(first) => (first..first + CONTACTS).collect(),
            };
            tokio::spawn(session::run(
                plan.clone(),
                me,
                watched,
                inbox,
                reports.clone(),
            ));
        }
        let plan = plan.clone();
        let mut fleet = Self {
            plan,
            orders,
            notes,
            waiting: Vec::new(),
            next: 0,
            changes: 0,
        };
        let end = Instant::now() + Duration::from_secs(60);
        let mut prepared = 0;
        while prepared < count {
            match fleet.note(end, "prepared").await? {
                (_, Note::Prepared) => prepared += 1,
                (who, note) => bail!("session {who} reports {note:?} before it began"),
            }
        }
        Ok(fleet)
    }

    /// How many sessions there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.orders.len()
    }

    /// Logs these sessions in, at most `at_once` at a time, and waits until all are in or refused.
    ///
    /// # Errors
    /// If not all have an answer at the deadline, or one that was in before ended.
    pub async fn login(
        &mut self,
        who: Range<usize>,
        at_once: usize,
        deadline: Duration,
    ) -> Result<Logins> {
        let begin = Instant::now();
        let mut waiting = who.clone();
        for one in waiting.by_ref().take(at_once) {
            self.order(one, Order::Connect)?;
        }
        let mut open = who.len();
        let mut refused = Vec::new();
        while open > 0 {
            let what = format!("{open} of {} logins", who.len());
            match self.note(begin + deadline, &what).await? {
                (_, Note::Ready) => {}
                (one, Note::Ended(error)) if who.contains(&one) => {
                    refused.push(format!("{error:#}"));
                }
                (one, Note::Ended(error)) => {
                    return Err(error.context(format!("session {one} ended")));
                }
                _ => continue,
            }
            open -= 1;
            if let Some(one) = waiting.next() {
                self.order(one, Order::Connect)?;
            }
        }
        Ok(Logins {
            wall: begin.elapsed(),
            refused,
        })
    }

    /// Lets each two neighbours open a conversation.
    ///
    /// # Errors
    /// If one does not open before the deadline.
    pub async fn converse(&mut self, deadline: Duration) -> Result<()> {
        let end = Instant::now() + deadline;
        match self.plan.speaks {
            Speaks::Echo => {}
            Speaks::Floor => {
                for one in 0..self.size() {
                    self.order(one, Order::Converse(one ^ 1))?;
                }
            }
            Speaks::Sametime => {
                for one in (0..self.size()).step_by(2) {
                    self.order(one, Order::Converse(one + 1))?;
                }
                let mut open = self.size() / 2;
                while open > 0 {
                    match self.note(end, "open conversations").await? {
                        (_, Note::Open) => open -= 1,
                        other => unbroken(other)?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends `count` messages, `in_flight` at a time and each from another session, and waits until all have
    /// arrived.
    ///
    /// # Errors
    /// If a message does not arrive before the deadline, or a session ends.
    pub async fn messages(
        &mut self,
        count: usize,
        in_flight: usize,
        deadline: Duration,
    ) -> Result<Duration> {
        let begin = Instant::now();
        let mut sent = 0;
        let mut arrived = 0;
        while arrived < count {
            while sent < count && sent - arrived < in_flight {
                let one = self.take_turn();
                self.order(one, Order::Say)?;
                sent += 1;
            }
            match self.note(begin + deadline, "messages").await? {
                (_, Note::Delivered(_)) => arrived += 1,
                other => unbroken(other)?,
            }
        }
        Ok(begin.elapsed())
    }

    /// Sends `per_second` messages a second for `seconds`; the microseconds that each took from the one's write
    /// to the other's read.
    ///
    /// # Errors
    /// If a message does not arrive within the deadline after the last one was sent, or a session ends.
    pub async fn latencies(
        &mut self,
        per_second: u32,
        seconds: u32,
        deadline: Duration,
    ) -> Result<Vec<f64>> {
        let count = usize::try_from(per_second * seconds)?;
        let mut ticks = interval(Duration::from_secs(1) / per_second);
        // A late tick is made up for, so that the rate holds.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let end = Instant::now() + Duration::from_secs(seconds.into()) + deadline;
        let mut sent = 0;
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            tokio::select! {
                _ = ticks.tick(), if sent < count => {
                    let one = self.take_turn();
                    self.order(one, Order::Say)?;
                    sent += 1;
                }
                note = self.note(end, "timed messages") => match note? {
                    (_, Note::Delivered(nanoseconds)) => {
                        taken.push(Duration::from_nanos(nanoseconds).as_secs_f64() * 1e6);
                    }
                    other => unbroken(other)?,
                },
            }
        }
        Ok(taken)
    }

    /// Lets `count` sessions change status, `in_flight` at a time, and waits until each of their watchers knows.
    ///
    /// # Errors
    /// If one does not learn it before the deadline, or a session ends.
    pub async fn changes(
        &mut self,
        count: usize,
        in_flight: usize,
        deadline: Duration,
    ) -> Result<Duration> {
        let begin = Instant::now();
        let mut missing = vec![0_usize; self.size()];
        let mut begun = 0;
        let mut done = 0;
        while done < count {
            while begun < count && begun - done < in_flight {
                let one = self.take_turn();
                let watchers = missing.get_mut(one).context("no such session")?;
                if *watchers > 0 {
                    bail!("more changes in flight than sessions");
                }
                *watchers = CONTACTS;
                self.changes += 1;
                self.order(one, Order::Change(self.changes))?;
                begun += 1;
            }
            match self.note(begin + deadline, "status changes").await? {
                (_, Note::Changed(person)) => {
                    let watchers = missing.get_mut(person).context("a change of a stranger")?;
                    if *watchers == 0 {
                        bail!(
                            "person {person} changed without being told, or twice for one watcher"
                        );
                    }
                    *watchers -= 1;
                    done += usize::from(*watchers == 0);
                }
                other => unbroken(other)?,
            }
        }
        Ok(begin.elapsed())
    }

    /// Forgets what has been reported so far.
    ///
    /// # Errors
    /// If a session ended.
    pub fn settle(&mut self) -> Result<()> {
        let mut notes = std::mem::take(&mut self.waiting);
        while let Ok(note) = self.notes.try_recv() {
            notes.push(note);
        }
        notes.into_iter().try_for_each(unbroken)
    }

    /// Cuts all streams without a goodbye, and waits until the last one is closed on this side.
    ///
    /// # Errors
    /// If that takes longer than a minute.
    pub async fn cut(mut self) -> Result<()> {
        self.orders.clear();
        let end = Instant::now() + Duration::from_secs(60);
        // The last session takes the last sender of notes with it.
        while timeout_at(end, self.notes.recv())
            .await
            .context("the sessions do not end")?
            .is_some()
        {}
        Ok(())
    }

    fn take_turn(&mut self) -> usize {
        let one = self.next % self.size().max(1);
        self.next = one + 1;
        one
    }

    fn order(&mut self, one: usize, order: Order) -> Result<()> {
        let session = self.orders.get(one).context("no such session")?;
        if session.send(order).is_ok() {
            return Ok(());
        }
        // It ended, and has said why.
        self.settle()?;
        bail!("session {one} ended without a word")
    }

    /// The next note. Cancelled, it loses nothing.
    async fn note(&mut self, end: Instant, what: &str) -> Result<Signed> {
        if self.waiting.is_empty() {
            let Self { notes, waiting, .. } = self;
            let received = timeout_at(end, notes.recv_many(waiting, NOTES_AT_ONCE)).await;
            let count = received.with_context(|| format!("waited too long for {what}"))?;
            if count == 0 {
                bail!("all sessions are gone");
            }
            self.waiting.reverse();
        }
        self.waiting.pop().context("no note")
    }
}

/// Notes that matter to nobody now, but no session may end.
fn unbroken((who, note): Signed) -> Result<()> {
    match note {
        Note::Ended(error) => Err(error.context(format!("session {who} ended"))),
        _ => Ok(()),
    }
}

/// How many of something there are in a second.
#[must_use]
pub fn per_second(count: usize, wall: Duration) -> f64 {
    as_f64(count) / wall.as_secs_f64().max(f64::MIN_POSITIVE)
}
